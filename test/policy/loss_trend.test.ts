/** The loss over the last mini-batches. */
import test from 'ava';
import {counted, follow, isFarAbove, isLower, isSettled, NO_TREND, type LossTrend} from '../../src/policy/loss_trend';

const after = (losses: readonly number[], from = NO_TREND): LossTrend => losses.reduce(follow, from);

const repeated = (count: number, loss: number): number[] => new Array<number>(count).fill(loss);

const near = (actual: number, expected: number): boolean => Math.abs(actual - expected) <= 1e-12;

test('the first twenty losses count alike, later ones a twentieth each', t => {
  t.true(near(after([3, 1, 5]).mean, 3));
  const settled = after(repeated(20, 2));
  t.true(near(settled.mean, 2) && settled.spread === 0);
  const {mean, spread} = follow(settled, 12);
  t.true(near(mean, 2.5) && near(spread, 0.5));
  t.false(isSettled(after(repeated(19, 1))));
  t.true(isSettled(settled));
});

test('a trend is lower if its mean has fallen by more than an eighth of its spread', t => {
  const best = {count: 50, mean: 1, spread: 0.8};
  t.false(isLower({...best, mean: 0.91}, best));
  t.true(isLower({...best, mean: 0.89}, best));
});

test('a loss above 0 has risen if it has more than doubled, beyond four spreads', t => {
  const best = {count: 50, mean: 1, spread: 0.1};
  t.false(isFarAbove(1.99, best));
  t.true(isFarAbove(2.01, best));
  t.false(isFarAbove(2.9, {...best, spread: 0.5}));
  t.true(isFarAbove(3.1, {...best, spread: 0.5}));
});

test('a loss below 0 has risen if it has come above 0, and any mean that is no number has', t => {
  const best = {count: 50, mean: -1.2, spread: 0.1};
  t.false(isFarAbove(-0.1, best));
  t.true(isFarAbove(0.1, best));
  t.true(isFarAbove(NaN, best));
});

test('an outlier takes the mean two such distances up at most', t => {
  const best = after(repeated(40, 1));
  const far = follow(best, counted(1e30, best));
  t.true(near(far.mean, 3));
  t.is(counted(0.5, best), 0.5);
});
