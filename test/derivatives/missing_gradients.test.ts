/** Kernels that tfjs has no gradient for: our cotangents against central differences of the kernel itself. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {runKernel} from '../../src/tfjs/internals';
import type {KernelAttrs} from '../../src/tfjs/internals';
import {capture} from '../../src/trace/capture';
import {grad} from '../../src/index';
import {tfjsCotangents} from '../../src/derivatives/cotangents';
import {checkOperator} from '../support/check_operator';
import {relativeError} from '../support/relative_error';
import {noise} from '../support/tensors';

/** All numbers differ by 1 at least, in an order without pattern. */
const distinct = (shape: number[], seed: number): tf.Tensor => {
  const size = shape.reduce((a, b) => a * b, 1);
  return tf.tensor(Array.from({length: size}, (_, i) => (i * 7919 + seed * 104729) % size - size / 2), shape);
};

/** Numbers of which one is zero. */
const withZero = (): tf.Tensor => tf.mul(noise([3, 5, 2], 1), tf.oneHot([9], 30).reshape([3, 5, 2]).equal(0));

/** In float64. */
function dot(a: tf.Tensor, b: tf.Tensor): number {
  const [left, right] = [a.dataSync(), b.dataSync()];
  let sum = 0;
  for (let i = 0; i < left.length; i++) {
    sum += left[i] * right[i];
  }
  return sum;
}

interface Case {
  kernel: string;
  /** Inputs by name; a function where it needs the others. */
  inputs: Record<string, () => tf.Tensor>;
  attrs?: KernelAttrs;
  /** Inputs whose derivative is not zero; in the others the kernel does not vary, or not smoothly. */
  wanted: string[];
  /** Step of the central differences: exact at any size where the kernel is linear in the input. */
  h?: number;
  tolerance?: number;
  backends?: string[];
  /** Inputs that stand for others too, so that only the derivative of the whole op can be compared. */
  total?: string[];
}

const POOL = {filterSize: [2, 3], strides: [2, 1], pad: 'same'};
const POOL_3D = {filterSize: [2, 2, 2], strides: [2, 1, 1], pad: 'same', dataFormat: 'NDHWC'};
const image = distinct.bind(null, [2, 5, 4, 2], 1);
const volume = distinct.bind(null, [2, 4, 3, 3, 2], 1);
const CPU = ['cpu'];

const CASES: Case[] = [
  {kernel: 'EluGrad', inputs: {dy: () => noise([3, 4], 1), y: () => tf.elu(noise([3, 4], 2))}, wanted: ['dy', 'y'], h: 1e-2},
  {kernel: 'AvgPoolGrad', inputs: {dy: () => noise([2, 3, 4, 2], 2), input: image}, attrs: POOL, wanted: ['dy']},
  {kernel: 'AvgPoolGrad', inputs: {dy: () => noise([2, 2, 2, 2], 2), input: image}, attrs: {filterSize: 2, strides: 2, pad: 'valid'}, wanted: ['dy']},
  {kernel: 'MaxPoolGrad', inputs: {dy: () => noise([2, 3, 4, 2], 2), input: image, output: () => tf.maxPool(image() as tf.Tensor4D, [2, 3], [2, 1], 'same')},
    attrs: POOL, wanted: ['dy'], backends: CPU},
  {kernel: 'MaxPoolGrad', inputs: {dy: () => noise([2, 4, 2, 2], 2), input: image, output: () => tf.maxPool(image() as tf.Tensor4D, [2, 3], 1, 'valid')},
    attrs: {filterSize: [2, 3], strides: 1, pad: 'valid'}, wanted: ['dy'], backends: CPU},
  {kernel: 'AvgPool3DGrad', inputs: {dy: () => noise([2, 2, 3, 3, 2], 2), input: volume}, attrs: POOL_3D, wanted: ['dy']},
  {kernel: 'MaxPool3DGrad', inputs: {dy: () => noise([2, 2, 3, 3, 2], 2), input: volume, output: () => tf.maxPool3d(volume() as tf.Tensor5D, 2, [2, 1, 1], 'same')},
    attrs: POOL_3D, wanted: ['dy'], backends: CPU},
  {kernel: 'ResizeBilinearGrad', inputs: {images: () => noise([2, 3, 4, 2], 1), dy: () => noise([2, 5, 7, 2], 2)},
    attrs: {alignCorners: false, halfPixelCenters: false}, wanted: ['dy']},
  {kernel: 'ResizeBilinearGrad', inputs: {images: () => noise([2, 3, 4, 2], 1), dy: () => noise([2, 5, 7, 2], 2)},
    attrs: {alignCorners: true, halfPixelCenters: false}, wanted: ['dy']},
  {kernel: 'ResizeNearestNeighborGrad', inputs: {images: () => noise([1, 3, 4, 2], 1), dy: () => noise([1, 6, 8, 2], 2)},
    attrs: {alignCorners: false, halfPixelCenters: false}, wanted: ['dy']},
  {kernel: 'LRNGrad', inputs: {x: () => noise([2, 2, 2, 5], 1), y: () => tf.localResponseNormalization(noise([2, 2, 2, 5], 1) as tf.Tensor4D, 1, 1.3, 0.7, 0.6),
    dy: () => noise([2, 2, 2, 5], 2)}, attrs: {depthRadius: 1, bias: 1.3, alpha: 0.7, beta: 0.6}, wanted: ['dy'], total: ['x']},
  {kernel: 'Conv2DBackpropFilter', inputs: {x: () => noise([2, 5, 4, 2], 1), dy: () => noise([2, 3, 2, 3], 2)},
    attrs: {strides: 2, pad: 'same', dataFormat: 'NHWC', filterShape: [2, 3, 2, 3]}, wanted: ['x', 'dy'], backends: CPU},
  {kernel: 'Conv3DBackpropFilterV2', inputs: {x: () => noise([2, 4, 3, 3, 2], 1), dy: () => noise([2, 2, 2, 2, 3], 2)},
    attrs: {strides: 2, pad: 'same', filterShape: [2, 2, 2, 2, 3]}, wanted: ['x', 'dy'], backends: CPU},
  {kernel: 'Conv3DBackpropInputV2', inputs: {dy: () => noise([2, 2, 2, 2, 3], 1), filter: () => noise([2, 2, 2, 2, 3], 2)},
    attrs: {strides: 2, pad: 'same', inputShape: [2, 4, 3, 3, 2]}, wanted: ['dy', 'filter'], backends: CPU},
  {kernel: 'DepthwiseConv2dNativeBackpropFilter', inputs: {x: () => noise([2, 5, 4, 2], 1), dy: () => noise([2, 3, 2, 6], 2)},
    attrs: {strides: 2, pad: 'same', dilations: 1, filterShape: [2, 3, 2, 3]}, wanted: ['x', 'dy'], backends: CPU},
  {kernel: 'DepthwiseConv2dNativeBackpropInput', inputs: {dy: () => noise([2, 3, 2, 6], 1), filter: () => noise([2, 3, 2, 3], 2)},
    attrs: {strides: 2, pad: 'same', dilations: 1, inputShape: [2, 5, 4, 2]}, wanted: ['dy', 'filter'], backends: CPU},
  ...([[[1, 0], [4, 3], [2, 1], 0, 0], [[3, 2], [-6, -4], [-1, -2], 0, 0], [[-3, 1], [5, 0], [2, 1], 0, 2], [[1], [2], [1], 0, 0, 0, 0, 1]] as const)
      .map(([begin, end, strides, beginMask, endMask, ellipsisMask = 0, newAxisMask = 0, shrinkAxisMask = 0]): Case =>
        ({kernel: 'StridedSlice', inputs: {x: () => noise([5, 3], 1)}, wanted: ['x'],
          attrs: {begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask}})),
  ...[[1, false, false], [0, true, false], [1, false, true], [2, true, true]].map(([axis, exclusive, reverse]): Case =>
    ({kernel: 'Cumprod', inputs: {x: withZero}, attrs: {axis, exclusive, reverse}, wanted: ['x']})),
  {kernel: 'FlipLeftRight', inputs: {image}, wanted: ['image']},
  {kernel: 'GatherNd', inputs: {params: () => noise([4, 3, 2], 1), indices: () => tf.tensor2d([[0, 1], [3, 2], [0, 1]], [3, 2], 'int32')}, wanted: ['params']},
  {kernel: 'ScatterNd', inputs: {updates: () => noise([3, 2], 1), indices: () => tf.tensor2d([[0], [3], [0]], [3, 1], 'int32')}, attrs: {shape: [4, 2]}, wanted: ['updates']},
];

for (const {kernel, inputs, attrs = {}, wanted, total = [], h = 1, tolerance = h === 1 ? 1e-5 : 1e-3, backends = ['cpu', 'wasm']} of CASES) {
  for (const backend of backends) {
    test.serial(`${kernel} ${JSON.stringify(attrs)} on ${backend}`, async t => {
      await tf.setBackend(backend);
      const {numTensors} = tf.memory();
      tf.tidy(() => {
        const tensors = Object.fromEntries(Object.entries(inputs).map(([name, make]) => [name, make()]));
        const {trace} = capture(() => (runKernel(kernel, tensors, attrs) as tf.Tensor).sum());
        const [node] = trace.nodes;
        const out = trace.values[node.outputs[0]];
        const u = noise(out.shape, 9);
        const cotangents = tfjsCotangents(trace.values, node, [u]);
        for (const [name, input] of Object.entries(tensors).filter(([name, x]) => x.dtype === 'float32' && !total.includes(name))) {
          const mine = cotangents[name]();
          t.deepEqual(mine.shape, input.shape);
          if (!wanted.includes(name)) {
            t.true(mine.dataSync().every(x => x === 0), name);
            continue;
          }
          const data = input.dataSync();
          const at = (i: number, x: number): number => {
            const moved = Float32Array.from(data);
            moved[i] = x;
            const y = runKernel(kernel, {...tensors, [name]: tf.tensor(moved, input.shape)}, attrs) as tf.Tensor;
            return dot(y, u);
          };
          const expected = Float64Array.from(data, (x, i) => tf.tidy(() => (at(i, x + h) - at(i, x - h)) / (2 * h) as never));
          t.true(relativeError(mine.dataSync(), expected) < tolerance, `${name}: ${relativeError(mine.dataSync(), expected)}`);
        }
        trace.dispose();
      });
      t.is(tf.memory().numTensors, numTensors);
    });
  }
}

/** Second derivatives of whole ops: d/dx of dyᵀ df/dx, against central differences of the first derivative. */
const OPS: Array<[string, () => tf.Tensor, (x: tf.Tensor) => tf.Tensor, number]> = [
  ['elu', () => noise([12], 1), tf.elu, 1e-3],
  ['local response normalisation', () => noise([1, 2, 2, 5], 1), x => tf.localResponseNormalization(x as tf.Tensor4D, 1, 1.3, 0.7, 0.6), 1e-3],
  ['average pooling of squares', () => noise([1, 4, 4, 2], 1), x => tf.avgPool(x.square() as tf.Tensor4D, 3, 2, 'same').square(), 1e-3],
  ['maximum pooling of cubes', () => noise([1, 4, 4, 2], 1), x => tf.maxPool(x.pow(3) as tf.Tensor4D, 3, 2, 'same').square(), 1e-3],
  ['maximum pooling in 3D', () => noise([1, 4, 4, 2, 1], 1), x => tf.maxPool3d(x.pow(3) as tf.Tensor5D, 2, 2, 'same').square(), 1e-3],
  ['resizing', () => noise([1, 3, 3, 1], 1), x => tf.image.resizeBilinear(x.square() as tf.Tensor4D, [5, 5]).square(), 1e-3],
  ['convolution', () => noise([1, 4, 4, 2], 1), x => tf.conv2d(x.sin() as tf.Tensor4D, noise([2, 2, 2, 3], 5) as tf.Tensor4D, 1, 'same').tanh(), 1e-3],
];

for (const backend of ['cpu', 'wasm']) {
  for (const [name, point, f, tolerance] of OPS) {
    test.serial(`the derivative of a derivative: ${name} on ${backend}`, async t => {
      await tf.setBackend(backend);
      const {numTensors} = tf.memory();
      tf.tidy(() => {
        const x = point();
        const dy = noise(f(x).shape, 3);
        const [u] = [noise(x.shape, 4)];
        const first = (p: tf.Tensor): tf.Tensor => grad(f)(p, dy);
        const mine = grad(first)(x, u).dataSync();
        const data = x.dataSync();
        const h = 1e-2;
        const at = (i: number, value: number): number => {
          const moved = Float32Array.from(data);
          moved[i] = value;
          return dot(first(tf.tensor(moved, x.shape)), u);
        };
        const expected = Float64Array.from(data, (v, i) => tf.tidy(() =>
          (8 * (at(i, v + h) - at(i, v - h)) - (at(i, v + 2 * h) - at(i, v - 2 * h))) / (12 * h) as never));
        t.true(relativeError(mine, expected) < tolerance, `${relativeError(mine, expected)}`);
      });
      t.is(tf.memory().numTensors, numTensors);
    });
  }
}

test.serial('Conv3DTranspose trains on cpu, which tfjs itself cannot do; on wasm its values are wrong already', async t => {
  await tf.setBackend('cpu');
  const [x, w] = [noise([2, 2, 2, 2, 1], 1), noise([2, 2, 2, 2, 1], 2)];
  const f = (filter: tf.Tensor): tf.Tensor => tf.conv3dTranspose(x as tf.Tensor5D, filter as tf.Tensor5D, [2, 3, 3, 3, 2], 1, 'valid');
  t.throws(() => tf.grad(f)(w), {message: /gradient function not found for Conv3DBackpropInputV2/}, 'tfjs has mended this');
  const dy = noise([2, 3, 3, 3, 2], 3);
  const mine = grad(f)(w, dy);
  // Linear in the filter.
  const value = dot(f(w), dy);
  t.true(Math.abs(value - dot(mine, w)) < 1e-6 * Math.abs(value));
  await tf.setBackend('wasm');
  const again = tf.tensor(w.dataSync(), w.shape);
  t.throws(() => grad(f)(again), {message: /'Conv3DBackpropInputV2' \(conv3dTranspose\) computes wrong values on the WASM backend/});
});

test.serial('a network with mirrored images, and a filter that is mirrored, against reversed ones', async t => {
  await tf.setBackend('cpu');
  const [filter, w] = [tf.variable(noise([2, 2, 1, 3], 1)), tf.variable(noise([36, 2], 2))];
  const x = noise([4, 4, 5, 1], 3) as tf.Tensor4D;
  const rows = (mirrored: (t: tf.Tensor4D) => tf.Tensor4D) => (): tf.Tensor => {
    const hidden = tf.conv2d(x, tf.transpose(mirrored(tf.transpose(filter as tf.Tensor4D, [3, 0, 1, 2])), [1, 2, 3, 0]) as tf.Tensor4D, 1, 'valid').tanh();
    return tf.matMul(tf.mul(mirrored(hidden as tf.Tensor4D), hidden).reshape([4, 36]) as tf.Tensor2D, w as tf.Tensor2D);
  };
  const plan = checkOperator(t, rows(tf.image.flipLeftRight), [filter, w], 1e-5, {reference: rows(image => tf.reverse(image, 2))});
  t.is(plan.analysis.batch, 4);
  t.deepEqual(plan.sites.map(({kind, parameter}) => `${kind} ${parameter.kind}`).sort(), ['convolution selection', 'matrix direct']);
  tf.dispose([filter, w, x]);
});

test.serial('a network with running products, as of the light behind layers that absorb it, against products of slices', async t => {
  await tf.setBackend('cpu');
  const [w, scale] = [tf.variable(noise([3, 6], 1)), tf.variable(noise([6, 2], 2))];
  const x = noise([5, 3], 3) as tf.Tensor2D;
  const rows = (products: (t: tf.Tensor2D) => tf.Tensor2D) => (): tf.Tensor =>
    tf.matMul(products(tf.cos(tf.matMul(x, w as tf.Tensor2D)) as tf.Tensor2D), scale as tf.Tensor2D);
  const plan = checkOperator(t, rows(passed => tf.cumprod(passed, 1, true) as tf.Tensor2D), [w, scale], 1e-5, {reference: rows(passed =>
    tf.concat2d([tf.ones([5, 1]) as tf.Tensor2D, ...[1, 2, 3, 4, 5].map(end => tf.prod(passed.slice([0, 0], [-1, end]), 1, true) as tf.Tensor2D)], 1))});
  t.is(plan.analysis.batch, 5);
  t.deepEqual(plan.sites.map(({kind}) => kind), ['matrix', 'matrix']);
  tf.dispose([w, scale, x]);
});
