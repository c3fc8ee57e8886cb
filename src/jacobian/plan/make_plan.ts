import {getBackend} from '@tensorflow/tfjs-core';
import type {Trace, TraceNode} from '../../trace/trace';
import {analyse, upstream} from '../../trace/dependence';
import type {Analysis, Dependence, Freeze} from '../../trace/dependence';
import {BatchAxisLost} from '../../trace/batch_axis';
import {withoutActivation} from '../../derivatives/fused';
import {beforeTiling, findParameter} from './parameter';
import type {Parameter} from './parameter';
import {filterSite, matrixSite, isElementwise, isGather} from './site';
import {refuseWrongKernel} from '../../derivatives/kernels/wrong_kernels';
import {tableSizes} from '../../derivatives/kernels/gather';
import type {RowBlock} from '../../loss/functions/row_block';
import {RESIDUAL} from './plan';
import type {Site, SweepStep, SweepStart, VariableSites, Plan} from './plan';

/** @throws BatchAxisLost */
export function makePlan(trace: Trace, dependence: Dependence, blocks: readonly RowBlock[], batch: number,
    isBatched: (value: number) => boolean, freeze: Freeze = 'none'): Plan {
  const analysis = analyse(trace, dependence, blocks.map(block => block.value), batch, isBatched, freeze);
  const perExample = blocks.map(({value}) => {
    const {size, shape} = trace.values[value];
    const stride = analysis.strides[value] ?? null;
    if (batch > 1 && (stride !== size / batch || shape[0] !== batch)) {
      throw new BatchAxisLost(RESIDUAL, 'unknown');
    }
    return size / batch;
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
  const makeStep = (node: TraceNode): SweepStep => {
    refuseWrongKernel(getBackend(), node);
    const plain = withoutActivation(node);
    const active = node.inputs.filter(([, value]) => isActivation(value));
    return {node, plain, names: active.map(([name]) => name), values: active.map(([, value]) => value),
      sites: node.inputs.filter(([, value]) => analysis.dependent[value] && !isActivation(value))
          .map(([name, value]) => addSite(makeSite(trace, analysis, plain, name, value, parameterOf)))};
  };

  const starts = blocks.map(({value, difference}): SweepStart => {
    const node = difference === null ? null : trace.nodes[difference];
    if (isActivation(value)) {
      return {step: node === null ? null : makeStep({...node, kernel: 'Sub', attrs: {}}), rows: []};
    }
    const operands = node === null ? [['a', value] as const] : node.inputs.filter(([, input]) => analysis.dependent[input]);
    return {step: null, rows: operands.map(([name, input]) => ({value: input, negative: name === 'b', site: addSite({
      node: {kernel: RESIDUAL, attrs: {}, inputs: [['x', input]], arrayInputs: false, outputs: [input]},
      name: 'x', kind: 'row', matrix: null, convolution: null, parameter: parameterOf(input), shape: trace.values[input].shape})}))};
  });
  // What the seeds can reach: the square of a difference is not on the way to it, unless other rows are made of it.
  const seeded = blocks.flatMap(({value, difference}) =>
    difference === null ? [value] : trace.nodes[difference].inputs.map(([, input]) => input));
  const reached = upstream(trace, seeded, analysis.frozen);
  const steps = [...analysis.activations].reverse().map(index => trace.nodes[index])
      .filter(node => node.outputs.some(output => reached.has(output))).map(makeStep);
  if (analysis.frozen.size > 0 && sites.length === 0) {
    // All that the rows depend on are statistics of the batch.
    throw new BatchAxisLost(RESIDUAL, 'couples');
  }
  const bySite = analysis.variables.map((_, variable) => arrange(sites, variable, trace));
  return {analysis, blocks, perExample, components: perExample.reduce((a, b) => a + b, 0), starts, steps, sites, bySite};
}

function makeSite(trace: Trace, analysis: Analysis, node: TraceNode, name: string, value: number,
    parameterOf: (value: number) => Parameter): Site {
  const small = beforeTiling(trace, value);
  const matrix = matrixSite(node, name, small.shape);
  const stride = analysis.strides[node.outputs[0]]!;
  if (matrix !== null || isElementwise(trace.values, node, name, small.shape, stride, analysis.batch)) {
    return {node, name, kind: matrix !== null ? 'matrix' : 'vector', matrix, convolution: null, parameter: parameterOf(small.value), shape: small.shape};
  }
  const convolution = filterSite(trace.values, node, name);
  const kind = convolution !== null ? 'convolution' : isGather(node, name, analysis.strides) ? 'gather' : 'fallback';
  return {node, name, kind, matrix, convolution, parameter: parameterOf(value), shape: trace.values[value].shape};
}

function arrange(all: readonly Site[], variable: number, trace: Trace): VariableSites {
  const sites = all.map((_, i) => i).filter(i => all[i].parameter.variables.includes(variable));
  const groups: number[][] = [];
  for (const i of sites) {
    if (all[i].parameter.kind === 'function' || repeats(all[i].parameter)) {
      return {sites, groups: null};
    }
    const same = groups.find(group => sameEntries(all[group[0]], all[i], trace));
    if (same === undefined) {
      groups.push([i]);
    } else {
      same.push(i);
    }
  }
  const joinable = groups.every(group => group.length === 1 || group.every(i =>
    all[i].kind !== 'fallback' && all[i].kind === all[group[0]].kind &&
    all[i].matrix?.transposed === all[group[0]].matrix?.transposed && tableOf(all[i], trace) === tableOf(all[group[0]], trace)));
  return {sites, groups: joinable && disjoint(groups.map(group => all[group[0]].parameter)) ? groups : null};
}

/** How a gather sees its table; '' for other sites. */
const tableOf = ({kind, node, parameter}: Site, trace: Trace): string =>
  kind === 'gather' ? Object.values(tableSizes(node, trace.values[parameter.value].shape)).join() : '';

const repeats = ({entries}: Parameter): boolean => entries !== null && new Set(entries).size < entries.length;

function sameEntries(a: Site, b: Site, trace: Trace): boolean {
  const [p, q] = [a.parameter, b.parameter];
  const matrix = (site: Site): string => site.kind === 'matrix' ? trace.values[site.parameter.value].shape.slice(-2).join() : '';
  if (p.value !== q.value && matrix(a) !== matrix(b)) {
    return false;
  }
  if (p.value === q.value || (p.entries === null && q.entries === null)) {
    return true;
  }
  return p.entries !== null && q.entries !== null && p.entries.length === q.entries.length &&
      p.entries.every((entry, i) => entry === q.entries![i]);
}

/** No entry of the variable is read by two of the parameters. */
function disjoint(parameters: readonly Parameter[]): boolean {
  if (parameters.length === 1) {
    return true;
  }
  const seen = new Set<number>();
  for (const {entries} of parameters) {
    if (entries === null) {
      return false;
    }
    for (const entry of entries) {
      if (seen.has(entry)) {
        return false;
      }
      seen.add(entry);
    }
  }
  return true;
}
