import {add, backend_util, cast, concat, engine, equal, mul, onesLike, pad, reshape, slice, stridedSlice, sub, sum, zeros} from '@tensorflow/tfjs-core';
import type {NamedAttrMap, Tensor} from '@tensorflow/tfjs-core';
import type {TraceNode} from '../capture/trace';
import {ggnError} from '../errors';

/**
 * Gradients that tfjs 4.22 computes wrongly without a word. Where the right one is a few ops it is here; the rest is
 * refused. `test/jacobian/tfjs_defects.test.ts` shows each defect, and fails when a tfjs mends it.
 *
 * - MaxPool on wasm: its gradient kernel starts its search for the maximum at 1.2e-38; what belongs to windows without a
 *   positive number goes to the first entry of the input instead.
 * - ResizeNearestNeighbor on cpu: the gradient kernel takes the offset of an example in dy from the input's size.
 * - ResizeBilinear on cpu: the gradient of an image that is not square has its height and width exchanged in its shape.
 * - Conv3D on wasm: the gradient in the input is wrong, that in the filter where strides are above 1: `convolution.ts` has its own.
 *
 * @returns input cotangents in place of tfjs's, by input name; null where tfjs is right.
 */
export function mendedCotangents(backend: string, node: TraceNode, value: (name: string) => Tensor, y: Tensor, dy: Tensor):
    Record<string, (() => Tensor) | undefined> | null {
  if (node.kernel === 'MaxPool' && backend === 'wasm') {
    return {x: () => maxPool(node, value('x'), y, dy)};
  }
  if (node.kernel === 'ResizeNearestNeighbor' && backend === 'cpu') {
    return {images: () => resizeNearest(node, value('images'), dy)};
  }
  if (node.kernel === 'ResizeBilinear' && backend === 'cpu') {
    const images = value('images');
    return {images: () => reshape(engine().runKernel<Tensor>('ResizeBilinearGrad', {images, dy}, node.attrs as NamedAttrMap), images.shape)};
  }
  return null;
}

/** Each window's cotangent goes to the first entry that equals its maximum. */
function maxPool(node: TraceNode, x: Tensor, y: Tensor, dy: Tensor): Tensor {
  const {filterSize, strides, pad: padding, dimRoundingMode} = node.attrs as
      {filterSize: [number, number]; strides: [number, number]; pad: 'same'; dimRoundingMode?: 'floor'};
  const info = backend_util.computePool2DInfo(x.shape as [number, number, number, number], filterSize, strides, 1, padding, dimRoundingMode);
  const {outHeight, outWidth, strideHeight, strideWidth, padInfo: {top, bottom, left, right}} = info;
  const [batch, height, width, channels] = x.shape;
  // With sizes rounded up the last windows reach beyond the padding.
  const beyond = (size: number, stride: number, count: number, filter: number): number => Math.max(0, stride * (count - 1) + filter - size);
  const padded = pad(x, [[0, 0], [top, bottom + beyond(height + top + bottom, strideHeight, outHeight, info.filterHeight)],
    [left, right + beyond(width + left + right, strideWidth, outWidth, info.filterWidth)], [0, 0]], -Infinity);
  let free = onesLike(dy);
  let total: Tensor = zeros(x.shape);
  for (let i = 0; i < info.filterHeight; i++) {
    for (let j = 0; j < info.filterWidth; j++) {
      const entries = stridedSlice(padded, [0, i, j, 0],
          [batch, i + strideHeight * (outHeight - 1) + 1, j + strideWidth * (outWidth - 1) + 1, channels],
          [1, strideHeight, strideWidth, 1]);
      const hit = mul(cast(equal(entries, y), 'float32'), free);
      free = sub(free, hit);
      const spread = spreadOut(mul(dy, hit), strideHeight, strideWidth);
      // Window entry (0, 0) of the spread tensor lies at (i - top, j - left) of x.
      total = add(total, place(spread, i - top, j - left, height, width));
    }
  }
  return total;
}

/** Inserts zeros behind the rows and columns: [B, h, w, C] -> [B, h·sh, w·sw, C]. */
function spreadOut(t: Tensor, strideHeight: number, strideWidth: number): Tensor {
  const [batch, height, width, channels] = t.shape;
  let spread = t;
  if (strideWidth > 1) {
    spread = concat([reshape(spread, [batch * height * width, channels]), zeros([batch * height * width, (strideWidth - 1) * channels])], 1);
  }
  const row = width * strideWidth * channels;
  if (strideHeight > 1) {
    spread = concat([reshape(spread, [batch * height, row]), zeros([batch * height, (strideHeight - 1) * row])], 1);
  }
  return reshape(spread, [batch, height * strideHeight, width * strideWidth, channels]);
}

/** Moves an image to (row, column) of a field of zeros [B, height, width, C]; what falls outside is dropped. */
function place(t: Tensor, row: number, column: number, height: number, width: number): Tensor {
  const [batch, h, w, channels] = t.shape;
  const [r0, c0] = [Math.max(0, -row), Math.max(0, -column)];
  const [r1, c1] = [Math.min(h, height - row), Math.min(w, width - column)];
  const part = slice(t, [0, r0, c0, 0], [batch, r1 - r0, c1 - c0, channels]);
  return pad(part, [[0, 0], [row + r0, height - row - r1], [column + c0, width - column - c1], [0, 0]]);
}

/** Sums each block of equal pixels; only whole factors make blocks. */
function resizeNearest(node: TraceNode, images: Tensor, dy: Tensor): Tensor {
  const [batch, height, width, channels] = images.shape;
  const [factorH, factorW] = [dy.shape[1]! / height, dy.shape[2]! / width];
  if (!Number.isInteger(factorH) || !Number.isInteger(factorW) || node.attrs['alignCorners'] === true) {
    throw ggnError("tfjs's gradient of 'ResizeNearestNeighbor' is wrong on the CPU backend for more than one example: train this " +
        'model on another backend (wasm, webgl, tfjs-node), or resize by whole factors.');
  }
  const columns = sum(reshape(dy, [batch * height * factorH * width, factorW, channels]), 1);
  return reshape(sum(reshape(columns, [batch * height, factorH, width * channels]), 1), images.shape);
}
