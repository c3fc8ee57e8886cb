/** Our own shortcuts around tfjs's ops give what the ops give. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {addScaled} from '../../src/jacobian/kernels';
import {relativeError} from '../support/probe';

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
