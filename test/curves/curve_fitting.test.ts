/**
 * Few parameters in plain variables, many points: curves, calibration, several data sets. The steps are exact, and they converge to the
 * parameters that made the data.
 */
import * as tf from '@tensorflow/tfjs';
import test, {type ExecutionContext} from 'ava';
import {ggn, leastSquares} from '../../src/index';
import {follow} from '../support/follow';
import {repeat} from '../support/numbers';
import {flat, noise, variable} from '../support/tensors';

test.before(async () => {
  await tf.setBackend('cpu');
});

const scalars = (...values: number[]): tf.Variable[] => values.map(value => tf.variable(tf.scalar(value)));
/** Data made once, outside of every tidy. */
const made = (f: () => tf.Tensor): tf.Tensor => tf.tidy(f);

interface Problem {
  variables: tf.Variable[];
  residuals: () => tf.Tensor[];
  truth: number[];
  tolerance: number;
  steps?: number;
  damping?: number;
  jacobian?: 'batch' | 'forward' | 'rowByRow';
}

/** Exact steps from the start, then full steps with little damping down to the parameters. */
function solve(t: ExecutionContext, {variables, residuals, truth, tolerance, steps = 30, damping = 1e-3, jacobian}: Problem): void {
  const start = variables.map(v => v.clone());
  const {numTensors} = tf.memory();
  const n = tf.tidy(() => tf.scalar(residuals().reduce((count, r) => count + r.size, 0)).dataSync() as never)[0];
  const rows = (): tf.Tensor => tf.concat(residuals().map(r => r.reshape([-1])));
  follow(t, {variables, loss: () => leastSquares(residuals()), rows, weights: repeat(n, 0.5), jacobian}, 2).dispose();
  variables.forEach((v, i) => v.assign(start[i]));
  const optimizer = ggn({learningRate: 1, damping, momentum: 0});
  for (let i = 0; i < steps; i++) {
    optimizer.minimize(() => leastSquares(residuals()));
  }
  t.true(optimizer.lastStep!.parameters < optimizer.lastStep!.rows, 'm < n');
  const error = Math.max(...flat(variables).map((w, i) => Math.abs(w - truth[i])));
  t.true(error < tolerance, `error ${error}, loss ${optimizer.lastStep!.loss}, status ${optimizer.lastStep!.status}: ${flat(variables).join(' ')}`);
  optimizer.dispose();
  t.is(tf.memory().numTensors, numTensors);
  tf.dispose([...variables, ...start]);
}

test.serial('polynomial coefficients in one variable', t => {
  const x = tf.linspace(-1, 1, 50);
  const powers = made(() => tf.stack([0, 1, 2, 3, 4].map(k => x.pow(k)), 1)) as tf.Tensor2D;
  const truth = [0.5, -1, 2, 0.3, -0.7];
  const y = made(() => tf.matMul(powers, tf.tensor2d(truth, [5, 1])));
  const w = tf.variable(tf.zeros([5, 1]));
  solve(t, {variables: [w], residuals: () => [tf.matMul(powers, w as tf.Tensor2D).sub(y)], truth, tolerance: 1e-3, damping: 1e-4});
});

test.serial('an exponential decay: three scalars, 500 points', t => {
  const [a, k, c] = scalars(1, 1, 0);
  const x = tf.linspace(0, 4, 500);
  const y = made(() => x.mul(-0.7).exp().mul(2.5).add(0.4));
  solve(t, {variables: [a, k, c], residuals: () => [a.mul(tf.exp(tf.neg(k.mul(x)))).add(c).sub(y)], truth: [2.5, 0.7, 0.4], tolerance: 1e-3});
});

test.serial('a damped oscillation: four scalars', t => {
  const [a, k, omega, phase] = scalars(0.8, 0.2, 2.1, 0.2);
  const x = tf.linspace(0, 5, 80);
  const y = made(() => x.mul(-0.3).exp().mul(x.mul(2).add(0.5).cos()));
  solve(t, {variables: [a, k, omega, phase], residuals: () => [a.mul(tf.exp(tf.neg(k.mul(x)))).mul(tf.cos(omega.mul(x).add(phase))).sub(y)],
    truth: [1, 0.3, 2, 0.5], tolerance: 1e-3});
});

test.serial('one rate shared by two data sets of different sizes, each with its own amplitude', t => {
  const [a, k, b] = scalars(1, 1, 1);
  const [x, z] = [tf.linspace(0, 3, 60), tf.linspace(0, 2, 17)];
  const [y, v] = [made(() => x.mul(-0.5).exp().mul(2)), made(() => z.mul(-0.5).exp().mul(0.7))];
  const curve = (amplitude: tf.Tensor, p: tf.Tensor): tf.Tensor => amplitude.mul(tf.exp(tf.neg(k.mul(p))));
  solve(t, {variables: [a, k, b], residuals: () => [curve(a, x).sub(y), curve(b, z).sub(v)], truth: [2, 0.5, 0.7], tolerance: 1e-3});
});

test.serial('three data sets, weights by number and by tensor, a regularizer beside', t => {
  const [w, s] = [variable([2, 3], 1), variable([3, 1], 2)];
  const sets = [30, 7, 1].map((size, i) => ({x: noise([size, 2], 10 + i) as tf.Tensor2D, y: noise([size, 1], 20 + i)}));
  const residuals = (): tf.Tensor[] => sets.map(({x, y}) => tf.matMul(tf.tanh(tf.matMul(x, w as tf.Tensor2D)), s as tf.Tensor2D).sub(y));
  const importance = made(() => tf.abs(noise([7, 1], 30)));
  follow(t, {variables: [w, s], loss: () => leastSquares(residuals(), {weights: [0.1, importance, 5]}).add(w.square().sum().mul(0.2)) as tf.Scalar,
    rows: () => tf.concat(residuals()), weights: [...repeat(30, 0.05), ...[...importance.dataSync()].map(x => x / 2), 2.5],
    ridge: () => ({rho: Float64Array.from([...repeat(6, 0.2), ...repeat(3, 0)]), gradient: Float64Array.from([...[...w.dataSync()].map(x => 0.4 * x), ...repeat(3, 0)])})});
  tf.dispose([w, s, importance, sets.map(({x, y}) => [x, y])]);
});

test.serial('an accelerometer: offset and scale from readings at rest, |S (a - o)| = 1', t => {
  const directions = made(() => {
    const p = noise([60, 3], 1);
    return p.div(p.square().sum(1, true).sqrt());
  }) as tf.Tensor2D;
  const [offset, scale] = [[0.1, -0.2, 0.05], [1.1, 0.9, 1.05]];
  const readings = made(() => directions.div(tf.tensor1d(scale)).add(tf.tensor1d(offset)));
  const [o, s] = [tf.variable(tf.zeros([3])), tf.variable(tf.ones([3]))];
  solve(t, {variables: [o, s], residuals: () => [readings.sub(o).mul(s).square().sum(1).sub(1)], truth: [...offset, ...scale], tolerance: 1e-3});
});

test.serial('a camera: focal length, centre and pose from points in space', t => {
  const points = made(() => noise([40, 3], 3).mul(0.5)) as tf.Tensor2D;
  const project = (f: tf.Tensor, centre: tf.Tensor, turn: tf.Tensor, shift: tf.Tensor): tf.Tensor => {
    // Small rotations by their generator and its square, orthogonal to second order: a model like any other.
    const [a, b, c] = tf.unstack(turn);
    const zero = tf.scalar(0);
    const generator = tf.stack([zero, tf.neg(c), b, c, zero, tf.neg(a), tf.neg(b), a, zero]).reshape([3, 3]) as tf.Tensor2D;
    const rotation = tf.eye(3).add(generator).add(tf.matMul(generator, generator).mul(0.5)) as tf.Tensor2D;
    const inCamera = tf.matMul(points, rotation, false, true).add(shift).add(tf.tensor1d([0, 0, 4]));
    const [xy, depth] = tf.split(inCamera, [2, 1], 1);
    return xy.div(tf.tile(depth, [1, 2])).mul(f).add(centre);
  };
  const truth = [1.3, 0.1, -0.05, 0.1, -0.2, 0.15, 0.2, -0.1, 0.3];
  const seen = made(() => project(tf.scalar(truth[0]), tf.tensor1d(truth.slice(1, 3)), tf.tensor1d(truth.slice(3, 6)), tf.tensor1d(truth.slice(6))));
  const variables = [tf.variable(tf.scalar(1)), tf.variable(tf.zeros([2])), tf.variable(tf.zeros([3])), tf.variable(tf.zeros([3]))];
  const [f, centre, turn, shift] = variables;
  solve(t, {variables: [turn, shift, f, centre], residuals: () => [project(f, centre, turn, shift).sub(seen)],
    truth: [...truth.slice(3), ...truth.slice(0, 3)], tolerance: 0.02, steps: 80, damping: 1e-3, jacobian: 'forward'});
});

test.serial('a table of constants: with as many entries as points, as an other term has, and others', t => {
  // Radial basis functions on fixed centres.
  const w = variable([6, 1], 1);
  const grids = new Map([4, 6, 9].map(size => [size, noise([size, 1], size)]));
  const centres = tf.linspace(-1, 1, 6).reshape([6, 1]);
  const u = (x: tf.Tensor): tf.Tensor => tf.matMul(tf.exp(tf.neg(tf.square(tf.sub(x, centres.transpose())))) as tf.Tensor2D, w as tf.Tensor2D);
  for (const sizes of [[9], [9, 4], [6], [9, 6]]) {
    const residuals = (): tf.Tensor[] => sizes.map(size => u(grids.get(size)!).tanh().sub(0.5));
    follow(t, {variables: [w], loss: () => leastSquares(residuals()), rows: () => tf.concat(residuals()),
      weights: repeat(sizes.reduce((a, b) => a + b), 0.5)});
  }
  tf.dispose([w, centres, [...grids.values()]]);
});

test.serial('after an error in one term nothing has changed, and training goes on', t => {
  const [a, b] = scalars(1, 2);
  const x = tf.linspace(0, 1, 20);
  const optimizer = ggn();
  optimizer.minimize(() => leastSquares([a.mul(x).sub(1), b.sub(a)]));
  const before = [...flat([a, b])];
  const report = optimizer.lastStep;
  const {numTensors} = tf.memory();
  t.throws(() => optimizer.minimize(() => leastSquares([a.mul(x).sub(1), b.mul(NaN)])), {message: /the loss is NaN/});
  t.throws(() => optimizer.minimize(() => leastSquares([a.mul(x).sub(1), b], {weights: [1]})), {message: /received 1 weights for 2 tensors/});
  const own = tf.customGrad(v => ({value: tf.mul(v as tf.Tensor, 1), gradFunc: (dy: tf.Tensor) => dy}));  // too many to go row by row, and unknown to forward sweeps
  t.throws(() => optimizer.minimize(() => leastSquares([own(a.mul(tf.ones([1100]))).reverse(0).mul(tf.linspace(0, 1, 1100)), b.sub(a)])),
      {message: /cannot be told apart/});
  t.deepEqual([...flat([a, b])], before);
  t.is(optimizer.lastStep, report);
  t.is(tf.memory().numTensors, numTensors);
  optimizer.minimize(() => leastSquares([a.mul(x).sub(1), b.sub(a)]));
  t.is(optimizer.lastStep!.status, 'ok');
  optimizer.dispose();
  tf.dispose([a, b, x]);
});
