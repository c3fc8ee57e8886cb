/** Gradients of our own where the backend lacks tfjs's: against tfjs's own on the backend that has them. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import type {TraceNode} from '../../src/capture/trace';
import {ownGradients} from '../../src/jacobian/own_gradients';
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

test.serial('only where it is needed', t => {
  const x = tf.ones([2, 2]);
  const names = (backend: string, kernel: string, attrs: object): string[] => Object.keys(ownGradients(backend, node(kernel, attrs), () => x, x));
  t.true(tf.getKernel('UnsortedSegmentSum', 'wasm') == null, 'tfjs has it now');
  t.deepEqual(names('wasm', 'GatherV2', {axis: 0}), ['x']);
  t.deepEqual(names('cpu', 'GatherV2', {axis: 0}), ['x']);
  t.deepEqual(names('wasm', 'GatherV2', {axis: 0, batchDims: 1}), []);
  t.deepEqual(names('wasm', 'Relu', {}), []);
  // As on a backend that has the kernel.
  tf.registerKernel({kernelName: 'UnsortedSegmentSum', backendName: 'a-device', kernelFunc: () => []});
  t.deepEqual(names('a-device', 'GatherV2', {axis: 0}), []);
  tf.unregisterKernel('UnsortedSegmentSum', 'a-device');
});
