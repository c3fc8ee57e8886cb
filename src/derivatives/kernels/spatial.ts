import {getBackend, pad, reshape, slice, stridedSlice, type Tensor} from '@tensorflow/tfjs-core';

/** For each spatial axis: (before, after), (from, size) or (from, to, step). */
type PerAxis = ReadonlyArray<readonly number[]>;

/**
 * x [images, ...spatial, channels] with zeros around its two or three spatial axes: (before, after)
 * of each.
 */
export function padSpatial(x: Tensor, around: PerAxis): Tensor {
  return alongSpatial(x, around, (t, axes) =>
    pad(t, [[0, 0], ...axes.map(([before, after]): [number, number] => [before, after]), [0, 0]]));
}

/**
 * Part of x [images, ...spatial, channels]: (from, size) of each spatial axis.
 *
 * Measured: on WASM a slice of five axes takes 1,100 nanoseconds an entry, of four 4.
 */
export function cutSpatial(x: Tensor, parts: PerAxis): Tensor {
  return alongSpatial(x, parts, (t, axes) => slice(t, [0, ...axes.map(([from]) => from), 0],
      [t.shape[0], ...axes.map(([, size]) => size), t.shape[t.rank - 1]]));
}

/**
 * `count` positions along an axis, the first of each `step` entries.
 *
 * Measured: on WASM tfjs's StridedSlice takes 20 times as long.
 */
export function everyAlong(t: Tensor, axis: number, from: number, count: number, step: number): Tensor {
  const [before, size, after] = [t.shape.slice(0, axis), t.shape[axis], t.shape.slice(axis + 1)];
  const [outer, inner] = [before, after].map(shape => shape.reduce((a, b) => a * b, 1));
  const missing = Math.max(0, from + count * step - size);
  const flat = reshape(t, [outer, size, inner]);
  const longer = missing === 0 ? flat : pad(flat, [[0, 0], [0, missing], [0, 0]]);
  const whole = slice(longer, [0, from, 0], [outer, count * step, inner]);
  const first = slice(reshape(whole, [outer * count, step * inner]), [0, 0], [outer * count, inner]);
  return reshape(first, [...before, count, ...after]);
}

/**
 * Every step-th position of x [images, ...spatial, channels]: (from, to, step) of each spatial
 * axis.
 */
export function sliceSpatial(x: Tensor, positions: PerAxis): Tensor {
  if (getBackend() === 'wasm') {
    return positions.reduce((t, [from, to, step], i) =>
      everyAlong(t, i + 1, from, Math.ceil((to - from) / step), step), x);
  }
  return alongSpatial(x, positions, (t, axes) => stridedSlice(t, [0, ...axes.map(([from]) => from), 0],
      [t.shape[0], ...axes.map(([, to]) => to), t.shape[t.rank - 1]], [1, ...axes.map(([, , step]) => step), 1]));
}

/**
 * Treats the first of three axes apart from the others, as neither op knows a tensor of five axes
 * on WebGL.
 */
function alongSpatial(x: Tensor, perAxis: PerAxis, op: (t: Tensor, perAxis: PerAxis) => Tensor): Tensor {
  if (perAxis.length < 3) {
    return op(x, perAxis);
  }
  const [images, depth, height, width, channels] = x.shape;
  const first = op(reshape(x, [images, depth, height * width * channels]), perAxis.slice(0, 1));
  const others = op(reshape(first, [-1, height, width, channels]), perAxis.slice(1));
  return reshape(others, [images, first.shape[1]!, ...others.shape.slice(1)]);
}
