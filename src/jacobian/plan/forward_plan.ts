import {getBackend} from '@tensorflow/tfjs-core';
import type {Trace, TraceNode} from '../../trace/trace';
import {upstream} from '../../trace/dependence';
import type {Dependence} from '../../trace/dependence';
import {BatchAxisLost} from '../../trace/batch_axis';
import {RESIDUAL} from './plan';
import type {Plan, Site, ForwardSweep} from './plan';
import type {RowBlock} from '../../loss/functions/row_block';
import {tangentRule} from '../../derivatives/tangents/rules';
import {refuseWrongKernel} from '../../derivatives/kernels/wrong_kernels';

/** The values that the rows are read from: of a difference its two terms. */
const rootsOf = (trace: Trace, blocks: readonly RowBlock[]): number[] =>
  blocks.flatMap(({value, difference}) => difference === null ? [value] : trace.nodes[difference].inputs.map(([, input]) => input));

/** Number of trained parameters that some rows depend on. */
export function countDirections(trace: Trace, {variables, variableOf}: Dependence, blocks: readonly RowBlock[]): number {
  const reached = upstream(trace, rootsOf(trace, blocks));
  const used = new Set([...variableOf].filter(([value]) => reached.has(value)).map(([, v]) => v));
  return variables.reduce((sum, {size}, v) => sum + (used.has(v) ? size : 0), 0);
}

/** Axes of a tensor that backends know. */
const MAX_RANK = 6;

/**
 * A plan for one forward sweep, with a direction for each parameter, instead of a reverse sweep for each row. Where examples lie does not matter: the
 * batch counts as one example, and each variable has one use, its columns of J.
 *
 * @throws BatchAxisLost for a kernel without a tangent rule.
 */
export function makeForwardPlan(trace: Trace, dependence: Dependence, blocks: readonly RowBlock[]): Plan {
  const {dependent, variables, variableOf} = dependence;
  const reached = upstream(trace, rootsOf(trace, blocks));
  const nodes = trace.nodes.filter(({outputs}) => outputs.some(output => reached.has(output) && dependent[output]));
  for (const node of nodes) {
    refuseWrongKernel(getBackend(), node);
    if (tangentRule(node) === null || [...node.outputs, ...node.inputs.map(([, value]) => value)].some(value => trace.values[value].rank >= MAX_RANK)) {
      throw new BatchAxisLost(node.kernel, 'unknown');
    }
  }
  const leafOf = new Map([...variableOf].filter(([value]) => reached.has(value)).map(([value, v]) => [v, value]));
  const first = new Map<number, number>();
  let directions = 0;
  variables.forEach(({size}, v) => {
    if (leafOf.has(v)) {
      first.set(v, directions);
      directions += size;
    }
  });
  const perExample = blocks.map(({value}) => trace.values[value].size);
  const sites = [...first.keys()].map((v): Site => {
    const leaf = leafOf.get(v)!;
    return {node: {kernel: RESIDUAL, attrs: {}, inputs: [['x', leaf]], arrayInputs: false, outputs: [leaf]}, name: 'x', kind: 'row', matrix: null, convolution: null,
      parameter: {value: leaf, kind: 'direct', variables: [v], leaves: [leaf], path: [], entries: null, reach: null}, shape: variables[v].shape};
  });
  const bySite = variables.map((_, v) => {
    const own = sites.map((_site, i) => i).filter(i => sites[i].parameter.variables[0] === v);
    return {sites: own, groups: own.map(i => [i])};
  });
  const strides = trace.values.map(({size}, value) => dependent[value] ? size : null);
  return {analysis: {...dependence, frozen: new Set(), batch: 1, strides, activations: [], parameters: []}, blocks, perExample,
    components: perExample.reduce((a, b) => a + b, 0), starts: [], steps: [], sites, bySite, forward: {nodes, first, directions}};
}

/** What a kernel costs before it begins, in entries of its output. */
const OVERHEAD = 1000;

/** Kernels whose outputs are some times as large as in the trace. */
const workOf = (trace: Trace, nodes: readonly TraceNode[], times: number): number =>
  nodes.reduce((work, {outputs}) => work + OVERHEAD + times * trace.values[outputs[0]].size, 0);

/** What a forward sweep takes: each kernel once, for all directions. */
export const forwardWork = (trace: Trace, {nodes, directions}: ForwardSweep): number => workOf(trace, nodes, directions);

/**
 * What the reverse sweeps of a plan take, in the same measure: the nodes of a sweep for each component, and, where a parameter is made of its variables in a
 * way that mixes their entries, the nodes of that way for each row and variable.
 */
export function reverseWork(trace: Trace, {analysis: {batch}, components, steps, sites}: Plan): number {
  const ways = new Map(sites.map(({parameter}) => [parameter.value, parameter]));
  return [...ways.values()].filter(({kind, reach}) => kind === 'function' && reach === null)
      .reduce((work, {path, variables}) => work + batch * components * variables.length * workOf(trace, path, 1),
        components * workOf(trace, steps.map(({node}) => node), 1));
}
