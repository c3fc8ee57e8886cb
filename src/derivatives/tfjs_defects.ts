import {add, cast, cumsum, equal, mul, onesLike, pad, pow, reshape, reverse, slice, sub, sum, where} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {runKernel} from '../tfjs/internals';
import type {TraceNode} from '../trace/trace';
import {ggnError} from '../errors';
import {chosenCotangent} from './maxima';
import {pooledAxes, spreadMaxima, windowShare} from './pooling';

/**
 * Gradients that tfjs 4.22 computes wrongly without a word. Where the right one is a few ops it is here; the rest is
 * refused. `test/jacobian/tfjs_defects.test.ts` shows each defect, and fails when a tfjs mends it.
 *
 * - MaxPool, MaxPool3D on wasm: the gradient kernel starts its search for the maximum at 1.2e-38; what belongs to windows without a
 *   positive number goes to the first entry of the input instead.
 * - MaxPool3D on cpu: the gradient kernel numbers the entries of a window by its height in the place of its width.
 * - ResizeNearestNeighbor on cpu: the gradient kernel takes the offset of an example in dy from the input's size.
 * - AvgPool, AvgPool3D but on tfjs-node: the gradient divides by the full size of a window, the op by its entries inside of the image; they differ
 *   where padding is ('same'). With sizes rounded up, the gradients of all pooling kernels take other windows than the op.
 * - MirrorPad: the gradient drops what belongs to the mirrored entries.
 * - ResizeBilinear: the gradient knows nothing of `halfPixelCenters`; on cpu its shape has height and width exchanged.
 * - Cumsum along another axis than the last: the gradient comes out transposed.
 * - Pow: the derivative 0·a⁻¹ of a⁰, so the third derivative of a², is not a number at a = 0.
 * - Dilation2D on wasm: as MaxPool there, and its values, too, where a window has no positive number.
 * - Conv3D on wasm: the gradient in the input is wrong, that in the filter where strides are above 1: `convolution.ts` has its own.
 *
 * @returns input cotangents in place of tfjs's, by input name; null where tfjs is right.
 */
export function mendedCotangents(backend: string, node: TraceNode, value: (name: string) => Tensor, y: Tensor, dy: Tensor):
    Record<string, (() => Tensor) | undefined> | null {
  const byMaxima = {x: () => chosenCotangent(node, value('x'), y, dy) ?? spreadMaxima(value('x'), y, dy, node.attrs)};
  if ((node.kernel === 'MaxPool' || node.kernel === 'MaxPool3D') && backend === 'wasm') {
    return byMaxima;
  }
  if (isPooling(node) && node.attrs['dimRoundingMode'] != null &&
      pooledAxes(value('x').shape, {...node.attrs, dimRoundingMode: undefined}).some((axis, k) => axis.count !== y.shape[k + 1])) {
    return {x: () => {
      throw ggnError(`tfjs's gradient of '${node.kernel}' is wrong with sizes rounded by '${String(node.attrs['dimRoundingMode'])}': pool without ` +
          'dimRoundingMode, or pad the input.');
    }};
  }
  if (node.kernel === 'MaxPool3D' && backend === 'cpu') {
    const [, height, width] = pooledAxes(value('x').shape, node.attrs);
    return height.filter === width.filter ? null : byMaxima;
  }
  if ((node.kernel === 'AvgPool' || node.kernel === 'AvgPool3D') && backend !== 'tensorflow') {
    const share = windowShare(value('x').shape, node.attrs);
    return share === null ? null : {x: () => runKernel(`${node.kernel}Grad`, {dy: mul(dy, share), input: value('x')}, node.attrs) as Tensor};
  }
  if (node.kernel === 'Cumsum') {
    const {axis, exclusive, reverse: backwards} = node.attrs as {axis: number; exclusive?: boolean; reverse?: boolean};
    return axis === y.rank - 1 || axis === -1 ? null : {x: () => cumsum(dy, axis, exclusive, !backwards)};
  }
  if (node.kernel === 'MirrorPad') {
    return {x: () => mirrorPad(node, dy)};
  }
  if (node.kernel === 'ResizeBilinear' && node.attrs['halfPixelCenters'] === true) {
    return {images: () => {
      throw ggnError("tfjs's gradient of 'ResizeBilinear' is wrong with halfPixelCenters: resize without it.");
    }};
  }
  if (node.kernel === 'ResizeBilinear' && backend === 'cpu') {
    const images = value('images');
    return {images: () => reshape(runKernel('ResizeBilinearGrad', {images, dy}, node.attrs) as Tensor, images.shape)};
  }
  if (node.kernel === 'Pow' && value('a').shape.join() === y.shape.join()) {
    return {a: () => power(value('a'), value('b'), dy)};
  }
  if (node.kernel === 'Dilation2D' && backend === 'wasm') {
    const refuse = (): never => {
      throw ggnError("tfjs's gradient of 'Dilation2D' is wrong on the WASM backend: train this model on another backend (cpu, webgl).");
    };
    return {x: refuse, filter: refuse};
  }
  if (node.kernel === 'ResizeNearestNeighbor' && backend === 'cpu') {
    return {images: () => resizeNearest(node, value('images'), dy)};
  }
  return null;
}

/**
 * Kernels whose own results are wrong: then there is nothing to linearize.
 *
 * - Conv3DBackpropInputV2 on wasm (conv3dTranspose): leaves entries out, and adds to memory that it has not cleared.
 *
 * @throws for a node with such a kernel.
 */
export function refuseWrongKernel(backend: string, node: TraceNode): void {
  if (node.kernel === 'Conv3DBackpropInputV2' && backend === 'wasm') {
    throw ggnError("tfjs's kernel 'Conv3DBackpropInputV2' (conv3dTranspose) computes wrong values on the WASM backend, with any optimizer and in " +
        'prediction, too. Run this model on another backend (cpu, webgl, tfjs-node).');
  }
}

const isPooling = ({kernel}: TraceNode): boolean =>
  kernel === 'MaxPool' || kernel === 'AvgPool' || kernel === 'MaxPool3D' || kernel === 'AvgPool3D';

/** dy b aᵇ⁻¹, with a¹ for a⁻¹ where the factor b is 0. */
function power(a: Tensor, b: Tensor, dy: Tensor): Tensor {
  const exponent = cast(b, 'float32');
  const lower = where(equal(exponent, 0), onesLike(exponent), sub(exponent, 1));
  return mul(dy, mul(exponent, pow(a, lower)));
}

/** Axis by axis: the mirrored entries go back to where they came from. */
function mirrorPad(node: TraceNode, dy: Tensor): Tensor {
  const {paddings, mode} = node.attrs as {paddings: Array<[number, number]>; mode: 'reflect' | 'symmetric'};
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
  }, dy);
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
