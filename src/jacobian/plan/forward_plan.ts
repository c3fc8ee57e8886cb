import {getBackend} from '@tensorflow/tfjs-core';
import type {Trace} from '../../trace/trace';
import {derivativePaths} from '../../trace/derivative_paths';
import type {Dependence} from '../../trace/dependence';
import {BatchAxisLost} from '../../trace/batch_axis';
import {refuseWrongKernel} from '../../derivatives/kernels/wrong_kernels';
import {tangentRule} from '../../derivatives/tangents/rules';
import {rootsOf} from '../../loss/functions/row_block';
import type {RowBlock} from '../../loss/functions/row_block';
import type {ForwardSweep, Plan} from './plan';
import {rowSite} from './site';

/**
 * Axes of a tensor that backends know. A tangent has one more than its value, for the directions.
 */
const MAX_RANK = 6;

/**
 * A plan for one forward sweep, with a direction for each parameter, in place of a reverse sweep
 * for each row. The place of the examples does not matter: the batch counts as one example, and
 * each variable has one use, its columns of J.
 *
 * @throws BatchAxisLost for a kernel without a tangent rule.
 */
export function makeForwardPlan(trace: Trace, dependence: Dependence, blocks: readonly RowBlock[]):
    Plan & {readonly forward: ForwardSweep} {
  const {dependent, variables} = dependence;
  const {reached, leafOf, parameters} = derivativePaths(trace, dependence, rootsOf(trace, blocks));
  const nodes = trace.nodes.filter(({outputs}) => outputs.some(output => reached.has(output) && dependent[output]));
  for (const node of nodes) {
    refuseWrongKernel(getBackend(), node);
    const touched = [...node.outputs, ...node.inputs.map(([, value]) => value)];
    if (tangentRule(node) === null || touched.some(value => trace.values[value].rank >= MAX_RANK)) {
      throw new BatchAxisLost(node.kernel, 'unknown');
    }
  }
  const first = new Map<number, number>();
  let next = 0;
  variables.forEach(({size}, v) => {
    if (leafOf.has(v)) {
      first.set(v, next);
      next += size;
    }
  });
  const perExample = blocks.map(({value}) => trace.values[value].size);
  const used = [...first.keys()];
  const sites = used.map(v => {
    const value = leafOf.get(v)!;
    return rowSite({value, kind: 'direct', variables: [v], leaves: [value], path: [], entries: null, reach: null},
        variables[v].shape);
  });
  const bySite = variables.map((_, v) => {
    const own = first.has(v) ? [used.indexOf(v)] : [];
    return {sites: own, bundles: own.map(i => [i])};
  });
  const strides = trace.values.map(({size}, value) => dependent[value] ? size : null);
  return {analysis: {...dependence, frozen: new Set(), batch: 1, strides, activations: [], parameters: []},
    blocks, perExample, components: perExample.reduce((a, b) => a + b, 0), starts: [], sweep: [], sites, bySite,
    forward: {nodes, first, directions: parameters}};
}
