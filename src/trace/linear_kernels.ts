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
  const {chosenBy, factors} = factsOf(node.kernel) ?? {};
  const moving = node.inputs.filter(([, value]) => varying[value]).map(([name]) => name);
  return AFFINE.has(node.kernel) || (chosenBy !== undefined && !moving.includes(chosenBy)) ||
      (factors !== undefined && moving.length === 1 && factors.includes(moving[0]));
}
