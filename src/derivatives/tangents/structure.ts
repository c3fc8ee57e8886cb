import {ones, slice_util, sum} from '@tensorflow/tfjs-core';
import {runKernel, type KernelAttrs} from '../../tfjs/internals';
import {cotangents} from '../cotangents';
import {mul, shaped, sub} from '../../tfjs/fast_ops';
import {neighbour, recurrence} from '../kernels/recurrence';
import {axesOf, type ForwardNode, type Tangent, type TangentRule} from './rule';

/**
 * Kernels of one tensor that only move entries, or add them up. The tangent goes through the same
 * kernel, whose axes are one further on.
 */
const moved = (input: string, attrs: (attrs: KernelAttrs, at: ForwardNode) => KernelAttrs): TangentRule => at =>
  runKernel(at.node.kernel, {[input]: at.tangent(input)!}, {...at.attrs, ...attrs(at.attrs, at)});

/** Kernels that join tensors along an axis. A new axis is counted in the output. */
const joined = (isNew: boolean): TangentRule => at => {
  const rank = at.value(at.names[0]).rank + (isNew ? 1 : 0);
  const [axis] = axesOf(at.attrs['axis'] ?? 0, rank);
  return at.run(at.names.map(name => at.tangentOrZeros(name)), {...at.attrs, axis});
};

const rankOf = (at: ForwardNode): number => at.value(at.names[0]).rank;

/** The same entries in the shape of the output. */
const reshaped: TangentRule = at => shaped(at.tangent(at.names[0])!, [at.directions, ...at.output.shape]);

/**
 * Each entry of x goes into one entry of y (largest entries, products). So dy adds up ∂y/∂x ∘ dx,
 * and ∂y/∂x is the vector-Jacobian product of ones, as in the reverse sweep.
 */
const reduced: TangentRule = at => {
  const [slope] = cotangents(at.values, at.node, [ones(at.output.shape)], ['x']);
  const axes = axesOf(at.attrs['axis'] ?? at.attrs['reductionIndices'], rankOf(at));
  return shaped(sum(mul(at.tangent('x')!, slope), axes), [at.directions, ...at.output.shape]);
};

/** dy_i = e_i dx_i + x_i dy_(i - 1), with the product e_i of the entries before x_i. */
const cumulativeProduct: TangentRule = at => {
  const {exclusive, reverse} = at.attrs;
  const [x, dx, towardsEnd] = [at.value('x'), at.tangent('x')!, reverse === true ? -1 : 1];
  const [axis] = axesOf(at.attrs['axis'] ?? 0, x.rank);
  const fromBehind = dx.rank - axis;
  const before = at.run({x}, {...at.attrs, exclusive: true});
  const dy = recurrence(mul(dx, before), x, fromBehind, towardsEnd);
  return exclusive === true ? neighbour(dy, fromBehind, -towardsEnd) : dy;
};

/** dy = y ∘ (dx - Σ y ∘ dx), for a softmax y along the last axis. */
const softmax: TangentRule = at => {
  const dx = at.tangent('logits')!;
  return mul(sub(dx, sum(mul(dx, at.output), -1, true)), at.output);
};

/** A mask with a bit for each axis, one axis further on, and the bit of the axis of directions. */
const shiftedMask = (mask: unknown, first: 0 | 1): number => 2 * ((mask as number | undefined) ?? 0) + first;

const stridedSlice = moved('x', attrs => ({
  begin: [0, ...attrs['begin'] as number[]],
  end: [0, ...attrs['end'] as number[]],
  strides: [1, ...attrs['strides'] as number[]],
  beginMask: shiftedMask(attrs['beginMask'], 1),
  endMask: shiftedMask(attrs['endMask'], 1),
  ellipsisMask: shiftedMask(attrs['ellipsisMask'], 0),
  newAxisMask: shiftedMask(attrs['newAxisMask'], 0),
  shrinkAxisMask: shiftedMask(attrs['shrinkAxisMask'], 0),
}));

const slice = moved('x', ({begin, size}, at) => {
  const [from] = slice_util.parseSliceParams(at.value('x'), begin as number[], size as number[]);
  return {begin: [0, ...from], size: [at.directions, ...at.output.shape]};
});

const gather: TangentRule = at => {
  const [axis] = axesOf(at.attrs['axis'] ?? 0, rankOf(at));
  return at.run({x: at.tangent('x')!, indices: at.value('indices')}, {...at.attrs, axis, batchDims: 0});
};

const along = (input: string, name: string): TangentRule =>
  moved(input, (attrs, at) => ({[name]: axesOf(attrs[name] ?? 0, rankOf(at))[0]}));

const summed = moved('x', (attrs, at) => ({axis: axesOf(attrs['axis'], rankOf(at))}));

const padded = (attrs: KernelAttrs): KernelAttrs =>
  ({paddings: [[0, 0], ...attrs['paddings'] as number[][]], constantValue: 0});

const sameKernel = (rule: TangentRule): Tangent => ({rule});

export const STRUCTURE_TANGENTS: Record<string, Tangent> = {
  Cast: sameKernel(reshaped),
  Reshape: sameKernel(reshaped),
  ExpandDims: sameKernel(reshaped),
  Transpose: sameKernel(moved('x', attrs => ({perm: [0, ...(attrs['perm'] as number[]).map(axis => axis + 1)]}))),
  Slice: sameKernel(slice),
  StridedSlice: sameKernel(stridedSlice),
  Tile: sameKernel(moved('x', attrs => ({reps: [1, ...attrs['reps'] as number[]]}))),
  PadV2: sameKernel(moved('x', padded)),
  MirrorPad: sameKernel(moved('x', padded)),
  Reverse: sameKernel(moved('x', (attrs, at) => ({dims: axesOf(attrs['dims'], rankOf(at))}))),
  Cumsum: sameKernel(along('x', 'axis')),
  Cumprod: sameKernel(cumulativeProduct),
  SplitV: sameKernel(along('x', 'axis')),
  Unpack: sameKernel(along('value', 'axis')),
  GatherV2: {rule: gather, covers: ({attrs}) => !attrs['batchDims']},
  Concat: sameKernel(joined(false)),
  Pack: sameKernel(joined(true)),
  Sum: sameKernel(summed),
  Mean: sameKernel(summed),
  Max: sameKernel(reduced),
  Min: sameKernel(reduced),
  Prod: sameKernel(reduced),
  Softmax: sameKernel(softmax),
};
