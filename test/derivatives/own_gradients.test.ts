/** Gradients of our own where the backend lacks tfjs's: against tfjs's own on the backend that has them. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import type {TraceNode} from '../../src/trace/trace';
import {grad} from '../../src/index';
import {ownGradients} from '../../src/derivatives/own_gradients';
import {relativeError} from '../support/probe';

test.before(async () => {
  await tf.setBackend('cpu');
});

const node = (kernel: string, attrs: object): TraceNode =>
  ({kernel, attrs: attrs as Record<string, unknown>, inputs: [['x', 0], ['indices', 1]], arrayInputs: false, outputs: [2]});

test.serial('a gather, along every axis, with indices of any rank', t => {
  const x = tf.randomNormal([3, 4, 5], 0, 1, 'float32', 1);
  for (const axis of [0, 1, 2, -1]) {
    for (const shape of [[2], [2, 3], [1, 2, 2]]) {
      const indices = tf.randomUniform(shape, 0, 3, 'int32', 2);
      const f = (v: tf.Tensor): tf.Tensor => tf.gather(v, indices.reshape([-1]) as tf.Tensor1D, axis);
      const dy = tf.randomNormal(f(x).shape, 0, 1, 'float32', 3);
      const inputs: Record<string, tf.Tensor> = {x, indices};
      const mine = ownGradients('cpu', node('GatherV2', {axis, batchDims: 0}), name => inputs[name], dy)['x']();
      t.deepEqual(mine.shape, x.shape);
      t.true(relativeError(mine.dataSync(), tf.grad(f)(x, dy).dataSync()) < 1e-6);
    }
  }
});

test.serial('a tile of any rank, with copies along any axes', async t => {
  const cases: [number[], number[]][] = [[[3], [4]], [[2, 3], [3, 1]], [[2, 3], [1, 2]], [[2, 3], [2, 2]], [[1, 3], [5, 1]], [[1, 1, 1, 3], [2, 4, 3, 1]],
    [[2, 3, 4, 1], [1, 1, 1, 5]], [[2, 1, 2, 3], [2, 3, 1, 2]], [[2, 3], [1, 1]], [[1, 1], [1, 1]]];
  for (const backend of ['cpu', 'wasm']) {
    await tf.setBackend(backend);
    for (const [shape, reps] of cases) {
      const x = tf.randomNormal(shape, 0, 1, 'float32', 1);
      const f = (v: tf.Tensor): tf.Tensor => tf.tile(v, reps);
      const dy = tf.randomNormal(f(x).shape, 0, 1, 'float32', 3);
      const mine = ownGradients(backend, node('Tile', {reps}), () => x, dy)['x']();
      t.deepEqual(mine.shape, shape);
      t.true(relativeError(mine.dataSync(), tf.grad(f)(x, dy).dataSync()) < 1e-6, `${shape.join()} by ${reps.join()}`);
      // Of the second order, within grad(): the derivative of Σ dy · tile(x²) is 2 x · untile(dy).
      t.true(relativeError(grad(v => f(v.square()))(x, dy).dataSync(), mine.mul(x).mul(2).dataSync()) < 1e-6);
    }
    // tfjs's own knows ranks up to four.
    const x = tf.randomNormal([1, 2, 1, 2, 2], 0, 1, 'float32', 4);
    const many = tf.ones([3, 2, 2, 2, 4]);
    t.throws(() => tf.grad(v => tf.tile(v, [3, 1, 2, 1, 2]))(x, many), {message: /rank-5/}, 'tfjs has mended this');
    t.deepEqual([...grad(v => tf.tile(v, [3, 1, 2, 1, 2]))(x, many).dataSync()], new Array<number>(8).fill(12));
  }
  await tf.setBackend('cpu');
});

test.serial('only where it is needed', t => {
  const x = tf.ones([2, 2]);
  const names = (backend: string, kernel: string, attrs: object): string[] => Object.keys(ownGradients(backend, node(kernel, attrs), () => x, x));
  t.true(tf.getKernel('UnsortedSegmentSum', 'wasm') == null, 'tfjs has it now');
  t.deepEqual(names('wasm', 'GatherV2', {axis: 0}), ['x']);
  t.deepEqual(names('cpu', 'GatherV2', {axis: 0}), ['x']);
  t.deepEqual(names('wasm', 'GatherV2', {axis: 0, batchDims: 1}), []);
  t.deepEqual(names('wasm', 'Relu', {}), []);
  t.deepEqual(names('webgl', 'Tile', {reps: [2, 2]}), ['x']);
  // As on a backend that has the kernel.
  tf.registerKernel({kernelName: 'UnsortedSegmentSum', backendName: 'a-device', kernelFunc: () => []});
  t.deepEqual(names('a-device', 'GatherV2', {axis: 0}), []);
  tf.unregisterKernel('UnsortedSegmentSum', 'a-device');
});
