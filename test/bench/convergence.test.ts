/** The plain parts of the convergence benchmark, on which its figures rest. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {seededRandom} from '../../docs/examples/shared/random';
import {compare, endsAboveTwice, firstAtMost, geometricMean, pickOf, ratioOf} from './convergence/comparison';
import {dataOf, rowsOf} from './convergence/data';
import {runDenseAdam} from './convergence/dense_adam';
import {readExamples, shuffled} from './convergence/examples';
import {figuresOf, ofConstant} from './convergence/figures';
import {linearFigure, weightedRidge} from './convergence/floor';
import {EXP_POISSON, GAUSSIAN, LAPLACE, SOFTPLUS_POISSON, SQUARED} from './convergence/losses';
import {lineOf, runOf} from './convergence/runs';
import type {Run} from './convergence/runs';
import {readSettings, shardOf} from './convergence/settings';
import {isWorse, rowsOfSummary} from './convergence/summary';
import {taskNamed, TASKS} from './convergence/tasks';
import {epochTime} from './convergence/times';
import {evaluationSteps, runTask} from './convergence/train';

const run = (optimizer: string, split: number, validation: number[], test = validation, training = validation): Run =>
  ({batch: 128, optimizer, split, diverged: null, epoch: validation.map((_, i) => i), training, validation, test});

const near = (a: number, b: number, tolerance = 1e-12): boolean => Math.abs(a / b - 1) < tolerance;

const sides = (adam: Run[], ggn: Run[]) =>
  ({task: 'x', group: 'squared', batch: 128, adam, ggn, usual: 'adam 0.001', floor: () => 2} as const);

test('a pick is the lowest validation loss of all runs of a split, the first of equals, and never the start', t => {
  const [low, high] = [run('adam 0.001', 0, [1, 5, 3, 3]), run('adam 0.01', 0, [1, 6, 4, 2])];
  t.is(pickOf([low]).point, 2);
  const pick = pickOf([low, high]);
  t.deepEqual([pick.run.optimizer, pick.point], ['adam 0.01', 3]);
});

test('ratios are averaged by their logarithms, with the standard error of that mean', t => {
  const {mean, error} = ratioOf([1, 4]);
  t.true(near(mean, 2));
  t.true(near(error, Math.log(4) / 2));       // deviation log(4)/√2 of two splits
  t.is(ratioOf([3]).error, 0);
  t.true(near(geometricMean([0.1, 0.1, 0.1]), 0.1));
});

test('whoever trains picks by validation and is judged by test loss', t => {
  const adam = [0, 1].flatMap(split =>
    [run('adam 0.001', split, [9, 4, 5], [9, 3, 1]), run('adam 0.01', split, [9, 3, 6], [9, 2, 8])]);
  const ggn = [run('ggn', 0, [9, 2, 8], [9, 4, 5]), run('ggn', 1, [9, 3, 2.5], [9, 9, 1])];
  const pair = compare(sides(adam, ggn));
  t.true(near(pair.tuned.mean, Math.sqrt(4 / 2 * (1 / 2))), 'adam 0.01 is picked, with test 2');
  t.true(near(pair.usual.mean, Math.sqrt(4 / 3 * (1 / 3))));
  t.true(near(pair.floor.mean, Math.sqrt(4 / 2 * (1 / 2))));
  t.true(near(pair.last, Math.sqrt(5 / 2 * (1 / 2))));
  t.true(near(pair.toPick.ratio, Math.sqrt(1 * 2)));
  t.deepEqual(pair.aboveFloor, {pick: 1, last: 1});
  t.true(near(pair.validation.ratio, Math.sqrt(1 * 1)), 'both are at 3 or below after an epoch');
  t.is(pair.validation.missed, 0);
  t.is(compare(sides(adam, [run('ggn', 0, [9, 4, 4])])).validation.missed, 1);
  t.throws(() => compare(sides(adam, [run('ggn', 0, [8, 4, 4])])), {message: /its task has changed/});
});

test('a pair is worse if its ratio is above 1.02 by more than the standard error', t => {
  const pair = (ratios: number[]) => compare(sides(ratios.map((_, split) => run('adam 0.001', split, [9, 1])),
      ratios.map((ratio, split) => run('ggn', split, [9, 1], [9, ratio]))));
  t.true(isWorse(pair([1.2, 1.1, 1.15])));
  t.false(isWorse(pair([1.5, 0.9, 1])));
  t.false(isWorse(pair([1.01, 1.01, 1.01])));
  const [mean, worse] = rowsOfSummary([pair([0.1, 0.1]), pair([1.2, 1.2])].map(one => ({pair: one, seconds: null})));
  t.deepEqual([mean.value, worse.value], ['0.775', '1 of 2'], 'a pair counts at least one half');
});

test('runs that end above twice their best', t => {
  t.true(endsAboveTwice(run('ggn', 0, [9, 1, 2.1])));
  t.false(endsAboveTwice(run('ggn', 0, [9, 1, 1.9])));
  t.true(endsAboveTwice({...run('ggn', 0, [9, 1, 1]), diverged: 'NaN'}));
  t.is(firstAtMost(run('ggn', 0, [3, 2, 1, 2, 0.5]), 'training', 0.9), 4);
});

test('parts of a split: three fifths, one fifth, one fifth, no row twice', t => {
  t.deepEqual(rowsOf(1030), {training: 618, validation: 206, test: 206});
  t.deepEqual(rowsOf(193), {training: 117, validation: 38, test: 38});
  t.deepEqual(rowsOf(2000), {training: 640, validation: 400, test: 400});
  const {training, test: last, columns} = dataOf(taskNamed('biomass'), 1);
  t.is(training.x.length, columns * training.y.length);
  const [ownSum, lastSum] = [training, last].map(({y}) => y.reduce((sum, value) => sum + value, 0));
  t.true(Math.abs(ownSum) < 1e-9 && Math.abs(lastSum) > 1e-3, 'standardised by the training rows');
  t.deepEqual(shuffled([1, 2, 3, 4, 5, 6], seededRandom(1)).sort(), [1, 2, 3, 4, 5, 6]);
});

test('a linear fit, of singular designs too, and of counts', t => {
  const x = [-1, 0, 1, 2].map(value => [1, value, value]);
  const b = weightedRidge(x, [1, 3, 5, 7], [1, 1, 1, 1]);
  t.true(near(b[0], 3, 1e-4) && near(b[1], 1, 1e-4) && near(b[2], 1, 1e-4), 'the shorter of all fits');
  const part = (y: (v: number) => number) => ({x: Float32Array.from([0, 1, 2, 3]), y: [0, 1, 2, 3].map(y)});
  const data = (y: (v: number) => number) => ({training: part(y), validation: part(y), test: part(y), columns: 1});
  t.true(linearFigure({...taskNamed('concrete')}, data(v => 2 * v - 1)) < 1e-9);
  t.true(linearFigure(taskNamed('randhie'), data(v => Math.exp(v))) < 1e-9);
  const square = linearFigure(taskNamed('concrete'), data(v => v * v));
  t.true(near(square, 1 / 12.25, 1e-4), 'residuals 1, -1, -1, 1 of a variance of 12.25');
});

test('the gradients of the losses are the slopes of their values and of the compiled losses', t => {
  for (const loss of [SQUARED, SOFTPLUS_POISSON, EXP_POISSON, GAUSSIAN, LAPLACE]) {
    const raw = [0.3, -0.4].slice(0, loss.outputs);
    const outputs = (z: number[]): number[] => loss.activation === 'softplus' ? z.map(v => Math.log1p(Math.exp(v))) : z;
    const factor = loss.link === 'log' ? 0.5 : 1;   // a deviance is twice the loss
    loss.gradient(outputs(raw), 2).forEach((slope, c) => {
      const moved = (by: number): number => loss.value(outputs(raw.map((z, j) => j === c ? z + by : z)), 2);
      t.true(Math.abs(factor * (moved(1e-5) - moved(-1e-5)) / 2e-5 - slope) < 1e-6, loss.name);
    });
  }
});

test('figures are 1 for the best constant', t => {
  const part = {x: Float32Array.from([0, 0]), y: [1, 3]};
  const data = {training: part, validation: part, test: part, columns: 1};
  for (const [loss, constant] of [[SQUARED, 2], [SOFTPLUS_POISSON, 2], [EXP_POISSON, Math.log(2)]] as const) {
    t.true(near(figuresOf(loss, data, new Array<number>(6).fill(constant), ofConstant(loss, part)).test, 1, 1e-6));
  }
  t.true(near(GAUSSIAN.figure((GAUSSIAN.value([2, 0], 1) + GAUSSIAN.value([2, 0], 3)) / 2, 0), 1));
});

for (const name of ['cpus', 'randhie', 'randhie-exp', 'checks', 'flights-laplace']) {
  test.serial(`Adam by hand follows tf.train.adam: ${name}`, async t => {
    const task = {...taskNamed(name), group: 'squared' as const};
    const plain = await runDenseAdam(task, 128, 1, 0.003, 2);
    const tensors = await runTask(task, 128, 1, () => tf.train.adam(0.003), 2);
    t.is(plain.points.length, tensors.points.length);
    plain.points.forEach((point, i) => {
      t.true(near(point.training, tensors.points[i].training, 1e-3) && near(point.test, tensors.points[i].test, 1e-3));
    });
    t.true(near(plain.points.at(-1)!.training, plain.points[0].training, 0.9));
    const line = lineOf({batch: 128, optimizer: 'ggn', split: 1}, plain.points.length, 2, plain);
    t.is(runOf(line).epoch.length, plain.points.length);
  });
}

test('every task has its table, and the parts were named before any tuning', t => {
  for (const task of TASKS.filter(({shape}) => shape === null)) {
    t.true(task.examples(seededRandom(1)).length > 100, task.name);
  }
  t.deepEqual(TASKS.filter(({judged}) => judged).map(({name}) => name.split('-')[0]), ['autompg', 'faithful', 'meats',
    'redwine', 'yield', 'carprices', 'diamonds', 'bikes', 'solder', 'deliveries', 'deliveries']);
  t.true(readExamples('data/sza.csv').length === 601);
});

test('kept runs have the test losses of all points that may be picked, and of the end', t => {
  const points = [5, 4, 6, 3, 3, 7].map((validation, i) =>
    ({epoch: i, training: 1, validation, test: i + 1, retries: 0}));
  const kept = runOf(lineOf({batch: 'full', optimizer: 'adam 0.001', split: 0}, 1, 5, {points, diverged: null}));
  t.deepEqual(kept.test, [0, 2, 0, 4, 0, 6]);
  t.deepEqual(kept.epoch, [0, 1, 2, 3, 4, 5]);
  t.is(kept.test[pickOf([kept]).point], 4);
});

test('settings: judged tasks run only with --judged, shards take every n-th task', t => {
  t.throws(() => readSettings(['--tasks', 'bikes']), {message: /runs with --judged/});
  t.deepEqual(readSettings(['--judged', '--tasks', 'bikes'])!.tasks.map(({name}) => name), ['bikes']);
  const quick = readSettings(['--quick', '--splits', '3'])!;
  t.deepEqual([quick.tasks.length, quick.batches, quick.splits], [6, [32, 'full'], [3]]);
  t.deepEqual([shardOf([1, 2, 3, 4, 5], '1/2'), shardOf([1, 2, 3, 4, 5], '2/2')], [[1, 3, 5], [2, 4]]);
  t.throws(() => shardOf([1], '0/2'), {message: /received '0\/2'/});
});

test('runs are evaluated in quarters of the first two epochs, then ever more seldom, and at their end', t => {
  t.deepEqual(evaluationSteps(8, 3), [2, 4, 6, 8, 10, 12, 14, 16, 24]);
  t.deepEqual(evaluationSteps(1, 3), [1, 2, 3]);
  const steps = evaluationSteps(7, 1000);
  t.is(steps.at(-1), 7000);
  t.true(steps.length < 80);
});

test('the time of an epoch: medians for each shape of batch, first steps and retries apart', t => {
  const plain = (milliseconds: number) => ({milliseconds, retries: 0});
  // Three batches an epoch, the last one smaller.
  const retried = {milliseconds: 26, retries: 2};
  const training = [...[50, 10, 20, 12, 90, 4].map(plain), retried, plain(14), plain(6)];
  t.deepEqual(epochTime([training, training], 3), {epoch: 2 * 14 + 6, first: 50 - 14 + 20 - 6, retry: (26 - 14) / 2});
  t.deepEqual(epochTime([[plain(9), plain(2), plain(3), plain(4)]], 1), {epoch: 3, first: 6, retry: 0});
});
