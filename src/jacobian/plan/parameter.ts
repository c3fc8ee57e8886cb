import {ones, range, reshape, tensor, tidy} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {runKernel} from '../../tfjs/internals';
import type {Trace, TraceNode} from '../../trace/trace';
import type {Analysis} from '../../trace/dependence';
import {kernelsThat} from '../../trace/kernel_facts';
import type {Values} from '../../derivatives/cotangents';
import {mul, shaped} from '../../tfjs/fast_ops';
import {findReach} from './reach';
import {sweepBack, collect} from '../../derivatives/reverse_sweep';

/**
 * How a parameter p that meets the data is made of the variables:
 *
 * - `direct`: a variable, or reshapes of it;
 * - `selection`: entries of one variable, reordered, dropped or repeated (transpose, slice, split, tile, ...);
 * - `function`: anything else that tfjs can differentiate (a mask, weight normalisation, two variables joined).
 */
export interface Parameter {
  readonly value: number;
  readonly kind: 'direct' | 'selection' | 'function';
  /** Indices of the variables that p is made of. */
  readonly variables: readonly number[];
  /** Value indices of those variables. */
  readonly leaves: readonly number[];
  /** The nodes between the variables and p, in order. */
  readonly path: readonly TraceNode[];
  /** For a selection: which entry of the variable each entry of p is. */
  readonly entries: Float32Array | null;
  /** For a function: by variable, the entry of p that each of its entries goes into; null where there may be several. */
  readonly reach: ReadonlyMap<number, Int32Array> | null;
}

/** Above this float32 no longer counts the entries of a variable one by one. */
const MAX_COUNTED = 2 ** 24;

export function findParameter(trace: Trace, analysis: Analysis, value: number): Parameter {
  const wanted = new Set([value]);
  const path: TraceNode[] = [];
  for (let i = analysis.parameters.length - 1; i >= 0; i--) {
    const node = trace.nodes[analysis.parameters[i]];
    if (node.outputs.some(output => wanted.has(output))) {
      node.inputs.forEach(([, input]) => analysis.dependent[input] && wanted.add(input));
      path.unshift(node);
    }
  }
  const leaves = [...wanted].filter(v => analysis.variableOf.has(v));
  const variables = [...new Set(leaves.map(v => analysis.variableOf.get(v)!))];
  const base = {value, variables, leaves, path};
  const size = trace.values[leaves[0]].size;
  if (leaves.length === 1 && path.every(isReshape)) {
    return {...base, kind: 'direct', entries: null, reach: null};
  }
  if (leaves.length === 1 && size < MAX_COUNTED && path.every(node => SELECTIONS.has(node.kernel) &&
      node.inputs.every(([, input]) => analysis.dependent[input]))) {
    const entries = tidy(() => {
      const counted = reshape(range(0, size, 1, 'float32'), trace.values[leaves[0]].shape);
      return forward(trace.values, {...base, kind: 'selection', entries: null, reach: null}, counted).dataSync() as Float32Array;
    });
    return {...base, kind: 'selection', entries, reach: null};
  }
  const reach = new Map<number, Int32Array>();
  for (const leaf of leaves) {
    const found = trace.values[leaf].size < MAX_COUNTED ? findReach(trace.values, path, leaf, value) : null;
    if (found !== null && leaves.length === variables.length) {
      reach.set(analysis.variableOf.get(leaf)!, found);
    }
  }
  return {...base, kind: 'function', entries: null, reach: reach.size === leaves.length ? reach : null};
}

const SELECTIONS = kernelsThat('selection');
const RESHAPES = kernelsThat('reshape');

function isReshape(node: TraceNode): boolean {
  return RESHAPES.has(node.kernel) ||
      (node.kernel === 'Transpose' && (node.attrs['perm'] as number[]).every((axis, i) => axis === i));
}

/**
 * The tensor that a parameter was made of by tiling it along axes of size 1, and the shape in which it broadcasts in the place of
 * the parameter; the parameter itself where there is none.
 */
export function beforeTiling(trace: Trace, value: number): {value: number; shape: readonly number[]} {
  const {shape} = trace.values[value];
  const node = trace.nodes[trace.producer[value]] as TraceNode | undefined;
  if (node === undefined || !(node.kernel === 'Tile' || isReshape(node))) {
    return {value, shape};
  }
  const input = node.inputs[0][1];
  const inputShape = trace.values[input].shape;
  if (node.kernel === 'Tile') {
    const reps = node.attrs['reps'] as number[];
    return inputShape.every((d, i) => d === 1 || reps[i] === 1) ? beforeTiling(trace, input) : {value, shape};
  }
  // A reshape that only puts in or takes out axes of size 1.
  const axes = inputShape.map((_, i) => i).filter(i => inputShape[i] !== 1);
  if (axes.map(i => inputShape[i]).join() !== shape.filter(d => d !== 1).join()) {
    return {value, shape};
  }
  const before = beforeTiling(trace, input);
  return before.value === input ? {value, shape} : {value: before.value, shape: shape.map(d => d === 1 ? 1 : before.shape[axes.shift()!])};
}

/** dp for a change d of one variable, for a function whose `reach` is known. */
export function forwardReach(values: Values, analysis: Analysis, parameter: Parameter, variable: number, d: Tensor): Tensor {
  const reach = parameter.reach!.get(variable)!;
  const change = mul(shaped(d, [d.size]), slopes(values, analysis, parameter, variable)).dataSync();
  const dp = new Float32Array(values[parameter.value].size);
  reach.forEach((i, j) => i >= 0 && (dp[i] = change[j]));
  return tensor(dp, values[parameter.value].shape);
}

/** Rows in p [count, |p|] as rows in one variable [count, |v|], for a function whose `reach` is known. */
export function pullRows(values: Values, analysis: Analysis, parameter: Parameter, variable: number, rows: Tensor): Tensor {
  const reach = parameter.reach!.get(variable)!;
  const [count, size] = rows.shape as [number, number];
  const slope = slopes(values, analysis, parameter, variable);
  if (reach.length === size && reach.every((i, j) => i === j)) {
    return mul(rows, slope);
  }
  const from = rows.dataSync();
  const taken = new Float32Array(count * reach.length);
  for (let r = 0; r < count; r++) {
    reach.forEach((i, j) => i >= 0 && (taken[r * reach.length + j] = from[r * size + i]));
  }
  return mul(tensor(taken, [count, reach.length]), slope);
}

/** Rows in a selection [count, |p|] as rows in its variable [count, size]: each entry goes back to where it was taken from. */
export function pullSelection(entries: Float32Array, rows: Tensor, size: number): Tensor {
  const count = rows.shape[0];
  const from = rows.dataSync();
  const pulled = new Float32Array(count * size);
  for (let r = 0; r < count; r++) {
    for (let i = 0; i < entries.length; i++) {
      pulled[r * size + entries[i]] += from[r * entries.length + i];
    }
  }
  return tensor(pulled, [count, size]);
}

/** dp/dv, a number for each entry of v: the reverse sweep of ones, as each goes into one entry of p. */
function slopes(values: Values, analysis: Analysis, parameter: Parameter, variable: number): Tensor {
  const {size} = values[parameter.value];
  const slope = backward(values, analysis, parameter, ones([size])).get(variable)!;
  return shaped(slope, [slope.size]);
}

/** dp for a change d of the variable: both linear kinds are their own derivative. Not for kind `function`. */
export function forward(values: Values, parameter: Parameter, d: Tensor): Tensor {
  if (parameter.kind === 'direct') {
    return d;
  }
  const fresh = new Map([[parameter.leaves[0], d]]);
  for (const node of parameter.path) {
    const inputs = node.inputs.map(([name, v]) => [name, fresh.get(v) ?? values[v]] as const);
    const result = runKernel(node.kernel, (node.arrayInputs ? inputs.map(([, t]) => t) : Object.fromEntries(inputs)),
        node.attrs);
    (Array.isArray(result) ? result : [result]).forEach((output, i) => fresh.set(node.outputs[i], output));
  }
  return fresh.get(parameter.value)!;
}

/** (dp/dv)ᵀ g for every variable v that p is made of; g has as many entries as p. By variable index. */
export function backward(values: Values, analysis: Analysis, parameter: Parameter, g: Tensor): Map<number, Tensor> {
  const like = (t: Tensor, value: number): Tensor => shaped(t, values[value].shape);
  if (parameter.kind === 'direct') {
    return new Map([[parameter.variables[0], like(g, parameter.leaves[0])]]);
  }
  const gradients = sweepBack(values, parameter.path, new Map([[parameter.value, like(g, parameter.value)]]),
      value => analysis.dependent[value]);
  return collect(gradients, parameter.leaves, analysis.variableOf);
}
