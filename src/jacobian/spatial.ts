import {pad, reshape, stridedSlice} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';

/** Per spatial axis: (before, after) or (from, to, step). */
type PerAxis = ReadonlyArray<readonly number[]>;

/** x [images, ...spatial, channels] with zeros around its two or three spatial axes: (before, after) of each. */
export function padSpatial(x: Tensor, around: PerAxis): Tensor {
  return alongSpatial(x, around, (t, axes) => pad(t, [[0, 0], ...axes.map(([before, after]) => [before, after] as [number, number]), [0, 0]]));
}

/** Every step-th position of x [images, ...spatial, channels]: (from, to, step) of each spatial axis. */
export function sliceSpatial(x: Tensor, positions: PerAxis): Tensor {
  return alongSpatial(x, positions, (t, axes) => stridedSlice(t, [0, ...axes.map(([from]) => from), 0],
      [t.shape[0], ...axes.map(([, to]) => to), t.shape[t.rank - 1]], [1, ...axes.map(([, , step]) => step), 1]));
}

/** The first of three axes goes apart from the others: on WebGL neither op knows a tensor of five axes. */
function alongSpatial(x: Tensor, perAxis: PerAxis, op: (t: Tensor, perAxis: PerAxis) => Tensor): Tensor {
  if (perAxis.length < 3) {
    return op(x, perAxis);
  }
  const [images, depth, height, width, channels] = x.shape;
  const first = op(reshape(x, [images, depth, height * width * channels]), perAxis.slice(0, 1));
  const others = op(reshape(first, [-1, height, width, channels]), perAxis.slice(1));
  return reshape(others, [images, first.shape[1]!, ...others.shape.slice(1)]);
}
