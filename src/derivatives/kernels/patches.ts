import {concat, getBackend, matMul as batchMatMul, mul, reshape, slice, sum, tensor, tidy,
  type Tensor} from '@tensorflow/tfjs-core';
import {isObserved} from '../../tfjs/internals';
import {sum as sumOf} from '../../arrays/elementwise';
import {rowMajor} from '../../arrays/matrix';
import {matrixProduct} from '../../arrays/matrix_product';
import type {Convolution} from './convolution_geometry';
import {plus} from '../../tfjs/accumulate';
import {matMul} from '../../tfjs/fast_ops';
import {heapOf} from '../../tfjs/heap_ops';
import {depthwiseProductIn, patchProductIn} from '../../tfjs/heap_patches';
import {blockFloats} from '../../tfjs/memory';
import {nativePatches} from './native_patches';
import {padSpatial, sliceSpatial} from './spatial';

/**
 * Patches of the input of a convolution: row (image, output position), column (filter position,
 * channel), so that y = patches · filter. On backends whose tensors can be read at no cost (cpu) or
 * nearly none (WASM), loops copy the patches straight into the order that a product needs. On the
 * others the patches are strided slices.
 */

/**
 * Whether tensors are best read and worked on in this thread. They are not while the kernels are
 * observed: a derivative of the result would miss a computation without kernels.
 */
export const isHost = (): boolean => (getBackend() === 'cpu' || getBackend() === 'wasm') && !isObserved();

/** The number s of output positions of one image. */
export const positionsOf = (c: Convolution): number => c.output[0] * c.output[1] * c.output[2];

/** Columns of the patches: filter positions times channels. */
export const columnsOf = (c: Convolution): number => filterPositions(c) * c.inChannels;

const filterPositions = (c: Convolution): number => c.filter[0] * c.filter[1] * c.filter[2];

/** Range of output positions o on an axis for which filter position k falls into the input. */
function inside(c: Convolution, axis: 0 | 1 | 2, k: number): readonly [number, number] {
  const offset = k * c.dilations[axis] - c.before[axis];
  const first = Math.max(0, Math.ceil(-offset / c.strides[axis]));
  const last = Math.min(c.output[axis] - 1, Math.floor((c.input[axis] - 1 - offset) / c.strides[axis]));
  return [first, last];
}

/**
 * Writes patchesᵀ of the images from..to-1: [columns, (to - from) · s]. Entries of the padding stay
 * zero.
 */
export function writePatchesTransposed(c: Convolution, x: Float32Array, from: number, to: number,
    out: Float32Array): void {
  const {inChannels, filter, input, output, strides, dilations, before} = c;
  const positions = positionsOf(c);
  const width = (to - from) * positions;
  out.fill(0, 0, columnsOf(c) * width);
  let column = 0;
  for (let kz = 0; kz < filter[0]; kz++) {
    const [z0, z1] = inside(c, 0, kz);
    for (let ky = 0; ky < filter[1]; ky++) {
      const [y0, y1] = inside(c, 1, ky);
      for (let kx = 0; kx < filter[2]; kx++) {
        const [x0, x1] = inside(c, 2, kx);
        const step = strides[2] * inChannels;
        for (let channel = 0; channel < inChannels; channel++, column++) {
          for (let image = from; image < to; image++) {
            const start = column * width + (image - from) * positions;
            for (let oz = z0; oz <= z1; oz++) {
              const z = oz * strides[0] + kz * dilations[0] - before[0];
              for (let oy = y0; oy <= y1; oy++) {
                const row = (image * input[0] + z) * input[1] + oy * strides[1] + ky * dilations[1] - before[1];
                let source = (row * input[2] + x0 * strides[2] + kx * dilations[2] - before[2]) * inChannels + channel;
                const end = start + (oz * output[1] + oy) * output[2];
                for (let at = end + x0; at <= end + x1; at++, source += step) {
                  out[at] = x[source];
                }
              }
            }
          }
        }
      }
    }
  }
}

/** x with the padding that the patches reach. */
function paddedInput(c: Convolution, x: Tensor): {padded: Tensor; lead: readonly number[]} {
  const from = 3 - c.spatial;
  const axes = [0, 1, 2].slice(from);
  const lead = axes.map(axis => Math.max(0, c.before[axis]));
  const trail = axes.map(axis =>
    Math.max(0, spanOf(c, axis) + (c.filter[axis] - 1) * c.dilations[axis] - c.input[axis] - c.before[axis]));
  const isPadded = [...lead, ...trail].some(p => p > 0);
  return {padded: isPadded ? padSpatial(x, lead.map((p, i) => [p, trail[i]])) : x, lead};
}

/** Entries of an axis from the first output position to the last. */
const spanOf = (c: Convolution, axis: number): number => (c.output[axis] - 1) * c.strides[axis] + 1;

/** One slice of x per filter position, in order: [images, output.., channels] each. */
function shiftedInputs(c: Convolution, {padded, lead}: ReturnType<typeof paddedInput>): Tensor[] {
  const axes = [0, 1, 2].slice(3 - c.spatial);
  return Array.from({length: filterPositions(c)}, (_, k) => {
    const [, height, width] = c.filter;
    const at = [Math.floor(k / (height * width)), Math.floor(k / width) % height, k % width];
    const begin = axes.map((axis, i) => at[axis] * c.dilations[axis] - c.before[axis] + lead[i]);
    return sliceSpatial(padded, axes.map((axis, i) => [begin[i], begin[i] + spanOf(c, axis), c.strides[axis]]));
  });
}

/** Patches as a tensor, [images · s, columns]. */
export function patchTensor(c: Convolution, x: Tensor): Tensor {
  return tidy(() => {
    const input = paddedInput(c, x);
    const native = nativePatches(c, input.padded);
    const parts = native === null ? shiftedInputs(c, input) : [native];
    const joined = parts.length === 1 ? parts[0] : concat(parts, parts[0].rank - 1);
    return reshape(joined, [c.images * positionsOf(c), columnsOf(c)]);
  });
}

/** The same convolution of some of the images only. */
export const ofImages = (c: Convolution, images: number): Convolution => ({...c, images});

/**
 * Floats of patches that are multiplied at once: 4 MiB, enough for the speed of one large product.
 */
const PATCH_BLOCK = 2 ** 20;

/**
 * patchesᵀ y over all images, [columns, out], in blocks of images that fit into the memory limit.
 */
export function patchProduct(c: Convolution, x: Tensor, y: Tensor): Tensor {
  const heap = heapOf(x, y);
  if (heap !== null) {
    return patchProductIn(heap, c, c.images, x, y, c.outChannels);
  }
  const [positions, columns] = [positionsOf(c), columnsOf(c)];
  const fitting = Math.floor(Math.min(PATCH_BLOCK, blockFloats()) / (positions * columns));
  const step = Math.max(1, Math.min(c.images, fitting));
  return tidy(() => {
    const isCpu = isHost() && getBackend() === 'cpu';
    const data = isHost() ? x.dataSync() as Float32Array : null;
    const scratch = data === null ? null : new Float32Array(columns * positions * step);
    let result: Float32Array | null = isCpu ? new Float32Array(columns * c.outChannels) : null;
    let total: Tensor | null = null;
    for (let from = 0; from < c.images; from += step) {
      const count = Math.min(step, c.images - from);
      const width = count * positions;
      if (data !== null) {
        writePatchesTransposed(c, data, from, from + count, scratch!);
      }
      if (result !== null) {
        const ys = (y.dataSync() as Float32Array).subarray(from * positions * c.outChannels);
        result = sumOf(result, matrixProduct(rowMajor(scratch!, columns, width), rowMajor(ys, width, c.outChannels)));
        continue;
      }
      const before: Tensor | null = total;
      total = tidy((): Tensor => {
        const ys = reshape(slice(reshape(y, [c.images, -1]), [from, 0], [count, -1]), [width, c.outChannels]);
        const product = data !== null ? matMul(tensor(scratch!.subarray(0, columns * width), [columns, width]), ys) :
            transposeProduct(patchTensor(ofImages(c, count), slice(x, [from], [count])), ys);
        return plus(before, product);
      });
      before?.dispose();
    }
    return result !== null ? tensor(result, [columns, c.outChannels]) : total!;
  });
}

function transposeProduct(a: Tensor, b: Tensor): Tensor {
  return reshape(matMulBatch(reshape(a, [1, ...a.shape]), reshape(b, [1, ...b.shape])), [a.shape[1]!, b.shape[1]!]);
}

/** aᵀ b for each example, [B, s, in] and [B, s, out] -> [B, in, out]. */
export const matMulBatch = (a: Tensor, b: Tensor): Tensor => batchMatMul(a as never, b as never, true, false);

/**
 * The product of a depthwise convolution: Σ over the positions (and images) of each run of x
 * shifted ∘ y, [runs, columns, multiplier]. A run is images that follow each other.
 */
export function depthwiseProduct(c: Convolution, x: Tensor, y: Tensor, runs: number): Tensor {
  const heap = heapOf(x, y);
  if (heap !== null) {
    return depthwiseProductIn(heap, c, c.images, runs, x, y, c.outChannels);
  }
  const multiplier = c.outChannels / c.inChannels;
  const perRun = c.images / runs * positionsOf(c);
  if (isHost()) {
    const [xs, ys] = [x.dataSync() as Float32Array, y.dataSync() as Float32Array];
    return tensor(depthwiseOnHost(c, xs, ys, runs), [runs, columnsOf(c), multiplier]);
  }
  return tidy(() => {
    const ys = reshape(y, [runs, perRun, c.inChannels, multiplier]);
    return concat(shiftedInputs(c, paddedInput(c, x)).map(part => tidy(() =>
      sum(mul(reshape(part, [runs, perRun, c.inChannels, 1]), ys), 1))), 1);
  });
}

function depthwiseOnHost(c: Convolution, x: Float32Array, y: Float32Array, runs: number): Float32Array {
  const {inChannels, input, output, strides, dilations, before, filter} = c;
  const multiplier = c.outChannels / inChannels;
  const perRun = c.images / runs;
  const sums = new Float64Array(columnsOf(c) * multiplier);
  const result = new Float32Array(runs * sums.length);
  for (let run = 0; run < runs; run++) {
    sums.fill(0);
    for (let image = run * perRun; image < (run + 1) * perRun; image++) {
      for (let ky = 0; ky < filter[1]; ky++) {
        const [y0, y1] = inside(c, 1, ky);
        for (let kx = 0; kx < filter[2]; kx++) {
          const [x0, x1] = inside(c, 2, kx);
          const at = (ky * filter[2] + kx) * inChannels * multiplier;
          for (let oy = y0; oy <= y1; oy++) {
            const row = image * input[1] + oy * strides[1] + ky * dilations[1] - before[1];
            for (let ox = x0; ox <= x1; ox++) {
              const source = (row * input[2] + ox * strides[2] + kx * dilations[2] - before[2]) * inChannels;
              const other = ((image * output[1] + oy) * output[2] + ox) * inChannels * multiplier;
              for (let i = 0; i < inChannels * multiplier; i++) {
                sums[at + i] += x[source + (multiplier === 1 ? i : Math.floor(i / multiplier))] * y[other + i];
              }
            }
          }
        }
      }
    }
    result.set(sums, run * sums.length);
  }
  return result;
}

