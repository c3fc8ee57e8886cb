import {range, reshape, tidy} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {runKernel} from '../capture/tfjs_internals';
import type {Trace, TraceNode} from '../capture/trace';
import {ggnError} from '../errors';
import type {Analysis} from './analysis';
import {beforeActivation, cotangents, tfjsCotangents, withoutActivation} from './cotangents';
import type {Values} from './cotangents';
import {add, shaped} from './kernels';

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
}

/** Kernels whose attributes alone, and so the signature of the trace, say which entries they take. */
const SELECTIONS = new Set(['Reshape', 'Transpose', 'Slice', 'StridedSlice', 'SplitV', 'Unpack', 'Tile', 'Reverse',
  'BroadcastTo', 'ExpandDims', 'Concat', 'Pack']);

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
    return {...base, kind: 'direct', entries: null};
  }
  if (leaves.length === 1 && size < MAX_COUNTED && path.every(node => SELECTIONS.has(node.kernel) &&
      node.inputs.every(([, input]) => analysis.dependent[input]))) {
    const entries = tidy(() => {
      const counted = reshape(range(0, size, 1, 'float32'), trace.values[leaves[0]].shape);
      return forward(trace.values, {...base, kind: 'selection', entries: null}, counted).dataSync() as Float32Array;
    });
    return {...base, kind: 'selection', entries};
  }
  return {...base, kind: 'function', entries: null};
}

function isReshape(node: TraceNode): boolean {
  return node.kernel === 'Reshape' || node.kernel === 'ExpandDims' ||
      (node.kernel === 'Transpose' && (node.attrs['perm'] as number[]).every((axis, i) => axis === i));
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

/** The cotangents of the wanted inputs of a node. */
type Pull = (values: Values, node: TraceNode, dys: ReadonlyArray<Tensor | null>, wanted: readonly string[]) => Tensor[];

/** By our rules before tfjs's gradients. */
export const ownCotangents: Pull = (values, node, dys, wanted) => {
  const plain = withoutActivation(node);
  return cotangents(values, plain, plain === node ? dys : [beforeActivation(values, node, dys[0]!)], wanted);
};

/** By tfjs's gradients only, which the self-check trusts. */
const ordinaryCotangents: Pull = (values, node, dys, wanted) => {
  const thunks = tfjsCotangents(values, node, dys);
  return wanted.map(name => {
    if (thunks[name] === undefined) {
      throw ggnError(`tfjs has no gradient of the kernel '${node.kernel}' in its input '${name}'.`);
    }
    return thunks[name]();
  });
};

/** An ordinary reverse sweep: cotangents of values, by value index. */
export function sweepBack(values: Values, nodes: readonly TraceNode[], seeds: ReadonlyMap<number, Tensor>,
    passes: (value: number) => boolean, pull: Pull = ordinaryCotangents): Map<number, Tensor> {
  const known = new Map(seeds);
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i];
    const dys = node.outputs.map(output => known.get(output) ?? null);
    const active = node.inputs.filter(([, value]) => passes(value));
    if (active.length === 0 || dys.every(dy => dy === null)) {
      continue;
    }
    pull(values, node, dys, active.map(([name]) => name)).forEach((more, k) => {
      const value = active[k][1];
      const before = known.get(value);
      known.set(value, before === undefined ? more : add(before, more));
    });
  }
  return known;
}

/** Sums the cotangents of all values of each variable, by variable index. */
export function collect(cotangents: ReadonlyMap<number, Tensor>, leaves: Iterable<number>,
    variableOf: ReadonlyMap<number, number>): Map<number, Tensor> {
  const gradients = new Map<number, Tensor>();
  for (const leaf of leaves) {
    const part = cotangents.get(leaf);
    if (part !== undefined) {
      const index = variableOf.get(leaf)!;
      const known = gradients.get(index);
      gradients.set(index, known === undefined ? part : add(known, part));
    }
  }
  return gradients;
}
