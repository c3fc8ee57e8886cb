import type {Tensor} from '@tensorflow/tfjs-core';
import {isObserved, nativeOps} from '../../tfjs/internals';
import {isRehearsal} from '../../tfjs/rehearsal';
import type {Convolution} from './convolution_geometry';

/**
 * Patches of images with a stride, by one op of TensorFlow, [images, height, width, columns]; null
 * if the backend is not tfjs-node, if kernels are recorded or rehearsed, or if these patches are
 * others than those of the convolution.
 *
 * Measured: strided slices take 7 times as long with a filter of 3 x 3 and a stride of 2, slices
 * without a stride 0.6 times as long as the op.
 *
 * @param padded x with the padding in front, and as much behind as the last patch needs.
 */
export function nativePatches(c: Convolution, padded: Tensor): Tensor | null {
  const axes = [1, 2] as const;
  const fits = c.spatial === 2 && c.strides.some(stride => stride > 1) && axes.every(axis => {
    const reach = (c.filter[axis] - 1) * c.dilations[axis] + 1;
    return c.before[axis] >= 0 && Math.floor((padded.shape[axis]! - reach) / c.strides[axis]) + 1 === c.output[axis];
  });
  const op = !fits || isObserved() || isRehearsal() ? null : nativeOps();
  const along = (extent: Convolution['filter']): number[] => [1, extent[1], extent[2], 1];
  return op === null ? null : op('ExtractImagePatches', [padded],
      {ksizes: along(c.filter), strides: along(c.strides), rates: along(c.dilations), padding: 'VALID'});
}
