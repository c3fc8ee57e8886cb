import {zerosLike} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {runKernel} from '../tfjs/internals';
import type {TraceNode} from '../trace/trace';
import {mul, shaped, sub} from '../tfjs/fast_ops';

/**
 * Cotangent rules of the kernels that recurrent cells are made of, with as few kernels as possible: a cell of 20 time steps
 * runs each of them 20 to 60 times on small matrices, where the number of kernels is what counts.
 */
type Rule = (values: readonly Tensor[], node: TraceNode, dys: ReadonlyArray<Tensor | null>) => Tensor;

/** dy·y(1 - y) without the scalar: g - g·y with g = dy·y. */
const sigmoid: Rule = (values, node, [dy]) => {
  const y = values[node.outputs[0]];
  const g = mul(dy!, y);
  return sub(g, mul(g, y));
};

/** dy where x lies between the bounds, which are inside: exactly where y = x. Hard sigmoid is made of it. */
const clipByValue: Rule = (values, node, [dy]) => {
  const inside = runKernel('Equal', {a: values[node.inputs[0][1]], b: values[node.outputs[0]]}) as Tensor;
  return runKernel('Select', {condition: inside, t: dy!, e: zerosLike(dy!)}) as Tensor;
};

const reshape: Rule = (values, node, [dy]) => shaped(dy!, values[node.inputs[0][1]].shape);

const splitV: Rule = (values, node, dys) =>
  runKernel('Concat', dys.map((dy, i) => dy ?? zerosLike(values[node.outputs[i]])), {axis: node.attrs['axis']}) as Tensor;

export const CELL_RULES: Record<string, Rule> = {Sigmoid: sigmoid, ClipByValue: clipByValue, Reshape: reshape, SplitV: splitV};
