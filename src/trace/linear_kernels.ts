import type {Dependence} from './dependence';
import {factsOf} from './kernel_facts';
import {AFFINE} from './kernel_sets';
import type {TraceNode} from './trace';

/**
 * Whether a node is an affine function of those of its inputs that depend on the variables. It is
 * not if the outputs of the model choose its entries by a comparison, although no derivative passes
 * through the comparison: as in r · sign(r) and in where(r > 0, q r, (q - 1) r).
 */
export function isLinear(node: TraceNode, {varying}: Pick<Dependence, 'varying'>): boolean {
  const varies = (name: string): boolean => node.inputs.some(([input, value]) => input === name && varying[value]);
  switch (node.kernel) {
    case 'Multiply':
      return node.inputs.filter(([, input]) => varying[input]).length === 1;
    case 'RealDiv':
      return !varies('b');
    default: {
      const chosenBy = factsOf(node.kernel)?.chosenBy;
      return AFFINE.has(node.kernel) || (chosenBy !== undefined && !varies(chosenBy));
    }
  }
}
