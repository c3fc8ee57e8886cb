import {getBackend} from '@tensorflow/tfjs-core';
import type {Trace, TraceNode} from '../../trace/trace';
import {analyse, upstream} from '../../trace/dependence';
import type {Analysis, Dependence, Freeze} from '../../trace/dependence';
import {BatchAxisLost} from '../../trace/batch_axis';
import type {Convolution} from '../../derivatives/convolution';
import {withoutActivation} from '../../derivatives/cotangents';
import type {ForwardSweep} from './forward_plan';
import {beforeTiling, findParameter} from './parameter';
import type {Parameter} from './parameter';
import {filterSite} from '../uses/convolution';
import {refuseWrongKernel} from '../../derivatives/tfjs_defects';
import {isElementwise} from '../uses/vector';
import {isGather, tableSizes} from '../uses/gather';
import {matrixSite} from '../uses/matmul';
import type {MatrixSite} from '../uses/matmul';

/** Stands for a kernel where the rows themselves are meant. */
export const RESIDUAL = 'the residual';

/** A block of rows: one head's residuals, `perExample` of them for each example, examples along the leading axis. */
export interface RowBlock {
  /** Index of the value that holds the rows (or has their shape, for a difference). */
  readonly value: number;
  /** For SquaredDifference(a, b): the kernel's node index; the rows are a - b. */
  readonly difference: number | null;
}

/** A place where a parameter enters the sweep: input `name` of a step's node, or a row itself (`row`). */
export interface Site {
  readonly node: TraceNode;
  readonly name: string;
  readonly kind: 'matrix' | 'convolution' | 'vector' | 'gather' | 'fallback' | 'row';
  readonly matrix: MatrixSite | null;
  readonly convolution: Convolution | null;
  /** What enters, or what was tiled to it where the use sees through that. */
  readonly parameter: Parameter;
  /** Shape of the parameter as it broadcasts. */
  readonly shape: readonly number[];
}

/** One node of the reverse sweep: which of its inputs take a cotangent, and which are parameters. */
export interface SweepStep {
  readonly node: TraceNode;
  /** The same node behind its fused activation. */
  readonly plain: TraceNode;
  readonly names: readonly string[];
  readonly values: readonly number[];
  readonly sites: readonly number[];
}

/** Where the sweep of a block of rows starts. */
export interface SweepStart {
  /** For differences: the step from a - b, whose shape and place SquaredDifference has, to a and b. */
  readonly step: SweepStep | null;
  /** For rows that are parameters themselves, with no data in them: their sites. */
  readonly rows: ReadonlyArray<{readonly site: number; readonly value: number; readonly negative: boolean}>;
}

/**
 * How the sites of one variable make its Gram matrix: disjoint `groups` add up, the sites of a group share the
 * same entries and are joined before the product; `null`: only dense rows of the whole variable are right.
 */
export type VariableSites = {readonly sites: readonly number[]; readonly groups: ReadonlyArray<readonly number[]> | null};

/** Everything about a trace that does not depend on numbers: valid for every trace of the same signature. */
export interface Plan {
  readonly analysis: Analysis;
  readonly blocks: readonly RowBlock[];
  /** Rows per example of each block, and their sum C. */
  readonly perExample: readonly number[];
  readonly components: number;
  /** Where the sweeps start, by block. */
  readonly starts: readonly SweepStart[];
  /** In the order of the reverse sweep. */
  readonly steps: readonly SweepStep[];
  readonly sites: readonly Site[];
  readonly bySite: readonly VariableSites[];
  /** Where the rows are linearized by forward sweeps instead. */
  readonly forward?: ForwardSweep;
}

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
