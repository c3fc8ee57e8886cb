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

/** Outputs that no weight changes, at a large loss. */
const WITHOUT_EFFECT: ReadonlyArray<readonly [string, (w: tf.Tensor2D, x: tf.Tensor2D) => tf.Tensor]> = [
  ['cut off', (w, x) => x.matMul(w).clipByValue(-1e-3, 1e-3)],
  ['saturated', (w, x) => x.matMul(w.add(100).square()).tanh()],
  ['masked', (w, x) => x.matMul(w).mul(0)],
];

for (const [name, output] of WITHOUT_EFFECT) {
  for (const solver of ['gram', 'normal', 'cg'] as const) {
    test.serial(`outputs that are ${name}, ${solver}: stuck, not converged`, t => {
      const x = tf.linspace(1, 4, 16).reshape([4, 4]) as tf.Tensor2D;
      const w = tf.variable(tf.ones([4, 2])) as tf.Variable<tf.Rank.R2>;
      const optimizer = ggn({policy: 'levenbergMarquardt', solver});
      const {warn} = console;
      console.warn = () => undefined;
      try {
        do {
          optimizer.minimize(() => leastSquares(output(w, x).sub(10)));
        } while (optimizer.convergence().status === 'improving' && optimizer.iterations < 30);
      } finally {
        console.warn = warn;
      }
      t.is(optimizer.convergence().status, 'stuck');
      t.deepEqual([...w.dataSync()], new Array<number>(8).fill(1));
      optimizer.dispose();
      w.dispose();
    });
  }
}

for (const [k, seed] of [[2, 1], [3, 2], [4, 3], [6, 2]] as const) {
  test.serial(`the inverse of a ${k} x ${k} matrix, seed ${seed}: most residuals are exactly 0 at the end, and it has converged`, t => {
    const a = tf.randomNormal([k, k], 0, 1, 'float32', seed).add(tf.eye(k).mul(2)) as tf.Tensor2D;
    const x = tf.variable(tf.zeros([k, k])) as tf.Variable<tf.Rank.R2>;
    const {status, loss} = end(() => leastSquares(a.matMul(x).sub(tf.eye(k))));
    t.is(status, 'converged', String(loss));
    t.true(loss < 1e-12, String(loss));
    x.dispose();
  });
}

test.serial("Powell's singular function comes to an end: its loss falls for ever, by less and less", t => {
  const p = tf.variable(tf.tensor1d([3, -1, 0, 1]));
  const optimizer = ggn();
  do {
    optimizer.minimize(() => {
      const [a, b, c, d] = tf.split(p, 4);
      return leastSquares([a.add(b.mul(10)), c.sub(d).mul(Math.sqrt(5)), b.sub(c.mul(2)).square(), a.sub(d).square().mul(Math.sqrt(10))]);
    });
  } while (optimizer.convergence().status === 'improving' && optimizer.iterations < 400);
  const {status, reason} = optimizer.convergence();
  t.is(status, 'stuck', 'the Jacobian is singular at the minimum');
  t.regex(reason, /hardly lowered the loss/);
  t.true(optimizer.lastStep!.loss < 1e-27);
  optimizer.dispose();
  p.dispose();
});
