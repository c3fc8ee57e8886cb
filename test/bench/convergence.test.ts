/** The plain parts of the convergence benchmark: what its figures rest on. */
import test from 'ava';
import {seededRandom} from '../../docs/examples/shared/random';
import {compare, firstAtMost, geometricMean} from './convergence/comparison';
import {shuffled} from './convergence/examples';
import type {Run} from './convergence/runs';
import {summary} from './convergence/table';
import {epochTime} from './convergence/times';
import {evaluationSteps} from './convergence/train';

const run = (optimizer: string, seed: number, training: number[], validation = training): Run =>
  ({batch: 128, optimizer, seed, diverged: null, epoch: training.map((_, i) => i), training, validation});

const near = (a: number, b: number): boolean => Math.abs(a / b - 1) < 1e-12;

test('geometric means', t => {
  t.true(near(geometricMean([1, 4]), 2));
  t.true(near(geometricMean([0.1, 0.1, 0.1]), 0.1));
});

test('a loss is reached at the first point at or below it', t => {
  const noisy = run('ggn', 0, [3, 2, 1, 2, 0.5]);
  t.is(firstAtMost(noisy, 'training', 2), 1);
  t.is(firstAtMost(noisy, 'training', 0.9), 4);
  t.is(firstAtMost(noisy, 'training', 0.4), -1);
});

test('the target is the lowest loss of the Adam that is best over the seeds, the cost that of the quickest', t => {
  const baselines = [
    run('adam 0.001', 0, [9, 5, 4, 3, 2]), run('adam 0.001', 1, [9, 5, 3, 3, 3]),    // best
    run('adam 0.01', 0, [9, 2, 4, 4, 4]), run('adam 0.01', 1, [9, 5, 5, 5, 5]),      // quicker to 2 in seed 0
    run('sgd 0.1', 0, [9, 8, 7, 6, 5]), run('sgd 0.1', 1, [9, 8, 7, 3, 5]),
  ];
  const {training, losses, diverged} = compare('x', 128, baselines, [run('ggn', 0, [9, 1]), run('ggn', 1, [9, 4, 4, 2.9])]);
  t.is(training.best, 'adam 0.001');
  t.true(near(training.target, Math.sqrt(2 * 3)));
  t.true(near(training.adam.value, Math.sqrt(1 * 2)));
  t.true(near(training.ggn.value, Math.sqrt(1 * 3)));
  t.true(near(training.ratio, Math.sqrt(1 / 1 * (3 / 2))));
  t.is(training.ggn.missed, 0);
  t.is(training.sgd.missed, 1, 'one of its seeds never gets to 2');
  t.true(near(training.sgd.value, Math.sqrt(4 * 3)), 'and counts with all its epochs');
  t.true(near(losses.training.ggn.final, Math.sqrt(1 * 2.9)));
  t.deepEqual(diverged, []);
});

test('a validation loss counts within 2 %', t => {
  const baselines = [run('adam 0.001', 0, [9, 5, 4], [9, 1, 1]), run('sgd 0.1', 0, [9, 9, 9])];
  t.is(compare('x', 128, baselines, [run('ggn', 0, [9, 5, 4], [9, 1.03, 1.019])]).validation.ggn.value, 2);
});

test('costs other than epochs, and seeds without a run of ggn', t => {
  const baselines = [0, 1].flatMap(seed => [run('adam 0.001', seed, [9, 5, 4 + seed]), run('sgd 0.1', seed, [9, 9, 9])]);
  const {training} = compare('x', 128, baselines, [run('ggn', 1, [9, 5])], ({optimizer}, point) => (optimizer === 'ggn' ? 3 : 1) * point);
  t.true(near(training.ratio, 3));
});

test('a diverged run is named, has no final loss, and never gets where it has not been', t => {
  const bad = {...run('ggn', 0, [1, 0.5]), diverged: 'NaN'};
  const {training, diverged, losses} = compare('x', 128, [run('adam 0.001', 0, [1, 0.4]), run('sgd 0.1', 0, [1, 1])], [bad]);
  t.is(training.ratio, Infinity);
  t.is(training.sgd.value, 1);
  t.deepEqual(diverged, ['x, batch 128, seed 0: NaN']);
  t.is(losses.training.ggn.final, Infinity);
});

test('runs are evaluated in quarters of the first two epochs, then ever more seldom, and at their end', t => {
  t.deepEqual(evaluationSteps(8, 3), [2, 4, 6, 8, 10, 12, 14, 16, 24]);
  t.deepEqual(evaluationSteps(1, 3), [1, 2, 3]);
  const steps = evaluationSteps(7, 1000);
  t.is(steps.at(-1), 7000);
  t.true(steps.length < 300);
  t.true(steps.every((step, i) => i < 9 || step % 7 === 0 && (step - steps[i - 1] <= 7 || step / steps[i - 1] < 1.03)));
});

test('the time of an epoch: medians for each shape of batch, first steps and retries apart', t => {
  const plain = (milliseconds: number) => ({milliseconds, retries: 0});
  // Three batches an epoch, the last one smaller.
  const training = [plain(50), plain(10), plain(20), plain(12), plain(90), plain(4), {milliseconds: 26, retries: 2}, plain(14), plain(6)];
  t.deepEqual(epochTime([training, training], 3), {epoch: 2 * 14 + 6, first: 50 - 14 + 20 - 6, retry: (26 - 14) / 2});
  t.deepEqual(epochTime([[plain(9), plain(2), plain(3), plain(4)]], 1), {epoch: 3, first: 6, retry: 0});
});

test('a lower bound is marked and counted', t => {
  const epochs = compare('x', 128, [run('adam 0.001', 0, [9, 5, 4, 3, 2]), run('sgd 0.1', 0, [9])], [run('ggn', 0, [9, 3], [9, 2])]);
  const text = summary([{title: 'x', epochs, seconds: null, runs: []}]);
  t.regex(text, /training loss +\| +>0\.25 \| +- \| >0\.25 \(x, 128\) \| +0 of 1 \| +1 of 1 \|/);
  t.regex(text, /validation loss, within 2 % \| +0\.25 \|/);
});

test('a shuffled list has the same entries, in an order that repeats', t => {
  const list = [1, 2, 3, 4, 5, 6];
  const order = shuffled(list, seededRandom(1));
  t.deepEqual(order, shuffled(list, seededRandom(1)));
  t.notDeepEqual(order, list);
  t.deepEqual([...order].sort(), list);
});
