/** remainingDecrease() on tfjs-node, whose factorization makes a tensor. */
import * as tf from '@tensorflow/tfjs';
import {ggn, leastSquares} from '../../src/index';
import {useBackend} from '../support/backends';
import {testOn} from '../support/test_on';

const native = testOn('tensorflow');

for (const [solver, inputs] of [['gram', 450], ['normal', 400]] as const) {
  native(`remainingDecrease() leaves no tensors: ${solver}`, async t => {
    await useBackend('tensorflow');
    const rows = solver === 'gram' ? 400 : 2000;
    const [w, x, y] = tf.tidy(() => [tf.variable(tf.zeros([inputs, 1])), tf.randomNormal([rows, inputs], 0, 1, 'float32', 1), tf.randomNormal([rows, 1], 0, 1, 'float32', 2)]);
    const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0, solver});
    optimizer.minimize(() => leastSquares([tf.sub(tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D), y)]));
    const {numTensors} = tf.memory();
    const found = optimizer.remainingDecrease();
    t.true(found > 0 && found < 1.001, `${found}`);
    t.is(tf.memory().numTensors, numTensors);
    tf.dispose([w, x, y]);
    optimizer.dispose();
  });
}
