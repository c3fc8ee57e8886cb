/**
 * As many rows as parameters, or fewer: calibrations and systems of equations are solved by default, and the loop on remainingDecrease()
 * ends there.
 */
import * as tf from '@tensorflow/tfjs';
import test, {type ExecutionContext} from 'ava';
import {ggn, leastSquares, type GgnOptions} from '../../src/index';

await tf.setBackend('cpu');

interface Fit {
  readonly found: number[];
  readonly loss: number;
  readonly steps: number;
  readonly remaining: number;
  readonly solver: string;
}

function fit(start: ReadonlyArray<number | number[]>, rows: (v: tf.Variable[]) => tf.Tensor, options: GgnOptions = {}): Fit {
  const v = start.map(value => tf.variable(typeof value === 'number' ? tf.scalar(value) : tf.tensor1d(value)));
  const optimizer = ggn(options);
  do {
    optimizer.minimize(() => leastSquares(rows(v)));
  } while (optimizer.remainingDecrease() > 1e-8 && optimizer.iterations < 200);
  const {loss, solver} = optimizer.lastStep!;
  const fitted = {found: v.flatMap(variable => [...variable.dataSync()]), loss, steps: optimizer.iterations, remaining: optimizer.remainingDecrease(), solver};
  optimizer.dispose();
  tf.dispose(v);
  return fitted;
}

function isSolved(t: ExecutionContext, {found, steps, remaining, solver}: Fit, wanted: readonly number[], within: number, most: number): void {
  t.true(found.every((value, i) => Math.abs(value - wanted[i]) <= within * Math.abs(wanted[i])), `${found.join()}, not ${wanted.join()}; ${steps} steps`);
  t.true(steps <= most && remaining <= 1e-8, `${steps} steps, remaining ${remaining}`);
  t.is(solver, 'normal');
}

test.serial('an exponential through two points, far from 0', t => {
  const x = tf.tensor1d([350, 380]), y = tf.tensor1d([48, 17]);
  isSolved(t, fit([-0.01, 1], ([a, b]) => a.mul(x).add(b).exp().sub(y)), [-0.0345996, 15.98106], 1e-5, 60);
});

test.serial('the Antoine equation through three vapour pressures', t => {
  const temperature = tf.tensor1d([25, 60, 95]), logarithm = tf.tensor1d([23.76, 149.4, 633.9].map(Math.log10));
  isSolved(t, fit([8, 1500, 230], ([a, b, c]) => a.sub(b.div(c.add(temperature))).sub(logarithm)), [8.042, 1714.473, 232.1907], 1e-5, 60);
});

test.serial('a thermistor by Steinhart and Hart: coefficients from 1e-3 to 1e-7', t => {
  const wanted = [1.4e-3, 2.37e-4, 9.9e-8];
  const logs = [25000, 10000, 4000].map(Math.log);
  const l = tf.tensor1d(logs), y = tf.tensor1d(logs.map(r => 1 / (wanted[0] + wanted[1] * r + wanted[2] * r ** 3)));
  isSolved(t, fit([1e-3, 2e-4, 1e-7], ([a, b, c]) => tf.scalar(1).div(a.add(b.mul(l)).add(c.mul(l.pow(3)))).sub(y)), wanted, 2e-3, 60);
});

test.serial('an offset, a gain and a curvature through three points; five through four of a cubic are fitted exactly', t => {
  const x = tf.tensor1d([1, 2, 4]), y = tf.tensor1d([3, 7, 21]);  // 1 + x + x²
  isSolved(t, fit([0.1, 0.1, 0.1], ([a, b, c]) => a.add(b.mul(x)).add(c.mul(x.square())).sub(y)), [1, 1, 1], 1e-4, 60);
  const four = tf.tensor1d([-1, 0, 1, 2]), heights = tf.tensor1d([2, -1, 0.5, 3]);
  const more = fit([0.1, 0.1, 0.1, 0.1, 0.1], p => p.reduceRight<tf.Tensor>((sum, c) => sum.mul(four).add(c), tf.scalar(0)).sub(heights));
  t.true(more.loss < 1e-11 && more.steps < 60 && more.remaining <= 1e-8, `${more.loss}, ${more.steps} steps`);
});

for (const n of [1, 3, 8]) {
  test.serial(`${n} linear equations of ${n} unknowns in one vector, their condition about 1000`, t => {
    const wanted = Array.from({length: n}, (_, i) => 1 + i % 3);
    const a = Array.from({length: n}, (_, i) => Array.from({length: n}, (__, j) => Math.cos(1 + i * 3.7 + j * 5.1) + (i === j ? (i === 0 ? 1 : 3) : 0)));
    const matrix = tf.tensor2d(a), b = tf.tensor1d(a.map(row => row.reduce((sum, x, j) => sum + x * wanted[j], 0)));
    isSolved(t, fit([Array.from({length: n}, () => 0.5)], ([x]) => matrix.dot(x).sub(b)), wanted, 1e-4, 40);
  });
}

test.serial('nonlinear equations: a circle and a hyperbola, Powell\'s badly scaled pair', t => {
  const circle = fit([2, 0.5], ([x, y]) => tf.stack([x.square().add(y.square()).sub(4), x.mul(y).sub(1)]));
  isSolved(t, circle, [1.9318517, 0.5176381], 1e-5, 40);
  const powell = fit([0, 1], ([x, y]) => tf.stack([x.mul(y).mul(1e4).sub(1), x.neg().exp().add(y.neg().exp()).sub(1.0001)]));
  t.true(powell.loss < 1e-9 && powell.remaining <= 1e-8, `${powell.loss}, ${powell.steps} steps`);
});

test.serial('redundant parameters and peaks far from 0: the loop ends, at the minimum', t => {
  const x = tf.linspace(0, 3, 40);
  const y = tf.tidy(() => x.mul(-0.7).exp().mul(2.5).add(tf.randomNormal([40], 0, 0.05, 'float32', 4)));
  const plain = fit([1, 0.3], ([a, k]) => a.mul(k.mul(x).neg().exp()).sub(y));
  const redundant = fit([1, 2, 0.3], ([a, b, k]) => a.mul(b).mul(k.mul(x).neg().exp()).sub(y));
  t.true(redundant.steps < 60 && Math.abs(redundant.loss / plain.loss - 1) < 1e-5, `${redundant.steps} steps, ${redundant.loss} ${plain.loss}`);
  for (const middle of [855.5, 1e4]) {
    const wide = tf.linspace(middle - 10, middle + 10, 60);
    const peak = tf.tidy(() => tf.scalar(1000).div(wide.sub(middle).square().add(1)).add(tf.randomNormal([60], 0, 5, 'float32', 9)));
    const found = fit([1.5, middle - 0.5, 800, 0], ([w, c, height, offset]) => height.mul(w.square()).div(wide.sub(c).square().add(w.square())).add(offset).sub(peak));
    t.true(found.steps < 60 && found.loss < 60 * 25, `${middle}: ${found.steps} steps, ${found.loss}`);
  }
});
