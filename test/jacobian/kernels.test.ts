/** The inner loop's kernels: what differs from tfjs's ops. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {addScaled, matMul, shaped} from '../../src/jacobian/kernels';
import {relativeError} from '../support/probe';

test.serial('matMul: one matrix in two shapes, which WASM confuses', async t => {
  for (const backend of ['cpu', 'wasm']) {
    await tf.setBackend(backend);
    const d = tf.range(0, 16);
    const {numTensors} = tf.memory();
    tf.tidy(() => {
      for (let i = 0; i < 2; i++) {
        t.deepEqual([...matMul(tf.ones([1, 16]), shaped(d, [16, 1])).dataSync()], [120]);
        t.deepEqual([...matMul(tf.ones([1, 4]), shaped(d, [4, 4])).dataSync()], [24, 28, 32, 36]);
        t.deepEqual([...matMul(tf.ones([1, 2]), shaped(d, [2, 8])).dataSync()], [8, 10, 12, 14, 16, 18, 20, 22]);
      }
    });
    t.is(tf.memory().numTensors, numTensors);
    d.dispose();
  }
});

test.serial('the defect is still there: without it, matMul needs no copies', async t => {
  await tf.setBackend('wasm');
  tf.tidy(() => {
    const d = tf.range(0, 16);
    tf.matMul(tf.ones([1, 16]), d.reshape([16, 1]));
    t.notDeepEqual([...tf.matMul(tf.ones([1, 4]), d.reshape([4, 4])).dataSync()], [24, 28, 32, 36]);
  });
});

for (const backend of ['cpu', 'wasm']) {
  test.serial(`${backend}: addScaled`, async t => {
    await tf.setBackend(backend);
    tf.tidy(() => {
      const [a, b] = [tf.randomNormal([3, 4], 0, 1, 'float32', 1), tf.randomNormal([3, 4], 0, 1, 'float32', 2)];
      const kept = [...a.dataSync()];
      const sum = addScaled(0.3)(a, b);
      t.deepEqual(sum.shape, [3, 4]);
      t.true(relativeError(sum.dataSync(), a.add(b.mul(0.3)).dataSync()) < 2e-7);
      t.true(relativeError(addScaled(-2)(null, b).dataSync(), b.mul(-2).dataSync()) < 2e-7);
      t.deepEqual([...a.dataSync()], kept, 'neither argument is changed');
    });
  });
}
