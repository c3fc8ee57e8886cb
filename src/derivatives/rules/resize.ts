import {reshape, sum, zerosLike, type Tensor} from '@tensorflow/tfjs-core';
import {ggnError} from '../../errors';
import {runKernel} from '../../tfjs/internals';
import type {Pull, Rule} from './rule';

const refuseHalfPixels: Pull = () => {
  throw ggnError("tfjs's gradient of 'ResizeBilinear' is wrong with halfPixelCenters: resize without it.");
};

const bilinear: Pull = at => {
  const images = at.value('images');
  return reshape(runKernel('ResizeBilinearGrad', {images, dy: at.dy}, at.attrs) as Tensor, images.shape);
};

/** Sums each block of equal pixels. Only whole factors make blocks. */
const nearest: Pull = at => {
  const {shape} = at.value('images');
  const [examples, height, width, channels] = shape;
  const [factorH, factorW] = [at.dy.shape[1]! / height, at.dy.shape[2]! / width];
  if (!Number.isInteger(factorH) || !Number.isInteger(factorW) || at.attrs['alignCorners'] === true) {
    throw ggnError("tfjs's gradient of 'ResizeNearestNeighbor' is wrong on the CPU backend for more than one " +
        'example: train this model on another backend (wasm, webgl, tfjs-node), or resize by whole factors.');
  }
  const columns = sum(reshape(at.dy, [examples * height * factorH * width, factorW, channels]), 1);
  return reshape(sum(reshape(columns, [examples * height, factorH, width * channels]), 1), shape);
};

/** The backward kernels are linear in dy, and the forward kernel is their derivative. */
const forward = (kernel: string): Pull => at => {
  const images = reshape(at.dy, at.value('images').shape);
  return runKernel(kernel, {images}, {...at.attrs, size: at.value('dy').shape.slice(1, 3)}) as Tensor;
};

/** Kernels that change the size of images. */
export const RESIZE_RULES: readonly Rule[] = [
  {kernel: 'ResizeBilinear', why: 'wrong', when: at => at.attrs['halfPixelCenters'] === true, pull: refuseHalfPixels},
  // The shape of tfjs's gradient has height and width exchanged.
  {kernel: 'ResizeBilinear', why: 'wrong', when: at => at.backend === 'cpu', pull: bilinear},
  // tfjs's gradient kernel takes the offset of an example in dy from the size of the input.
  {kernel: 'ResizeNearestNeighbor', why: 'wrong', when: at => at.backend === 'cpu', pull: nearest},
  {kernel: 'ResizeBilinearGrad', input: 'dy', why: 'missing', pull: forward('ResizeBilinear')},
  {kernel: 'ResizeNearestNeighborGrad', input: 'dy', why: 'missing', pull: forward('ResizeNearestNeighbor')},
  {kernel: ['ResizeBilinearGrad', 'ResizeNearestNeighborGrad'], input: 'images', why: 'missing',
    pull: at => zerosLike(at.value('images'))},
];
