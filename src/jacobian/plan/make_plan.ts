import {getBackend} from '@tensorflow/tfjs-core';
import type {Trace, TraceNode} from '../../trace/trace';
import {analyse, type Freeze} from '../../trace/analysis';
import {upstream, type Dependence} from '../../trace/dependence';
import {plainProducts} from '../../trace/plain_products';
import {BatchAxisLost} from '../../trace/batch_axis';
import {withoutActivation} from '../../derivatives/fused';
import {refuseWrongKernel} from '../../derivatives/kernels/wrong_kernels';
import {differenceNode, rootsOf, type RowBlock} from '../../loss/functions/row_block';
import {findParameter} from './parameter';
import {RESIDUAL, type Parameter, type Plan, type Site, type SweepNode, type SweepStart} from './plan';
import {makeSite, rowSite} from './site';
import {bundleSites} from './site_bundles';

/**
 * The plan of the reverse sweeps of some rows.
 *
 * @param examples B, the number of examples.
 * @param isBatched whether the value with this index has an entry for each example.
 * @param freeze the statistics of the batch that are held constant.
 * @throws BatchAxisLost if a kernel loses the examples on the way to the rows.
 */
export function makePlan(trace: Trace, dependence: Dependence, blocks: readonly RowBlock[], examples: number,
    isBatched: (value: number) => boolean, freeze: Freeze = 'none'): Plan {
  const analysis = analyse(trace, dependence, blocks.map(block => block.value), examples, isBatched, freeze);
  const perExample = blocks.map(({value}) => {
    const {size, shape} = trace.values[value];
    const stride = analysis.strides[value] ?? null;
    if (examples > 1 && (stride !== size / examples || shape[0] !== examples)) {
      throw new BatchAxisLost(RESIDUAL, 'unknown');
    }
    return size / examples;
  });
  const sites: Site[] = [];
  const parameters = new Map<number, Parameter>();
  const parameterOf = (value: number): Parameter => {
    if (!parameters.has(value)) {
      parameters.set(value, findParameter(trace, analysis, value));
    }
    return parameters.get(value)!;
  };
  const isActivation = (value: number): boolean => analysis.dependent[value] && analysis.strides[value] != null;
  const addSite = (site: Site): number => sites.push(site) - 1;
  const sweepNode = (node: TraceNode): SweepNode => {
    refuseWrongKernel(getBackend(), trace.values, node);
    const plain = withoutActivation(node);
    const active = node.inputs.filter(([, value]) => isActivation(value));
    return {node, plain, names: active.map(([name]) => name), values: active.map(([, value]) => value),
      sites: node.inputs.filter(([, value]) => analysis.dependent[value] && !isActivation(value))
          .map(([name, value]) => addSite(makeSite(trace, analysis, plain, name, value, parameterOf)))};
  };

  const starts = blocks.map((block): SweepStart => {
    const {value} = block;
    const node = differenceNode(trace, block);
    if (isActivation(value)) {
      return {node: node === null ? null : sweepNode(node), rows: []};
    }
    const operands = node === null ? [['a', value] as const] :
      node.inputs.filter(([, input]) => analysis.dependent[input]);
    return {node: null, rows: operands.map(([name, input]) => ({value: input, negative: name === 'b',
      site: addSite(rowSite(parameterOf(input), trace.values[input].shape))}))};
  });
  // The sweep begins at the roots: the square of a difference has no node, unless other rows are
  // made of it.
  const reached = upstream(trace, rootsOf(trace, blocks), analysis.frozen);
  const nodes = [...analysis.activations].reverse().map(index => trace.nodes[index])
      .filter(node => node.outputs.some(output => reached.has(output)));
  const sweep = plainProducts(trace, nodes, new Set(blocks.map(({value}) => value))).map(sweepNode);
  if (analysis.frozen.size > 0 && sites.length === 0) {
    // The rows depend on the variables by statistics of the batch alone.
    throw new BatchAxisLost(RESIDUAL, 'couples');
  }
  const bySite = analysis.variables.map((_, variable) => bundleSites(sites, variable, trace));
  const components = perExample.reduce((a, b) => a + b, 0);
  return {analysis, blocks, perExample, components, starts, sweep, sites, bySite};
}
