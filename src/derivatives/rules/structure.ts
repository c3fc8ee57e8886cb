import {pad, reshape, reverse, slice, slice_util, stack, sum, transpose, zerosLike,
  type Tensor} from '@tensorflow/tfjs-core';
import {add, shaped} from '../../tfjs/fast_ops';
import {runKernel} from '../../tfjs/internals';
import {spreadAlong} from '../kernels/pooling';
import {slowOrMissing, type BackwardNode, type Pull, type Rule} from './rule';

/** The same entries in the shape of the input. */
const reshaped: Pull = (at, input) => shaped(at.dy, at.value(input).shape);

/** The cotangents of all outputs, zeros for an output that none reaches. */
const allCotangents = (at: BackwardNode): Tensor[] =>
  at.dys.map((dy, i) => dy ?? zerosLike(at.values[at.node.outputs[i]]));

/**
 * A slice of three axes for each input. tfjs's Unpack slices all axes.
 *
 * Measured: on WASM a slice of five axes takes 1,100 nanoseconds an entry.
 */
const unpacked: Pull = (at, input) => {
  const {shape} = at.dy;
  const axis = at.axis(shape);
  const [before, after] = [shape.slice(0, axis), shape.slice(axis + 1)].map(part => part.reduce((a, b) => a * b, 1));
  const part = slice(shaped(at.dy, [before, shape[axis], after]), [0, at.place(input), 0], [before, 1, after]);
  return shaped(part, at.value(input).shape);
};

/** The part of dy that the input went to. */
const separated: Pull = (at, input) => {
  const axis = at.axis(at.y.shape);
  const sizes = at.node.inputs.map(([name]) => at.value(name).shape[axis]);
  const before = sizes.slice(0, at.place(input)).reduce((a, b) => a + b, 0);
  return slice(at.dy, at.dy.shape.map((_, i) => i === axis ? before : 0), at.value(input).shape);
};

const sliced: Pull = at => {
  const x = at.value('x');
  const [begin, size] = slice_util.parseSliceParams(x, at.attrs['begin'] as number[], at.attrs['size'] as number[]);
  return pad(at.dy, begin.map((from, axis): [number, number] => [from, x.shape[axis] - from - size[axis]]));
};

/** Entries that the slice left out take zeros. */
const slicedInStrides: Pull = at => {
  const {begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask} = at.attrs as
      Record<'begin' | 'end' | 'strides', number[]> & Record<string, number>;
  const {shape} = at.value('x');
  const full = slice_util.sliceInfo(shape, begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask,
      shrinkAxisMask);
  const counts = slice_util.computeOutShape(full.begin, full.end, full.strides);
  return counts.reduce((t, count, axis) => {
    const [from, stride] = [full.begin[axis], full.strides[axis]];
    return stride > 0 ? spreadAlong(t, axis, from, stride, shape[axis]) :
        spreadAlong(reverse(t, axis), axis, from + (count - 1) * stride, -stride, shape[axis]);
  }, reshape(at.dy, counts));
};

/** Axis by axis, the mirrored entries go back to the entries that they are copies of. */
const mirrored: Pull = at => {
  const {paddings, mode} = at.attrs as {paddings: Array<[number, number]>; mode: 'reflect' | 'symmetric'};
  const offset = mode === 'reflect' ? 1 : 0;
  return paddings.reduce((t, [before, after], axis) => {
    const n = t.shape[axis] - before - after;
    const part = (from: number, size: number): Tensor =>
      slice(t, t.shape.map((_, k) => k === axis ? from : 0), t.shape.map((d, k) => k === axis ? size : d));
    const put = (entries: Tensor, from: number): Tensor =>
      pad(reverse(entries, axis), entries.shape.map((d, k) => k === axis ? [from, n - from - d] : [0, 0]));
    let total = part(before, n);
    if (before > 0) {
      total = add(total, put(part(0, before), offset));
    }
    if (after > 0) {
      total = add(total, put(part(before + n, after), n - offset - after));
    }
    return total;
  }, at.dy);
};

/**
 * The copies lie along axes of their own, over which dy is summed. Neighbouring axes of one kind
 * are one axis.
 */
const untiled: Pull = at => {
  const {shape} = at.value('x');
  const axes: Array<{size: number; isSummed: boolean}> = [];
  const push = (size: number, isSummed: boolean): void => {
    const last = axes[axes.length - 1];
    if (size > 1 && last?.isSummed === isSummed) {
      last.size *= size;
    } else if (size > 1) {
      axes.push({size, isSummed});
    }
  };
  const reps = at.attrs['reps'] as number[];
  shape.forEach((size, axis) => {
    push(reps[axis], true);
    push(size, false);
  });
  const summed = axes.map((_, i) => i).filter(i => axes[i].isSummed);
  const apart = reshape(at.dy, axes.map(({size}) => size));
  return reshape(summed.length === 0 ? apart : sum(apart, summed), shape);
};

const inverse = (perm: readonly number[]): number[] => perm.map((_, axis) => perm.indexOf(axis));

/** Kernels that move, join or copy entries. */
export const STRUCTURE_RULES: readonly Rule[] = [
  {kernel: 'Cast', why: 'missing', pull: at => at.dy},
  ...slowOrMissing({kernel: 'Reshape', pull: reshaped}),
  {kernel: 'ExpandDims', why: 'missing', pull: reshaped},
  {kernel: 'Transpose', why: 'missing', pull: at => transpose(at.dy, inverse(at.attrs['perm'] as number[]))},
  {kernel: 'Slice', why: 'missing', pull: sliced},
  {kernel: 'StridedSlice', why: 'missing', pull: slicedInStrides},
  {kernel: 'PadV2', why: 'missing', pull: at =>
    slice(at.dy, (at.attrs['paddings'] as Array<[number, number]>).map(([before]) => before), at.value('x').shape)},
  // tfjs's gradient drops the cotangents of the mirrored entries.
  {kernel: 'MirrorPad', why: 'wrong', pull: mirrored},
  // tfjs takes a slice of dy for each copy and adds the slices one by one: 16,384 of them if a
  // layer normalisation of 64 images of 16 x 16 tiles its weights.
  {kernel: 'Tile', why: 'useless', pull: untiled},
  {kernel: 'FlipLeftRight', why: 'missing', pull: at => runKernel('FlipLeftRight', {image: at.dy}) as Tensor},
  {kernel: 'Concat', why: 'missing', pull: separated},
  ...slowOrMissing({kernel: 'Pack', pull: unpacked}),
  ...slowOrMissing({kernel: 'SplitV',
    pull: at => runKernel('Concat', allCotangents(at), {axis: at.attrs['axis']}) as Tensor}),
  {kernel: 'Unpack', why: 'missing', pull: at => stack(allCotangents(at), at.axis(at.value('value').shape))},
];
