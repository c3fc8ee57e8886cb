import {backend_util, cast, equal, mul, onesLike, pad, reshape, slice, sub, tensor,
  type Tensor} from '@tensorflow/tfjs-core';
import type {KernelAttrs} from '../../tfjs/internals';
import {plus} from '../../tfjs/accumulate';
import {cutSpatial, everyAlong} from './spatial';

/**
 * A spatial axis of a pooling: window o covers the entries o·stride - before + {0 .. filter-1} of
 * the input.
 */
interface PooledAxis {
  readonly size: number;
  readonly count: number;
  readonly stride: number;
  readonly filter: number;
  readonly before: number;
}

/** The two or three spatial axes of a pooling [B, .., channels]. */
export function pooledAxes(shape: readonly number[], attrs: KernelAttrs): PooledAxis[] {
  const {filterSize, strides, pad: padding, dimRoundingMode} = attrs as
      {filterSize: [number, number]; strides: [number, number]; pad: 'same'; dimRoundingMode?: 'floor'};
  const axis = (size: number, count: number, stride: number, filter: number, before: number): PooledAxis =>
    ({size, count, stride, filter, before});
  if (shape.length === 4) {
    const info = backend_util.computePool2DInfo(shape as never, filterSize, strides, 1, padding, dimRoundingMode);
    return [
      axis(info.inHeight, info.outHeight, info.strideHeight, info.filterHeight, info.padInfo.top),
      axis(info.inWidth, info.outWidth, info.strideWidth, info.filterWidth, info.padInfo.left)];
  }
  const info = backend_util.computePool3DInfo(shape as never, filterSize as never, strides as never, 1, padding,
      dimRoundingMode);
  return [
    axis(info.inDepth, info.outDepth, info.strideDepth, info.filterDepth, info.padInfo.front),
    axis(info.inHeight, info.outHeight, info.strideHeight, info.filterHeight, info.padInfo.top),
    axis(info.inWidth, info.outWidth, info.strideWidth, info.filterWidth, info.padInfo.left)];
}

/** The size of each window along an axis, over the number of its entries inside of the image. */
const sharesAlong = ({size, count, stride, filter, before}: PooledAxis): number[] =>
  Array.from({length: count}, (_, o) => {
    const from = o * stride - before;
    return filter / (Math.min(from + filter, size) - Math.max(from, 0));
  });

/** Whether a window has entries outside of the image. */
export const isPadded = (shape: readonly number[], attrs: KernelAttrs): boolean =>
  pooledAxes(shape, attrs).some(axis => sharesAlong(axis).some(share => share !== 1));

/**
 * The size of each window over the number of its entries inside of the image, [1, ..windows, 1];
 * null if all windows lie inside of it.
 */
export function windowShare(shape: readonly number[], attrs: KernelAttrs): Tensor | null {
  if (!isPadded(shape, attrs)) {
    return null;
  }
  const axes = pooledAxes(shape, attrs);
  const shares = axes.map(sharesAlong).reduce((all, along) => all.flatMap(share => along.map(a => share * a)));
  return tensor(shares, [1, ...axes.map(axis => axis.count), 1]);
}

/** For each window of x, the entry of t at the place of the window's maximum y, one of equals. */
export function pickMaxima(x: Tensor, y: Tensor, t: Tensor, attrs: KernelAttrs): Tensor {
  const axes = pooledAxes(x.shape, attrs);
  const entries = pad(t, margins(axes));
  let total: Tensor | null = null;
  for (const {at, hit} of maxima(x, y, axes)) {
    const part = mul(hit, every(entries, at, axes));
    total = plus(total, part);
  }
  return total!;
}

/**
 * The transpose of `pickMaxima`: the entry of dy of each window goes to the entry of x that is the
 * window's maximum.
 */
export function spreadMaxima(x: Tensor, y: Tensor, dy: Tensor, attrs: KernelAttrs): Tensor {
  const axes = pooledAxes(x.shape, attrs);
  const padded = margins(axes);
  const sizes = padded.map(([before, after], k) => before + x.shape[k] + after);
  let total: Tensor | null = null;
  for (const {at, hit} of maxima(x, y, axes)) {
    const part = axes.reduce((t, {stride}, k) => spreadAlong(t, k + 1, at[k], stride, sizes[k + 1]), mul(hit, dy));
    total = plus(total, part);
  }
  return cutSpatial(total!, axes.map(({before, size}) => [before, size]));
}

/**
 * Padding of each axis of a pooled tensor. With sizes rounded up, the last windows reach beyond the
 * input.
 */
function margins(axes: readonly PooledAxis[]): Array<[number, number]> {
  return [[0, 0], ...axes.map(({size, count, stride, filter, before}): [number, number] =>
    [before, Math.max(0, stride * (count - 1) + filter - size - before)]), [0, 0]];
}

/**
 * Ones at the windows whose first maximum lies at a place, for each place in a window; of volumes
 * the last maximum counts, as in tfjs.
 */
function maxima(x: Tensor, y: Tensor, axes: readonly PooledAxis[]): Array<{at: number[]; hit: Tensor}> {
  const candidates = pad(x, margins(axes), -Infinity);
  let free = onesLike(y);
  const places = positions(axes.map(axis => axis.filter));
  return (axes.length === 3 ? places.reverse() : places).map(at => {
    const hit = mul(cast(equal(every(candidates, at, axes), y), 'float32'), free);
    free = sub(free, hit);
    return {at, hit};
  });
}

/** Entry `at` of every window. */
const every = (padded: Tensor, at: readonly number[], axes: readonly PooledAxis[]): Tensor =>
  axes.reduce((t, {stride, count}, k) => everyAlong(t, k + 1, at[k], count, stride), padded);

/** All index tuples of a window, the last axis fastest. */
function positions(sizes: readonly number[]): number[][] {
  return sizes.reduce<number[][]>((all, size) =>
    all.flatMap(head => Array.from({length: size}, (_, i) => [...head, i])), [[]]);
}

/** Puts entry k along an axis at from + k·stride of an axis of zeros. */
export function spreadAlong(t: Tensor, axis: number, from: number, stride: number, size: number): Tensor {
  const [before, count, after] = [t.shape.slice(0, axis), t.shape[axis], t.shape.slice(axis + 1)];
  const [outer, inner] = [before, after].map(shape => shape.reduce((a, b) => a * b, 1));
  let spread = reshape(t, [outer, count, inner]);
  if (stride > 1) {
    const apart = pad(reshape(spread, [outer * count, inner]), [[0, 0], [0, (stride - 1) * inner]]);
    spread = reshape(apart, [outer, count * stride, inner]);
  }
  const kept = Math.min(count * stride, size - from);
  spread = pad(slice(spread, [0, 0, 0], [outer, kept, inner]), [[0, 0], [from, size - from - kept], [0, 0]]);
  return reshape(spread, [...before, size, ...after]);
}
