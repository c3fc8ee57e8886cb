/**
 * Duplicate rows, zero rows, dead units, singular systems without damping, targets of 1e8 and 1e-8: a finite step and a status that tells,
 * in every system.
 */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn, type GgnOptions, type StepReport} from '../../src/index';
import {multiply, multiplyVector, randomMatrix, randomNumbers, randomVector, solveDense, transpose, type Matrix} from '../solve/dense';
import {relativeError} from '../support/relative_error';

await tf.setBackend('cpu');

const SOLVERS = ['gram', 'normal', 'cg'] as const;

/** One step of a linear model x w on targets y, from w = 0. */
function linear(x: Matrix, y: readonly number[], options: GgnOptions): {step: number[]; report: StepReport} {
  const w = tf.variable(tf.zeros([x[0].length, 1]));
  const [input, target] = [tf.tensor2d(x), tf.tensor2d(y.map(v => [v]))];
  const optimizer = ggn({learningRate: 1, momentum: 0, ...options});
  optimizer.minimize(() => tf.matMul(input, w as tf.Tensor2D).sub(target).square().mean());
  const found = {step: [...w.dataSync()], report: optimizer.lastStep!};
  tf.dispose([w, input, target]);
  optimizer.dispose();
  return found;
}

/** X⁺y of rows with full rank. */
const leastNorm = (x: Matrix, y: readonly number[]): number[] => multiplyVector(transpose(x), solveDense(multiply(x, transpose(x)), [...y]));

const rounded = (x: Matrix): Matrix => x.map(row => row.map(Math.fround));
const wide = rounded(randomMatrix(6, 9, randomNumbers(1)));
const target = randomVector(6, randomNumbers(2));

for (const solver of SOLVERS) {
  test.serial(`${solver}: duplicate rows, little damping: the solution of least norm`, t => {
    const [twice, targets] = [[...wide, ...wide], [...target, ...target]];
    const expected = leastNorm(wide, target);
    for (const damping of [1e-3, 1e-4]) {
      const {step, report} = linear(twice, targets, {solver, damping});
      t.true(report.status === 'ok' || report.status === 'raised', report.status);
      t.true(relativeError(step, expected) < 100 * damping, `${damping}: ${relativeError(step, expected)}`);
    }
  });

  test.serial(`${solver}: no damping at all where the system is singular: raised, finite, and near the solution of least norm`, t => {
    const {step, report} = linear([...wide, ...wide], [...target, ...target], {solver, damping: 0});
    t.is(report.status, 'raised');
    t.true(report.damping > 0);
    t.true(relativeError(step, leastNorm(wide, target)) < 0.01, `${relativeError(step, leastNorm(wide, target))}`);
  });

  test.serial(`${solver}: duplicate rows that contradict each other: their mean`, t => {
    const {step, report} = linear([...wide, ...wide], [...target.map(v => v + 1), ...target.map(v => v - 1)], {solver, damping: 1e-3});
    t.true(report.status === 'ok' || report.status === 'raised', report.status);
    t.true(relativeError(step, leastNorm(wide, target)) < 0.1);
  });

  test.serial(`${solver}: zero rows change nothing`, t => {
    const zeros = wide.map(row => row.map(() => 0));
    const {step, report} = linear([...wide, ...zeros], [...target, ...target], {solver, damping: 1e-3});
    t.true(report.status === 'ok' || report.status === 'raised', report.status);
    t.true(relativeError(step, leastNorm(wide, target)) < 0.1);
  });

  test.serial(`${solver}: nothing but zero rows is flat`, t => {
    const {step, report} = linear([[0, 0], [0, 0]], [1, 2], {solver, damping: 0.1});
    t.is(report.status, 'flat');
    t.deepEqual(step, [0, 0]);
  });

  test.serial(`${solver}: one row, n times`, t => {
    const {step, report} = linear(new Array<number[]>(20).fill([3, 4]), new Array<number>(20).fill(5), {solver, damping: 1e-4});
    t.true(report.status === 'ok' || report.status === 'raised', report.status);
    t.true(relativeError(step, [0.6, 0.8]) < 1e-3, step.join());
  });

  test.serial(`${solver}: targets of 1e8 and 1e-8 scale the step`, t => {
    const {step: plain} = linear(wide, target, {solver, damping: 0.01});
    for (const factor of [1e8, 1e-8]) {
      const {step, report} = linear(wide, target.map(v => v * factor), {solver, damping: 0.01});
      t.is(report.status, 'ok');
      t.true(relativeError(step.map(v => v / factor), plain) < 1e-5);
    }
  });

  test.serial(`${solver}: inputs of 1e8 and 1e-8, too`, t => {
    // The default metric would put such inputs in units of their own.
    const options: GgnOptions = {solver, damping: 0.01, scaling: 'levenberg'};
    const {step: plain} = linear(wide, target, options);
    for (const factor of [1e8, 1e-8]) {
      const {step, report} = linear(wide.map(row => row.map(v => v * factor)), target, options);
      t.is(report.status, 'ok');
      t.true(relativeError(step.map(v => v * factor), plain) < 1e-4);
    }
  });

  test.serial(`${solver}: dead units stay, the others move`, async t => {
    const {model, x, y} = relu([-100, 0.1, 0.2]);
    const optimizer = ggn({learningRate: 1, damping: 0.01, momentum: 0, solver});
    model.compile({optimizer, loss: 'meanSquaredError'});
    const before = model.getWeights().map(w => [...w.dataSync()]);
    await model.trainOnBatch(x, y);
    t.is(optimizer.lastStep!.status, 'ok');
    const [kernel, bias] = model.getWeights().map(w => [...w.dataSync()]);
    t.deepEqual([kernel[0], kernel[3], bias[0]], [before[0][0], before[0][3], before[1][0]], 'the dead unit');
    t.not(kernel[1], before[0][1]);
    clear(model, x, y, optimizer);
  });

  test.serial(`${solver}: only dead units and no bias behind them: flat`, async t => {
    const {model, x, y} = relu([-100, -100, -100]);
    const optimizer = ggn({damping: 0.01, momentum: 0, learningRate: 1, solver});
    model.compile({optimizer, loss: 'meanSquaredError'});
    await model.trainOnBatch(x, y);
    t.is(optimizer.lastStep!.status, 'flat');
    clear(model, x, y, optimizer);
  });
}

test.serial("Marquardt's scaling: dead and duplicate columns", t => {
  const columns = wide.map(([a, b]) => [a, b, b, 0]);
  const {step, report} = linear(columns, target, {solver: 'normal', scaling: 'marquardt', damping: 1e-6});
  t.true(report.status === 'ok' || report.status === 'raised');
  t.is(step[3], 0);
  t.true(Math.abs(step[1] - step[2]) < 1e-3 * Math.abs(step[1]), 'what they share, they share equally');
});

function relu(biases: number[]): {model: tf.Sequential; x: tf.Tensor; y: tf.Tensor} {
  const model = tf.sequential({layers: [tf.layers.dense({units: 3, inputShape: [2], activation: 'relu'}), tf.layers.dense({units: 1, useBias: false})]});
  model.setWeights([tf.tensor2d([[0.5, -0.3, 0.2], [0.1, 0.4, 0.6]]), tf.tensor1d(biases), tf.tensor2d([[0.5], [0.7], [-0.2]])]);
  return {model, x: tf.tensor2d([[1, 2], [-1, 0.5], [0.3, -0.2], [2, 1]]), y: tf.tensor2d([[1], [0], [2], [-1]])};
}

function clear(model: tf.Sequential, x: tf.Tensor, y: tf.Tensor, optimizer: {dispose(): void}): void {
  model.dispose();
  tf.dispose([x, y]);
  optimizer.dispose();
}

