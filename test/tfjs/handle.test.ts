/** References to the data of tensors: no backend copies, and none is left behind. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {aliasOf, handlesOn} from '../../src/tfjs/handle';
import {availableBackends, useBackend} from '../support/backends';

for (const backend of availableBackends()) {
  test.serial(`${backend}: an alias shares the data, and belongs to the scope; a handle is kept`, async t => {
    await useBackend(backend);
    const w = tf.variable(tf.tensor2d([[1, 2], [3, 4]]));
    const before = tf.memory();
    tf.tidy(() => t.is(aliasOf(w).dataId, w.dataId));
    t.deepEqual(tf.memory().numTensors, before.numTensors);
    const [handle] = tf.tidy(() => handlesOn([w]));
    t.is(handle.dataId, w.dataId);
    t.is(tf.memory().numDataBuffers, before.numDataBuffers);
    w.assign(tf.zeros([2, 2]));
    t.deepEqual([...handle.dataSync()], [1, 2, 3, 4]);
    tf.dispose([handle, w]);
  });

  test.serial(`${backend}: no handle is left if one of them cannot be made`, async t => {
    await useBackend(backend);
    const [a, gone] = [tf.ones([3]), tf.ones([2])];
    gone.dispose();
    const {numTensors} = tf.memory();
    t.throws(() => handlesOn([a, gone]));
    t.is(tf.memory().numTensors, numTensors);
    a.dispose();
  });
}
