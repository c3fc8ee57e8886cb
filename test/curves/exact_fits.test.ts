/** Exact fits of one matrix: at a loss that is the rounding of the residuals the training has converged. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn, leastSquares} from '../../src/index';

await tf.setBackend('cpu');

/** The status at the end of the documented loop, and the last loss. */
function end(loss: () => tf.Scalar): {readonly status: string; readonly loss: number} {
  const optimizer = ggn({policy: 'levenbergMarquardt'});
  do {
    optimizer.minimize(loss);
  } while (optimizer.convergence().status === 'improving' && optimizer.iterations < 100);
  const ended = {status: optimizer.convergence().status, loss: optimizer.lastStep!.loss};
  optimizer.dispose();
  return ended;
}

for (const seed of [3, 7, 11]) {
  test.serial(`A X = B of 5 x 5, seed ${seed}: converged at the rounding`, t => {
    const [a, b] = [seed, seed + 1].map(s => tf.randomNormal([5, 5], 0, 1, 'float32', s) as tf.Tensor2D);
    const x = tf.variable(tf.zeros([5, 5])) as tf.Variable<tf.Rank.R2>;
    const {status, loss} = end(() => leastSquares(a.matMul(x).sub(b)));
    t.is(status, 'converged', String(loss));
    t.true(loss < 1e-11, String(loss));
    x.dispose();
  });
}
