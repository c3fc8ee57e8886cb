/** Cotangents of kernels that pick entries by indices. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {relativeError} from '../../support/relative_error';
import {testMissing} from '../../support/rule_tests';
import {noise} from '../../support/tensors';
import {ownCotangent} from '../../support/own_cotangent';

testMissing([
  {kernel: 'GatherNd', inputs: {params: () => noise([4, 3, 2], 1), indices: () => tf.tensor2d([[0, 1], [3, 2], [0, 1]], [3, 2], 'int32')}, wanted: ['params']},
  {kernel: 'ScatterNd', inputs: {updates: () => noise([3, 2], 1), indices: () => tf.tensor2d([[0], [3], [0]], [3, 1], 'int32')}, attrs: {shape: [4, 2]}, wanted: ['updates']},
]);

test.serial('a gather, along every axis, with indices of any rank', async t => {
  await tf.setBackend('cpu');
  const x = tf.randomNormal([3, 4, 5], 0, 1, 'float32', 1);
  for (const axis of [0, 1, 2, -1]) {
    for (const shape of [[2], [2, 3], [1, 2, 2]]) {
      const indices = tf.randomUniform(shape, 0, 3, 'int32', 2);
      const f = (v: tf.Tensor): tf.Tensor => tf.gather(v, indices.reshape([-1]) as tf.Tensor1D, axis);
      const dy = tf.randomNormal(f(x).shape, 0, 1, 'float32', 3);
      const mine = ownCotangent('cpu', {kernel: 'GatherV2', attrs: {axis, batchDims: 0}}, [x, indices], dy)!();
      t.deepEqual(mine.shape, x.shape);
      t.true(relativeError(mine.dataSync(), tf.grad(f)(x, dy).dataSync()) < 1e-6);
    }
  }
});

test.serial('a rule is taken only on backends that need it', async t => {
  await tf.setBackend('cpu');
  const x = tf.ones([2, 2]);
  const isOurs = (backend: string, kernel: string, attrs: object): boolean => ownCotangent(backend, {kernel, attrs}, [x, x, x], x) !== null;
  t.true(tf.getKernel('UnsortedSegmentSum', 'wasm') == null, 'tfjs has it now');
  t.true(isOurs('wasm', 'GatherV2', {axis: 0}));
  t.true(isOurs('cpu', 'GatherV2', {axis: 0}));
  t.false(isOurs('wasm', 'GatherV2', {axis: 0, batchDims: 1}));
  t.false(isOurs('wasm', 'Relu', {}));
  t.true(isOurs('webgl', 'Tile', {reps: [2, 2]}));
  // As on a backend that has the kernel.
  tf.registerKernel({kernelName: 'UnsortedSegmentSum', backendName: 'a-device', kernelFunc: () => []});
  t.false(isOurs('a-device', 'GatherV2', {axis: 0}));
  tf.unregisterKernel('UnsortedSegmentSum', 'a-device');
});
