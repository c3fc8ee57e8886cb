import {getBackend, pad, reshape, reverse, slice, sum, tensor, tidy, transpose,
  type Tensor} from '@tensorflow/tfjs-core';
import {runKernel, type KernelAttrs} from '../../tfjs/internals';
import {heapOf} from '../../tfjs/heap_ops';
import {inputCotangentIn} from '../../tfjs/heap_patches';
import {partsOf} from '../../tfjs/memory';
import {depthwiseProduct, isHost, patchProduct} from './patches';
import {cutSpatial, padSpatial} from './spatial';
import {kernelFor, reach, shapeOf, type Extent, type Convolution} from './convolution_geometry';
import type {Operand} from '../../trace/kernel_fact';

/**
 * One operand from the two others, in the node's own format: y by the convolution itself, x and
 * filter by its gradients at the cotangent y.
 */
export function convolve(c: Convolution, wanted: Operand, given: Readonly<Partial<Record<Operand, Tensor>>>): Tensor {
  const x = given.x === undefined ? null : channelsLast(c, given.x);
  const y = given.y === undefined ? null : channelsLast(c, given.y);
  switch (wanted) {
    case 'y':
      return channelsBack(c, forward(c, x!, given.filter!));
    case 'x':
      return channelsBack(c, inputGradient(c, y!, given.filter!));
    default:
      return filterGradient(c, x!, y!);
  }
}

/** The tensor with its channels last. */
export function channelsLast(c: Convolution, t: Tensor): Tensor {
  return c.channelsFirst ? transpose(t, c.spatial === 2 ? [0, 2, 3, 1] : [0, 2, 3, 4, 1]) : t;
}

function channelsBack(c: Convolution, t: Tensor): Tensor {
  return c.channelsFirst ? transpose(t, c.spatial === 2 ? [0, 3, 1, 2] : [0, 4, 1, 2, 3]) : t;
}

const isDilated = (c: Convolution): boolean => c.dilations.some(d => d > 1);

/**
 * Pads, or cuts if the padding is negative, to sizes that the positions of the filter fill exactly.
 */
function fit(t: Tensor, spatial: 2 | 3, before: readonly number[], sizes: readonly number[]): Tensor {
  const from = 3 - spatial;
  const axes = [0, 1, 2].slice(from);
  const lead = axes.map(axis => before[axis]);
  const trail = axes.map((axis, i) => sizes[axis] - t.shape[i + 1] - lead[i]);
  let result = t;
  if ([...lead, ...trail].some(p => p < 0)) {
    const begin = lead.map(p => Math.max(0, -p));
    result = cutSpatial(result, begin.map((from, i) => [from, t.shape[i + 1] - Math.max(0, -trail[i]) - from]));
  }
  if ([...lead, ...trail].some(p => p > 0)) {
    result = padSpatial(result, lead.map((p, i) => [Math.max(0, p), Math.max(0, trail[i])]));
  }
  return result;
}

function forward(c: Convolution, x: Tensor, filter: Tensor): Tensor {
  const sizes = c.output.map((size, i) => (size - 1) * c.strides[i] + reach(c)[i]);
  return run(c, fit(x, c.spatial, c.before, sizes), filter, c.strides, c.dilations);
}

const formatOf = (c: Convolution): string => c.spatial === 3 ? 'NDHWC' : 'NHWC';

/** The attributes of tfjs's backward kernels. */
function backwardAttrs(c: Convolution): KernelAttrs {
  const from = 3 - c.spatial;
  return {...c.attrs, strides: c.strides.slice(from), dilations: c.dilations.slice(from), dataFormat: formatOf(c)};
}

/** The kernel without padding. */
function run(c: Convolution, x: Tensor, filter: Tensor, strides: Extent, dilations: Extent): Tensor {
  const from = 3 - c.spatial;
  return runKernel(kernelFor(c, 'y'), {x, filter}, {strides: strides.slice(from), pad: 'valid', dataFormat: formatOf(c),
    dilations: dilations.slice(from)}) as Tensor;
}

/**
 * Channels of y from which the product of y and the filter, in the heap of tfjs, is faster than
 * `byPhases`.
 *
 * Measured: with a filter of 3 x 3 and 8 to 128 channels it takes 0.3 to 0.9 of the time, with one
 * channel 4 times as long.
 */
const FEWEST_CHANNELS = 4;

/**
 * Σ over the filter of y. tfjs's kernels for it are slow, wrong (3D) or missing (depthwise) on
 * WASM, and do not know dilations. There it is a product by kernels of our own, or a forward
 * convolution of y.
 */
function inputGradient(c: Convolution, y: Tensor, filter: Tensor): Tensor {
  if (getBackend() !== 'wasm' && !isDilated(c)) {
    return runKernel(kernelFor(c, 'x'), {dy: y, filter},
        {...backwardAttrs(c), inputShape: shapeOf(c, 'x')}) as Tensor;
  }
  const hasPhases = c.spatial === 2 && !isDilated(c);
  const heap = c.depthwise || hasPhases && c.outChannels < FEWEST_CHANNELS ? null : heapOf(y, filter);
  if (heap !== null) {
    return inputCotangentIn(heap, c, c.images, y, filter, c.outChannels, shapeOf(c, 'x'));
  }
  const ofAll = (some: Convolution, ys: Tensor): Tensor =>
    c.depthwise || !hasPhases ? byZeroInsertion(some, ys, filter) : byPhases(some, ys, filter);
  const size = shapeOf(c, 'x').reduce((a, b) => a * b);
  // The memory of a part is that of padded or spread y and of two stages as large as x.
  const parts = isHost() ? Math.min(c.images, partsOf(3 * size + 2 * y.size, size)) : 1;
  return parts === 1 ? ofAll(c, y) : byImages(c, y, Math.ceil(c.images / parts), ofAll);
}

/** Works on some images after the others, and puts them together outside the memory of tensors. */
function byImages(c: Convolution, y: Tensor, step: number,
    gradient: (some: Convolution, ys: Tensor) => Tensor): Tensor {
  const shape = shapeOf(c, 'x');
  const each = shape.reduce((a, b) => a * b) / c.images;
  const all = new Float32Array(each * c.images);
  for (let from = 0; from < c.images; from += step) {
    const count = Math.min(step, c.images - from);
    const part = tidy(() => gradient({...c, images: count}, slice(y, [from], [count])));
    all.set(part.dataSync(), from * each);
    part.dispose();
  }
  return tensor(all, shape);
}

/**
 * Zeros between the entries of y undo the strides. A convolution with the filter turned around,
 * stride 1, follows.
 */
function byZeroInsertion(c: Convolution, y: Tensor, filter: Tensor): Tensor {
  const spread = insertZeros(c, y);
  const before = reach(c).map((r, i) => r - 1 - c.before[i]);
  const padded = fit(spread, c.spatial, before, c.input.map((size, i) => size + reach(c)[i] - 1));
  const axes = c.spatial === 2 ? [0, 1] : [0, 1, 2];
  const turned = reverse(filter, axes);
  if (c.depthwise) {
    const multiplier = c.outChannels / c.inChannels;
    const each = run(c, padded, reshape(turned, [c.filter[1], c.filter[2], c.outChannels, 1]), [1, 1, 1], c.dilations);
    return reshape(sum(reshape(each, [-1, multiplier]), 1), shapeOf(c, 'x'));
  }
  const swapped = transpose(turned, [...axes, c.spatial + 1, c.spatial]);
  return run(c, padded, swapped, [1, 1, 1], c.dilations);
}

function insertZeros(c: Convolution, y: Tensor): Tensor {
  let spread = y;
  // Each axis, from the last one on, goes from [before · size, rest] to [before · size, stride,
  // rest].
  let rest = c.outChannels;
  const sizes = [...c.output];
  for (let axis = 2; axis >= 0; axis--) {
    const stride = c.strides[axis];
    if (stride > 1) {
      spread = pad(reshape(spread, [-1, 1, rest]), [[0, 0], [0, stride - 1], [0, 0]]);
      sizes[axis] *= stride;
    }
    rest *= sizes[axis];
  }
  return reshape(spread, [c.images, ...(c.spatial === 2 ? sizes.slice(1) : sizes), c.outChannels]);
}

/**
 * For images and stride s: the entries of x with the same remainder modulo s (a phase) meet the
 * same part of the filter. One convolution of y, stride 1, gives all phases as channels, at (s
 * ⌈k/s⌉ / k)² times the arithmetic of the forward pass. Then the phases are put side by side.
 */
function byPhases(c: Convolution, y: Tensor, filter: Tensor): Tensor {
  const {inChannels, outChannels, images} = c;
  const [[, kh, kw], [, sh, sw]] = [c.filter, c.strides];
  const [th, tw] = [Math.ceil(kh / sh), Math.ceil(kw / sw)];
  // [th, sh, tw, sw, in, out] -> turned around in th and tw -> [th, tw, out, sh, sw, in], in steps
  // of rank 4.
  const padded = pad(filter as never, [[0, th * sh - kh], [0, tw * sw - kw], [0, 0], [0, 0]]);
  const rows = transpose(reshape(padded, [th, sh, tw, sw * inChannels * outChannels]), [0, 2, 1, 3]);
  const taps = transpose(reshape(rows, [th, tw, sh * sw * inChannels, outChannels]), [0, 1, 3, 2]);
  const [qh, qw] = [Math.ceil((c.input[1] + c.before[1]) / sh), Math.ceil((c.input[2] + c.before[2]) / sw)];
  // Each stage is as large as x, and is dropped when the next one is there.
  const phases = tidy(() => run(c, fit(y, 2, [0, th - 1, tw - 1], [1, qh + th - 1, qw + tw - 1]), reverse(taps, [0, 1]),
      [1, 1, 1], [1, 1, 1]));
  if (sh === 1 && sw === 1) {
    return fit(phases, 2, c.before.map(p => -p), [1, c.input[1], c.input[2]]);
  }
  // tfjs's depthToSpace does the same entry by entry. Measured: on WASM it takes 80 times as long.
  const sideBySide = transpose(reshape(phases, [images * qh, qw, sh, sw * inChannels]), [0, 2, 1, 3]);
  const whole = reshape(sideBySide, [images, qh * sh, qw * sw, inChannels]);
  phases.dispose();
  return fit(whole, 2, c.before.map(p => -p), [1, c.input[1], c.input[2]]);
}

/** patches(x)ᵀ y summed over all images, [filter.., in, out]. */
function filterGradient(c: Convolution, x: Tensor, y: Tensor): Tensor {
  if (getBackend() !== 'cpu' && getBackend() !== 'wasm' && !isDilated(c)) {
    return runKernel(kernelFor(c, 'filter'), {x, dy: y},
        {...backwardAttrs(c), filterShape: shapeOf(c, 'filter')}) as Tensor;
  }
  return reshape(c.depthwise ? depthwiseProduct(c, x, y, 1) : patchProduct(c, x, y), shapeOf(c, 'filter'));
}
