/** Kernels that compute nothing: shapes, memory, and the way back. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {isRehearsal, rehearse} from '../../src/tfjs/rehearsal';
import {isMemoryExceeded, withMemoryLimit} from '../../src/tfjs/memory';
import {outputsOf} from '../../src/trace/kernel_outputs';
import {kernelsOf} from '../support/kernels';

const MiB = 2 ** 20;

/** Three tensors of 1 MiB beside x, two of them at once. */
function work(x: tf.Tensor): tf.Tensor {
  return tf.tidy(() => tf.sum(tf.mul(tf.reshape(tf.exp(x), [-1, 512]), 2), 1));
}

for (const backend of ['cpu', 'wasm']) {
  test.serial(`${backend}: no kernel runs, tensors have their shapes, and none is left`, async t => {
    await tf.setBackend(backend);
    const x = tf.ones([512, 512]);
    const {numTensors, numBytes, numDataBuffers} = tf.memory();
    let shape: number[] = [];
    let entries: unknown = null;
    const kernels = await kernelsOf(() => {
      const isDone = withMemoryLimit(2.5 * MiB, () => rehearse(() => tf.tidy(() => {
        t.true(isRehearsal());
        const y = work(x);
        [shape, entries] = [y.shape, y.dataSync()];
      }), outputsOf, 100));
      t.true(isDone);
    });
    t.is(kernels, 0);
    t.deepEqual(shape, [512]);
    t.deepEqual(entries, new Float32Array(512).fill(1));
    t.false(isRehearsal());
    t.deepEqual([tf.memory().numTensors, tf.memory().numBytes, tf.memory().numDataBuffers], [numTensors, numBytes, numDataBuffers]);
    t.true(Math.abs(work(x).dataSync()[0] - 512 * 2 * Math.E) < 0.1);
  });

  test.serial(`${backend}: a rehearsal exceeds the limit that its kernels exceed`, async t => {
    await tf.setBackend(backend);
    const x = tf.ones([512, 512]);
    const exceeds = (f: () => void, bytes: number): boolean => {
      try {
        withMemoryLimit(bytes, f);
        return false;
      } catch (error) {
        return /memoryLimit/.test((error as Error).message);
      }
    };
    for (const mebibytes of [0.9, 1.1, 1.9, 2.1, 2.9]) {
      const isExceeded = exceeds(() => void work(x), mebibytes * MiB);
      const isForeseen = exceeds(() => void rehearse(() => tf.tidy(() => void work(x)), outputsOf, 100), mebibytes * MiB);
      t.is(isForeseen, isExceeded, `${mebibytes}`);
    }
  });
}

test.serial('without a verdict: a kernel without a rule, other errors, too many kernels', async t => {
  await tf.setBackend('cpu');
  const x = tf.ones([8]);
  const {numTensors} = tf.memory();
  const inTidy = (f: () => unknown): boolean => rehearse(() => tf.tidy(() => void f()), outputsOf, 10);
  t.false(inTidy(() => tf.unique(x)));
  t.false(inTidy(() => {
    throw new Error('of f');
  }));
  t.false(inTidy(() => Array.from({length: 11}, () => tf.exp(x))));
  t.true(inTidy(() => Array.from({length: 10}, () => tf.exp(x))));
  t.is(tf.memory().numTensors, numTensors);
  t.false(isMemoryExceeded(new Error('memoryLimit')));
  t.is(tf.exp(tf.scalar(0)).dataSync()[0], 1);
});
