/**
 * Convolutions, resizing and cropping written another way, for what tfjs cannot differentiate or differentiates wrongly: all of them are
 * products with constant matrices along each axis of the image.
 */
import * as tf from '@tensorflow/tfjs';

/** A constant matrix [out, in] that acts along one axis. */
type Along = number[][];

/** y[..., o, ...] = Σ_i matrix[o][i] x[..., i, ...], along `axis`. */
function along(x: tf.Tensor, axis: number, matrix: Along): tf.Tensor {
  const last = x.shape.length - 1;
  const order = [...x.shape.keys()];
  [order[axis], order[last]] = [last, axis];
  const turned = tf.transpose(x, order);
  const y = tf.matMul(tf.reshape(turned, [-1, x.shape[axis]]), tf.transpose(tf.tensor2d(matrix, [matrix.length, x.shape[axis]])));
  return tf.transpose(tf.reshape(y, [...turned.shape.slice(0, -1), matrix.length]), order);
}

const matrixOf = (rows: number, columns: number, entry: (row: number, column: number) => number): Along =>
  Array.from({length: rows}, (_, r) => Array.from({length: columns}, (_, c) => entry(r, c)));

const transposed = (matrix: Along): Along => matrix[0].map((_, c) => matrix.map(row => row[c]));

interface Window {
  size: number[];
  strides: number[];
  dilations: number[];
  padding: 'same' | 'valid';
}

/** For each axis and each place k of the window: the matrix that takes entry stride·o + dilation·k - padding of the input to o. */
function selections(sizes: number[], {size, strides, dilations, padding}: Window): Along[][] {
  return sizes.map((length, axis) => {
    const reach = (size[axis] - 1) * dilations[axis] + 1;
    const count = padding === 'same' ? Math.ceil(length / strides[axis]) : Math.floor((length - reach) / strides[axis]) + 1;
    const before = padding === 'same' ? Math.floor(Math.max(0, (count - 1) * strides[axis] + reach - length) / 2) : 0;
    return Array.from({length: size[axis]}, (_, k) =>
      matrixOf(count, length, (o, i) => i === strides[axis] * o + dilations[axis] * k - before ? 1 : 0));
  });
}

/** Every place of a window: one index for each axis. */
function places(size: number[]): number[][] {
  return size.reduce<number[][]>((all, length) => all.flatMap(place => Array.from({length}, (_, k) => [...place, k])), [[]]);
}

/** The kernel's entries at one place of the window: a matrix. */
function at(kernel: tf.Tensor, place: number[]): tf.Tensor2D {
  const [rows, columns] = kernel.shape.slice(-2);
  return tf.reshape(tf.slice(kernel, [...place, 0, 0], [...place.map(() => 1), rows, columns]), [rows, columns]);
}

function sumOverPlaces(x: tf.Tensor, matrices: Along[][], size: number[], product: (part: tf.Tensor, place: number[]) => tf.Tensor): tf.Tensor {
  return places(size).map(place => product(place.reduce((part, k, axis) => along(part, axis + 1, matrices[axis][k]), x), place))
    .reduce((a, b) => tf.add(a, b));
}

const perPixel = (x: tf.Tensor, matrix: tf.Tensor2D): tf.Tensor =>
  tf.reshape(tf.matMul(tf.reshape(x, [-1, matrix.shape[0]]), matrix), [...x.shape.slice(0, -1), matrix.shape[1]]);

/** x [B, ...S, C] with a kernel [...K, C, F]: Σ_k x[strides·o + dilations·k - padding] kernel[k]. */
export function convolution(x: tf.Tensor, kernel: tf.Tensor, window: Window): tf.Tensor {
  return sumOverPlaces(x, selections(x.shape.slice(1, -1), window), window.size, (part, place) => perPixel(part, at(kernel, place)));
}

/**
 * The transpose of `convolution` in its input: x [B, ...S, C] with a kernel [...K, F, C], to the size that tfjs-layers gives it: S·strides
 * with padding 'same', otherwise as much as the windows reach.
 */
export function transposedConvolution(x: tf.Tensor, kernel: tf.Tensor, window: Window): tf.Tensor {
  const output = x.shape.slice(1, -1).map((size, axis) =>
    size * window.strides[axis] + (window.padding === 'same' ? 0 : Math.max(0, window.size[axis] - window.strides[axis])));
  const matrices = selections(output, window).map(axis => axis.map(transposed));
  return sumOverPlaces(x, matrices, window.size, (part, place) => perPixel(part, tf.transpose(at(kernel, place))));
}

/** x [B, ...S, C] with a kernel [...K, C, Q]: each channel by itself, to C·Q channels. */
export function depthwiseConvolution(x: tf.Tensor, kernel: tf.Tensor, window: Window): tf.Tensor {
  const y = sumOverPlaces(tf.expandDims(x, -1), selections(x.shape.slice(1, -1), window), window.size,
    (part, place) => tf.mul(part, at(kernel, place)));
  const [channels, multiplier] = kernel.shape.slice(-2);
  return tf.reshape(y, [...y.shape.slice(0, -2), channels * multiplier]);
}

/** The mean of the entries that each window covers; padding does not count. */
export function averagePooling(x: tf.Tensor, window: Window): tf.Tensor {
  return selections(x.shape.slice(1, -1), window).reduce((image, places, axis) => {
    const sum = places.reduce((a, b) => a.map((row, o) => row.map((entry, i) => entry + b[o][i])));
    return along(image, axis + 1, sum.map(row => row.map(entry => entry / row.reduce((a, b) => a + b))));
  }, x);
}

/** The image [B, H, W, C] at another size. */
export function resize(x: tf.Tensor, size: number[], interpolation: 'nearest' | 'bilinear'): tf.Tensor {
  const matrix = interpolation === 'nearest' ? nearest : bilinear;
  return size.reduce((image, to, axis) => along(image, axis + 1, matrix(image.shape[axis + 1], to)), x);
}

/** Output o lies at o · from / to. */
function nearest(from: number, to: number): Along {
  return matrixOf(to, from, (o, i) => i === Math.floor(o * from / to) ? 1 : 0);
}

function bilinear(from: number, to: number): Along {
  return matrixOf(to, from, (o, i) => {
    const low = Math.floor(o * from / to);
    const fraction = o * from / to - low;
    return (i === low ? 1 - fraction : 0) + (i === Math.min(from - 1, low + 1) ? fraction : 0);
  });
}
