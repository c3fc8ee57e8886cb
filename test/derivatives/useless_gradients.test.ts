/** Gradients of our own that take the place of tfjs's on backends where those are missing or of no use: against tfjs's own. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import type {TraceNode} from '../../src/trace/trace';
import {grad} from '../../src/index';
import {BackwardNode} from '../../src/derivatives/rules/rule';
import {trustedRule} from '../../src/derivatives/table';
import {relativeError} from '../support/relative_error';

test.before(async () => {
  await tf.setBackend('cpu');
});

const node = (kernel: string, attrs: object): TraceNode =>
  ({kernel, attrs: attrs as Record<string, unknown>, inputs: [['x', 0], ['indices', 1]], arrayInputs: false, outputs: [2]});

/** The cotangent of x by the rule that takes the place of tfjs's gradient; null if there is none. */
function ownCotangent(backend: string, {kernel, attrs}: {kernel: string; attrs: object}, inputs: tf.Tensor[], dy: tf.Tensor): (() => tf.Tensor) | null {
  const at = new BackwardNode(inputs, node(kernel, attrs), [dy], backend);
  const rule = trustedRule(at, 'x');
  return rule === null ? null : () => rule.pull(at, 'x');
}

test.serial('a gather, along every axis, with indices of any rank', t => {
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

test.serial('a tile of any rank, with copies along any axes', async t => {
  const cases: [number[], number[]][] = [[[3], [4]], [[2, 3], [3, 1]], [[2, 3], [1, 2]], [[2, 3], [2, 2]], [[1, 3], [5, 1]], [[1, 1, 1, 3], [2, 4, 3, 1]],
    [[2, 3, 4, 1], [1, 1, 1, 5]], [[2, 1, 2, 3], [2, 3, 1, 2]], [[2, 3], [1, 1]], [[1, 1], [1, 1]]];
  for (const backend of ['cpu', 'wasm']) {
    await tf.setBackend(backend);
    for (const [shape, reps] of cases) {
      const x = tf.randomNormal(shape, 0, 1, 'float32', 1);
      const f = (v: tf.Tensor): tf.Tensor => tf.tile(v, reps);
      const dy = tf.randomNormal(f(x).shape, 0, 1, 'float32', 3);
      const mine = ownCotangent(backend, {kernel: 'Tile', attrs: {reps}}, [x], dy)!();
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
