/** Cotangents of convolutions and of their backward kernels. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn, grad} from '../../../src/index';
import {relativeError} from '../../support/relative_error';
import {byTape, byUnits, byUs, dot, tensorOf, testMissing, testSecond, uniform} from '../../support/rule_tests';
import type {Op} from '../../support/rule_tests';
import {noise} from '../../support/tensors';

const CPU = ['cpu'];

const conv3d = (strides: number | [number, number, number], padding: 'same' | 'valid'): Op => (x, w) => tf.conv3d(x, w, strides, padding);

test.serial('defect: Conv3D on wasm, the gradient in the input, and in the filter where strides are above 1', async t => {
  const [x, w] = [uniform([2, 4, 4, 4, 2], 1), uniform([2, 2, 2, 2, 3], 2)];
  for (const [strides, out] of [[1, 3], [2, 2]] as const) {
    const dy = uniform([2, out, out, out, 3], 3);
    const op = conv3d(strides, 'valid');
    const [onWasm, onCpu] = [await byTape('wasm', op, [x, w], dy, 0), await byTape('cpu', op, [x, w], dy, 0)];
    t.true(relativeError(onWasm, onCpu) > 0.1, `input, strides ${strides}: tfjs has mended Conv3DBackpropInputV2 on wasm`);
    const [filterOnWasm, filterOnCpu] = [await byTape('wasm', op, [x, w], dy, 1), await byTape('cpu', op, [x, w], dy, 1)];
    if (strides === 1) {
      t.true(relativeError(filterOnWasm, filterOnCpu) < 1e-5);
    } else {
      t.true(relativeError(filterOnWasm, filterOnCpu) > 0.1, 'filter: tfjs has mended Conv3DBackpropFilterV2 on wasm');
    }
  }
});

test.serial('the gradients of Conv3D on cpu, which the defects are measured by, are finite sums', async t => {
  const [x, w, dy] = [uniform([1, 3, 3, 3, 1], 1), uniform([2, 2, 2, 1, 2], 2), uniform([1, 2, 2, 2, 2], 3)];
  t.true(relativeError(await byTape('cpu', conv3d(1, 'valid'), [x, w], dy, 0), await byUnits(one => conv3d(1, 'valid')(one, tensorOf(w)), x.shape, dy)) < 1e-5);
  t.true(relativeError(await byTape('cpu', conv3d(1, 'valid'), [x, w], dy, 1), await byUnits(one => conv3d(1, 'valid')(tensorOf(x), one), w.shape, dy)) < 1e-5);
});

test.serial('Conv3D on wasm: ours are right', async t => {
  const [x, w] = [uniform([2, 4, 4, 4, 2], 1), uniform([2, 2, 2, 2, 3], 2)];
  for (const [strides, padding, output] of [[1, 'same', [4, 4, 4]], [1, 'valid', [3, 3, 3]], [2, 'valid', [2, 2, 2]], [[1, 1, 2], 'valid', [3, 3, 2]]] as const) {
    const one = uniform([2, ...output, 3], 3);
    for (const [i, name] of ['x', 'filter'].entries()) {
      const op = conv3d(strides as never, padding);
      t.true(relativeError(await byUs(t, 'wasm', 'Conv3D', op, [x, w], one, name), await byTape('cpu', op, [x, w], one, i)) < 1e-5, `${name} ${String(strides)} ${padding}`);
    }
  }
});

test.serial('fit on wasm: two Conv3D layers are trained', async t => {
  await tf.setBackend('wasm');
  const L = tf.layers;
  const deep = tf.sequential({layers: [L.conv3d({filters: 2, kernelSize: 2, inputShape: [3, 3, 3, 1]}), L.conv3d({filters: 1, kernelSize: 2}), L.flatten()]});
  const optimizer = ggn();
  deep.compile({optimizer, loss: 'meanSquaredError'});
  await deep.trainOnBatch(tf.randomNormal([2, 3, 3, 3, 1]), tf.randomNormal([2, 1]));
  t.is(optimizer.lastStep!.status, 'ok');
});

testMissing([
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
]);

testSecond([
  ['convolution', () => noise([1, 4, 4, 2], 1), x => tf.conv2d(x.sin() as tf.Tensor4D, noise([2, 2, 2, 3], 5) as tf.Tensor4D, 1, 'same').tanh(), 1e-3],
]);

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
