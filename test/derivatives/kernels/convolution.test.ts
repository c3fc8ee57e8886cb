/** Every operand of every kernel of the convolution family, on both backends, against plain loops in float64. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import type {TraceNode} from '../../../src/trace/trace';
import {convolutionOf, shapeOf} from '../../../src/derivatives/kernels/convolution_geometry';
import type {Convolution} from '../../../src/derivatives/kernels/convolution_geometry';
import type {Operand} from '../../../src/trace/kernel_fact';
import {convolve} from '../../../src/derivatives/kernels/convolution';
import {depthwiseProduct, patchProduct, patchTensor, positionsOf} from '../../../src/derivatives/kernels/patches';
import {exampleProducts} from '../../../src/jacobian/uses/example_products';
import {PatchPositions} from '../../../src/jacobian/uses/positions';
import {relativeError} from '../../support/relative_error';

interface Given {
  kernel: 'Conv2D' | 'DepthwiseConv2dNative' | 'Conv3D';
  x: number[];
  filter: number[];
  strides: number | number[];
  pad: 'same' | 'valid' | number | number[][];
  dilations?: number | number[];
  dataFormat?: 'NCHW';
}

const table: Given[] = [
  {kernel: 'Conv2D', x: [3, 6, 5, 2], filter: [3, 3, 2, 4], strides: 1, pad: 'same'},
  {kernel: 'Conv2D', x: [3, 7, 6, 2], filter: [3, 2, 2, 5], strides: 1, pad: 'valid'},
  {kernel: 'Conv2D', x: [2, 7, 6, 3], filter: [3, 3, 3, 4], strides: 2, pad: 'same'},
  {kernel: 'Conv2D', x: [2, 8, 9, 1], filter: [4, 3, 1, 2], strides: [2, 3], pad: 'valid'},
  {kernel: 'Conv2D', x: [2, 9, 9, 2], filter: [2, 2, 2, 3], strides: 3, pad: 'valid'},
  {kernel: 'Conv2D', x: [2, 5, 5, 2], filter: [1, 1, 2, 3], strides: 2, pad: 'same'},
  {kernel: 'Conv2D', x: [2, 5, 6, 2], filter: [1, 1, 2, 3], strides: 1, pad: 'valid'},
  {kernel: 'Conv2D', x: [2, 1, 9, 2], filter: [1, 4, 2, 3], strides: [1, 2], pad: 'same'},
  {kernel: 'Conv2D', x: [2, 6, 6, 2], filter: [3, 3, 2, 3], strides: 2, pad: [[0, 0], [2, 1], [0, 3], [0, 0]]},
  {kernel: 'Conv2D', x: [2, 6, 6, 2], filter: [3, 3, 2, 3], strides: 1, pad: 1},
  {kernel: 'Conv2D', x: [2, 8, 7, 2], filter: [3, 2, 2, 3], strides: 1, pad: 'same', dilations: 2},
  {kernel: 'Conv2D', x: [2, 9, 8, 2], filter: [3, 3, 2, 3], strides: 1, pad: 'valid', dilations: [3, 2]},
  {kernel: 'DepthwiseConv2dNative', x: [3, 6, 5, 2], filter: [3, 3, 2, 1], strides: 1, pad: 'same'},
  {kernel: 'DepthwiseConv2dNative', x: [2, 6, 7, 3], filter: [3, 2, 3, 2], strides: 2, pad: 'same'},
  {kernel: 'DepthwiseConv2dNative', x: [2, 8, 7, 2], filter: [3, 3, 2, 3], strides: 1, pad: 'valid', dilations: 2},
  {kernel: 'Conv3D', x: [2, 4, 5, 4, 2], filter: [2, 3, 2, 2, 3], strides: 1, pad: 'valid'},
  {kernel: 'Conv3D', x: [2, 5, 4, 6, 1], filter: [3, 3, 3, 1, 2], strides: 2, pad: 'same'},
  {kernel: 'Conv3D', x: [2, 5, 6, 5, 2], filter: [2, 2, 2, 2, 2], strides: 1, pad: 'same', dilations: 2},
];

function numbers(size: number, seed: number): Float32Array {
  return Float32Array.from({length: size}, (_, i) => (Math.sin(12.9898 * (i + 1) + 78.233 * seed) * 43758.5453) % 1);
}

const random = (shape: number[], seed: number): tf.Tensor => tf.tensor(numbers(shape.reduce((a, b) => a * b, 1), seed), shape);

function read(given: Given): {c: Convolution; x: tf.Tensor; filter: tf.Tensor; y: tf.Tensor} {
  const x = random(given.x, 1);
  const filter = random(given.filter, 2);
  const attrs = {strides: given.strides, pad: given.pad, dilations: given.dilations ?? 1, dataFormat: given.dataFormat};
  const node: TraceNode = {kernel: given.kernel, attrs, inputs: [['x', 0], ['filter', 1]], arrayInputs: false, outputs: [2]};
  const c = convolutionOf([x, filter], node)!;
  return {c, x, filter, y: random(shapeOf(c, 'y'), 3)};
}

/** All three operands by the definition: y_no Σ_k x_n(o·stride + k·dilation - before) filter_k. */
function byLoops(c: Convolution, x: Float32Array, filter: Float32Array, y: Float32Array): Record<Operand, Float64Array> {
  const product = (list: readonly number[]): number => list.reduce((a, b) => a * b, 1);
  const multiplier = c.depthwise ? c.outChannels / c.inChannels : 0;
  const result = {x: new Float64Array(x.length), filter: new Float64Array(filter.length), y: new Float64Array(y.length)};
  for (let n = 0; n < c.images; n++) {
    for (let o = 0; o < product(c.output); o++) {
      for (let k = 0; k < product(c.filter); k++) {
        const at = [Math.floor(o / (c.output[1] * c.output[2])), Math.floor(o / c.output[2]) % c.output[1], o % c.output[2]];
        const tap = [Math.floor(k / (c.filter[1] * c.filter[2])), Math.floor(k / c.filter[2]) % c.filter[1], k % c.filter[2]];
        const [z, row, column] = at.map((p, i) => p * c.strides[i] + tap[i] * c.dilations[i] - c.before[i]);
        if (z < 0 || row < 0 || column < 0 || z >= c.input[0] || row >= c.input[1] || column >= c.input[2]) {
          continue;
        }
        for (let i = 0; i < c.inChannels; i++) {
          for (let j = 0; j < (c.depthwise ? multiplier : c.outChannels); j++) {
            const xi = (((n * c.input[0] + z) * c.input[1] + row) * c.input[2] + column) * c.inChannels + i;
            const fi = (k * c.inChannels + i) * (c.depthwise ? multiplier : c.outChannels) + j;
            const yi = (n * product(c.output) + o) * c.outChannels + (c.depthwise ? i * multiplier + j : j);
            result.x[xi] += filter[fi] * y[yi];
            result.filter[fi] += x[xi] * y[yi];
            result.y[yi] += x[xi] * filter[fi];
          }
        }
      }
    }
  }
  return result;
}

const TOLERANCE = 2e-6;  // float32 sums of at most a few hundred terms

for (const backend of ['cpu', 'wasm']) {
  for (const given of table) {
    test.serial(`${backend}: ${JSON.stringify(given)}`, async t => {
      await tf.setBackend(backend);
      const before = tf.memory().numTensors;
      tf.tidy(() => {
        const {c, x, filter, y} = read(given);
        const expected = byLoops(c, x.dataSync() as Float32Array, filter.dataSync() as Float32Array, y.dataSync() as Float32Array);
        const operands = {x, filter, y};
        for (const wanted of ['x', 'filter', 'y'] as const) {
          const rest = Object.fromEntries(Object.entries(operands).filter(([name]) => name !== wanted));
          const result = convolve(c, wanted, rest);
          t.deepEqual(result.shape, operands[wanted].shape, wanted);
          t.true(relativeError(result.dataSync(), expected[wanted]) < TOLERANCE, wanted);
        }
      });
      t.is(tf.memory().numTensors, before);
    });

    test.serial(`${backend}: rows and patches, ${JSON.stringify(given)}`, async t => {
      await tf.setBackend(backend);
      tf.tidy(() => {
        const {c, x, filter, y} = read(given);
        const size = filter.size;
        const one = {...c, images: 1};
        const rows = c.depthwise ? depthwiseProduct(c, x, y, c.images) :
          exampleProducts(new PatchPositions(c, x, c.images), tf.reshape(y, [c.images, 1, positionsOf(c), c.outChannels]), false, 0, c.images);
        for (let image = 0; image < c.images; image++) {
          const part = (data: tf.Tensor): Float32Array => tf.slice(data, [image], [1]).dataSync() as Float32Array;
          const expected = byLoops(one, part(x), filter.dataSync() as Float32Array, part(y)).filter;
          const error = relativeError(tf.slice(tf.reshape(rows, [c.images, size]), [image], [1]).dataSync(), expected);
          t.true(error < TOLERANCE, String(error));
        }
        if (!c.depthwise) {
          const product = tf.matMul(patchTensor(c, x), tf.reshape(filter, [-1, c.outChannels])).dataSync();
          t.true(relativeError(product, byLoops(c, x.dataSync() as Float32Array, filter.dataSync() as Float32Array, y.dataSync() as Float32Array).y) < TOLERANCE);
          const gradient = patchProduct(c, x, y).dataSync();
          t.true(relativeError(gradient, convolve(c, 'filter', {x, y}).dataSync()) < TOLERANCE);
        }
      });
    });
  }
}
