import type {Dependence} from './dependence';
import {factsOf, kernelsThat} from './kernel_facts';
import type {TraceNode} from './trace';

const AFFINE = kernelsThat('affine');

/**
 * Whether a node is an affine function of those of its inputs that depend on the variables. A mask or a choice that the outputs make by a comparison, as in
 * where(r > 0, q r, (q - 1) r) and r · sign(r), bends it, although no derivative passes through the comparison.
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
