import {ones, tensor, type Tensor} from '@tensorflow/tfjs-core';
import {runKernel} from '../../tfjs/internals';
import type {Analysis} from '../../trace/analysis';
import type {Values} from '../../derivatives/cotangents';
import {collect, sweepBack} from '../../derivatives/reverse_sweep';
import {mul, shaped} from '../../tfjs/fast_ops';
import type {Parameter} from './plan';

/**
 * dp for a change d of the variable, for the kinds `direct` and `selection`: both are linear in the
 * variable, so the kernels of their paths are their own derivatives.
 */
export function forward(values: Values, {kind, path, leaves, value}: Parameter, d: Tensor): Tensor {
  if (kind === 'direct') {
    return d;
  }
  const fresh = new Map([[leaves[0], d]]);
  for (const node of path) {
    const inputs = node.inputs.map(([name, v]) => [name, fresh.get(v) ?? values[v]] as const);
    const result = runKernel(node.kernel, node.arrayInputs ? inputs.map(([, t]) => t) : Object.fromEntries(inputs),
        node.attrs);
    (Array.isArray(result) ? result : [result]).forEach((output, i) => fresh.set(node.outputs[i], output));
  }
  return fresh.get(value)!;
}

/** dp for a change d of one variable, for a function whose `reach` is known. */
export function forwardReach(values: Values, analysis: Analysis, parameter: Parameter, variable: number,
    d: Tensor): Tensor {
  const reach = parameter.reach!.get(variable)!;
  const change = mul(shaped(d, [d.size]), slopes(values, analysis, parameter, variable)).dataSync();
  const dp = new Float32Array(values[parameter.value].size);
  reach.forEach((i, j) => i >= 0 && (dp[i] = change[j]));
  return tensor(dp, values[parameter.value].shape);
}

/**
 * (dp/dv)ᵀ g for every variable v that p is made of, by variable index.
 *
 * @param g as many entries as p.
 */
export function backward(values: Values, analysis: Analysis, parameter: Parameter, g: Tensor): Map<number, Tensor> {
  const like = (t: Tensor, value: number): Tensor => shaped(t, values[value].shape);
  if (parameter.kind === 'direct') {
    return new Map([[parameter.variables[0], like(g, parameter.leaves[0])]]);
  }
  const gradients = sweepBack(values, parameter.path, new Map([[parameter.value, like(g, parameter.value)]]),
      value => analysis.dependent[value]);
  return collect(gradients, parameter.leaves, analysis.variableOf);
}

/**
 * Rows in p [count, |p|] as rows in one variable [count, |v|], for a function whose `reach` is
 * known.
 */
export function pullRows(values: Values, analysis: Analysis, parameter: Parameter, variable: number,
    rows: Tensor): Tensor {
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

/**
 * Rows in a selection [count, |p|] as rows in its variable [count, size]: each entry is added to
 * the entry of the variable that it was taken from.
 */
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

/**
 * dp/dv, one number for each entry of v: the reverse sweep of ones gives it, because each entry
 * goes into one entry of p.
 */
function slopes(values: Values, analysis: Analysis, parameter: Parameter, variable: number): Tensor {
  const {size} = values[parameter.value];
  const slope = backward(values, analysis, parameter, ones([size])).get(variable)!;
  return shaped(slope, [slope.size]);
}
