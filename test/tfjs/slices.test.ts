/** Slices equal those of tf.slice, for every type, also while a gradient is taken. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {sliceColumns, sliceRows} from '../../src/tfjs/slices';
import {noise} from '../support/tensors';

for (const backend of ['cpu', 'wasm']) {
  test.serial(backend, async t => {
    await tf.setBackend('cpu');
    const elsewhere = noise([4, 3], 1);  // WASM has to move it first
    await tf.setBackend(backend);
    const {numTensors} = tf.memory();
    tf.tidy(() => {
      const long = noise([3, 5000], 2);
      for (const [from, to] of [[0, 1], [7, 5000], [2048, 4096], [0, 5000]]) {
        t.deepEqual(sliceColumns(long, from, to).arraySync(), tf.slice(long as tf.Tensor2D, [0, from], [3, to - from]).arraySync());
      }
      for (const x of [elsewhere, noise([4, 2, 3], 3), tf.range(0, 8, 1, 'int32').reshape([4, 2]), tf.tensor1d([true, false, true, true], 'bool')]) {
        for (const [from, to] of [[0, 4], [0, 1], [1, 3], [3, 4], [2, 2]]) {
          const part = sliceRows(x, from, to);
          t.is(part.dtype, x.dtype);
          t.deepEqual(part.shape, [to - from, ...x.shape.slice(1)]);
          t.deepEqual([...part.dataSync()], [...tf.slice(x, [from], [to - from]).dataSync()]);
        }
      }
      const gradient = tf.grad(x => sliceColumns(sliceRows(x, 1, 3), 10, 20).sum())(long);
      t.is(gradient.sum().dataSync()[0], 20);
    });
    t.is(tf.memory().numTensors, numTensors);
    elsewhere.dispose();
  });
}
