import {getBackend} from '@tensorflow/tfjs-core';
import type {Trace, TraceNode} from '../../trace/trace';
import {derivativePaths} from '../../trace/derivative_paths';
import type {Dependence} from '../../trace/dependence';
import {BatchAxisLost} from '../../trace/batch_axis';
import {refuseWrongKernel} from '../../derivatives/kernels/wrong_kernels';
import {tangentRule} from '../../derivatives/tangents/rules';
import {rootsOf, type RowBlock} from '../../loss/functions/row_block';
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
  const {first, directions, nodes, ...plan} = planOfColumns(trace, dependence, blocks, 1);
  const strides = trace.values.map(({size}, value) => dependence.dependent[value] ? size : null);
  return {...plan, analysis: {...plan.analysis, strides, parameters: []}, forward: {nodes, first, directions}};
}

/**
 * A plan without rows: a product J d is a forward sweep in the direction d, and a product Jᵀu a
 * reverse sweep from the cotangents u of all rows. So a product takes a few forward passes, for any
 * number of rows. The examples may be coupled in any way: their number B only sets the order of the
 * rows. If the blocks do not have the examples along their leading axes, the batch counts as one
 * example.
 *
 * @param ofRows see `ProductSweeps`.
 * @throws BatchAxisLost for a kernel without a tangent rule.
 */
export function makeProductPlan(trace: Trace, dependence: Dependence, blocks: readonly RowBlock[], examples: number,
    ofRows: Plan | null): Plan {
  const isLeading = blocks.every(({value}) => trace.values[value].shape[0] === examples);
  const {analysis, perExample, components, starts, sweep, sites, bySite} =
      planOfColumns(trace, dependence, blocks, isLeading ? examples : 1);
  return {analysis, blocks, perExample, components, starts, sweep, sites, bySite,
    products: {nodes: analysis.parameters, ofRows}};
}

/** The parts of both plans. */
function planOfColumns(trace: Trace, dependence: Dependence, blocks: readonly RowBlock[], examples: number):
    Plan & ForwardSweep {
  const {dependent, variables} = dependence;
  const {reached, leafOf, parameters} = derivativePaths(trace, dependence, rootsOf(trace, blocks));
  const isOnTheWay = ({outputs}: TraceNode): boolean =>
    outputs.some(output => reached.has(output) && dependent[output]);
  const nodes = trace.nodes.filter(isOnTheWay);
  for (const node of nodes) {
    refuseWrongKernel(getBackend(), trace.values, node);
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
  const perExample = blocks.map(({value}) => trace.values[value].size / examples);
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
  const analysis = {...dependence, frozen: new Set<number>(), examples, strides: trace.values.map(() => null),
    activations: [], parameters: trace.nodes.flatMap((node, i) => isOnTheWay(node) ? [i] : [])};
  return {analysis, blocks, perExample, components: perExample.reduce((a, b) => a + b, 0), starts: [], sweep: [],
    sites, bySite, nodes, first, directions: parameters};
}
