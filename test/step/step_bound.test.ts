/** Steps that are longer than twice the parameters, in the metric of Marquardt's damping. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn, leastSquares} from '../../src/index';
import {isFlung} from '../../src/step/step_bound';

await tf.setBackend('cpu');

test('the length counts in the metric, over all variables, times the learning rate; parameters of 0 bound nothing', t => {
  const [a, b] = [tf.variable(tf.tensor1d([1, 1000])), tf.variable(tf.scalar(2))];
  const scale = Float64Array.from([4, 0, 1]);  // |w|² = 8
  const flung = (d: number[], learningRate = 1): boolean => isFlung(scale, [a, b], [tf.tensor1d([d[0], d[1]]), tf.scalar(d[2])], learningRate);
  t.true(flung([2, 0, 4.1]) && flung([-3, 0, 0]) && flung([0, 0, -5.7]));
  t.false(flung([2, 0, 3.9]) || flung([-2.8, 0, 0]) || flung([0, 1e9, 5.6]));
  t.true(flung([2, 0, 8.1], 0.7));
  t.false(flung([2, 0, 8.1], 0.4));
  a.assign(tf.tensor1d([0, 1]));
  b.assign(tf.scalar(0));
  t.false(flung([1e9, 0, 1e9]));
});

test.serial('a linear parameter is right after one step, from anywhere', t => {
  const x = tf.linspace(0, 1, 20);
  for (const start of [1, 1e-6, 0]) {
    const a = tf.variable(tf.scalar(start));
    const optimizer = ggn();
    optimizer.minimize(() => leastSquares(x.mul(a).sub(x.mul(3))));
    t.true(Math.abs(a.dataSync()[0] - 3) < 1e-4, `${start}: ${a.dataSync()[0]}`);
  }
});

test.serial('a saturation from far away keeps its rate: NIST\'s BoxBOD from its first start', t => {
  const [x, y] = [tf.tensor1d([1, 2, 3, 5, 7, 10]), tf.tensor1d([109, 149, 149, 191, 213, 224])];
  const [b1, b2] = [1, 1].map(value => tf.variable(tf.scalar(value)));
  const optimizer = ggn();
  do {
    optimizer.minimize(() => leastSquares(b1.mul(tf.sub(1, b2.mul(x).neg().exp())).sub(y)));
  } while (optimizer.convergence().status === 'improving' && optimizer.iterations < 100);
  t.is(optimizer.convergence().status, 'converged');
  t.true(Math.abs(b1.dataSync()[0] - 213.80940889) < 0.01 && Math.abs(b2.dataSync()[0] - 0.54723748542) < 1e-4);
});
