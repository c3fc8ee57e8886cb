/** remainingDecrease(): ½ gᵀ(JᵀHJ + 2ρ)⁻¹g over the loss, from the dense reference. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test, {type ExecutionContext} from 'ava';
import {ggn, leastSquares, type GgnOptions} from '../../src/index';
import {denseJacobian} from '../reference/dense_jacobian';
import {solveDense} from '../solve/dense';

const x = Array.from({length: 30}, (_, i) => 0.1 * i);
const y = x.map((v, i) => 2 * Math.exp(-0.8 * v) + 0.05 * Math.sin(7 * i));

interface Curve {
  variables: tf.Variable[];
  rows: () => tf.Tensor;
}

/** b exp(-k x / unit): the same curve whatever the unit of k. */
function curve(unit = 1): Curve {
  const [b, k] = [tf.variable(tf.scalar(1.5)), tf.variable(tf.scalar(0.5 * unit))];
  const [xs, ys] = [tf.tensor1d(x.map(v => v / unit)), tf.tensor1d(y)];
  return {variables: [b, k], rows: () => b.mul(k.mul(xs).neg().exp()).sub(ys)};
}

/** From dense float64 algebra, for L = Σ r² + ρ|w|². */
function expected({variables, rows}: Curve, rho = 0): number {
  const {jacobian, rows: r, n, m} = denseJacobian(rows, variables);
  const w = variables.flatMap(v => [...v.dataSync()]);
  const matrix = Array.from({length: m}, (_, i) => Array.from({length: m}, (_, j) =>
    2 * (Array.from({length: n}, (_, row) => jacobian[row * m + i] * jacobian[row * m + j]).reduce((a, b) => a + b) + (i === j ? rho : 0))));
  const gradient = w.map((value, i) => 2 * (Array.from({length: n}, (_, row) => jacobian[row * m + i] * r[row]).reduce((a, b) => a + b) + rho * value));
  const step = solveDense(matrix, gradient);
  const loss = [...r].reduce((sum, v) => sum + v * v, 0) + rho * w.reduce((sum, v) => sum + v * v, 0);
  return gradient.reduce((sum, g, i) => sum + g * step[i], 0) / 2 / loss;
}

function check(t: ExecutionContext, made: Curve, options: GgnOptions, rho = 0): number {
  const wanted = expected(made, rho);
  const optimizer = ggn(options);
  t.is(optimizer.remainingDecrease(), NaN);
  optimizer.minimize(() => {
    const loss = made.rows().square().sum();
    return (rho === 0 ? loss : made.variables.reduce<tf.Tensor>((sum, v) => sum.add(v.square().mul(rho)), loss)) as tf.Scalar;
  });
  const found = optimizer.remainingDecrease();
  t.true(Math.abs(found - wanted) <= 1e-4 * wanted, `${JSON.stringify(options)}: ${found}, not ${wanted}`);
  t.is(optimizer.remainingDecrease(), found, 'may be asked twice');
  optimizer.dispose();
  return found;
}

for (const backend of ['cpu', 'wasm']) {
  test.serial(`${backend}: equals the dense reference, at any damping, policy, scaling, momentum and regularizer`, async t => {
    await tf.setBackend(backend);
    for (const options of [{}, {damping: 100}, {scaling: 'levenberg'}, {policy: 'fixed'}, {learningRate: 0.1, damping: 1, momentum: 0.9}] as GgnOptions[]) {
      check(t, curve(), options);
      check(t, curve(), options, 0.3);
    }
  });

  test.serial(`${backend}: does not depend on the units of the parameters, whatever the scaling`, async t => {
    await tf.setBackend(backend);
    const wanted = check(t, curve(), {});
    for (const unit of [1e-8, 1e8]) {
      for (const scaling of ['auto', 'levenberg', 'marquardt'] as const) {
        const found = check(t, curve(unit), {scaling});
        t.true(Math.abs(found - wanted) < 1e-4 * wanted, `unit ${unit}, ${scaling}: ${found}, not ${wanted}`);
      }
    }
  });
}

test.serial('goes to 0 at a minimum and stays away from it where training is only slow', async t => {
  await tf.setBackend('cpu');
  const {variables, rows} = curve();
  const fast = ggn();
  let steps = 0;
  do {
    fast.minimize(() => rows().square().mean());
  } while (fast.remainingDecrease() > 1e-8 && ++steps < 30);
  t.true(steps < 12, `${steps} steps`);
  variables[0].assign(tf.scalar(1.5));
  const slow = ggn({learningRate: 1, damping: 1e7, momentum: 0});
  for (let i = 0; i < 10; i++) {
    slow.minimize(() => rows().square().mean());
  }
  t.true(slow.lastStep!.stepNorm < 1e-5 && slow.remainingDecrease() > 0.5);
});

test.serial('0 where rounding is all that is left, and for a loss of 0', async t => {
  await tf.setBackend('cpu');
  const a = tf.variable(tf.scalar(1));
  const xs = tf.tensor1d(x);
  const ys = tf.tidy(() => xs.mul(Math.fround(1 / 3)));
  const optimizer = ggn();
  for (let i = 0; i < 12; i++) {
    optimizer.minimize(() => leastSquares(xs.mul(a).sub(ys)));
  }
  t.is(optimizer.remainingDecrease(), 0);
});

test.serial('in the Gram system: 1 where everything can be fitted, NaN beside a regularizer', async t => {
  await tf.setBackend('cpu');
  const w = tf.variable(tf.ones([5, 1]));
  const [inputs, targets] = [tf.randomNormal([3, 5], 0, 1, 'float32', 1), tf.randomNormal([3, 1], 0, 1, 'float32', 2)];
  const rows = (): tf.Tensor => tf.matMul(inputs, w as tf.Tensor2D).sub(targets);
  const optimizer = ggn();
  optimizer.minimize(() => rows().square().mean());
  t.is(optimizer.lastStep!.solver, 'gram');
  t.true(Math.abs(optimizer.remainingDecrease() - 1) < 1e-3, String(optimizer.remainingDecrease()));
  optimizer.minimize(() => rows().square().mean().add(w.square().sum().mul(0.1)) as tf.Scalar);
  t.is(optimizer.remainingDecrease(), NaN);
});

test.serial('NaN again after a step that failed', async t => {
  await tf.setBackend('cpu');
  const {rows} = curve();
  const optimizer = ggn();
  optimizer.minimize(() => rows().square().mean());
  t.throws(() => optimizer.minimize(() => rows().mul(NaN).square().mean()));
  t.is(optimizer.remainingDecrease(), NaN);
});
