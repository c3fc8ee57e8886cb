import test, {type ExecutionContext} from 'ava';
import {LEVENBERG_MARQUARDT, levenbergMarquardt, type LevenbergMarquardtOptions,
        type LevenbergMarquardtState} from '../../src/policy/levenberg_marquardt';
import type {Policy} from '../../src/policy/policy';

const policyOf = (options: LevenbergMarquardtOptions = {}): Policy<LevenbergMarquardtState> =>
  levenbergMarquardt({...LEVENBERG_MARQUARDT, ...options});

/** The states after gain ratios, the initial one before. */
function states(policy: Policy<LevenbergMarquardtState>, gainRatios: readonly number[]): LevenbergMarquardtState[] {
  const list = [policy.initial];
  for (const gainRatio of gainRatios) {
    list.push(policy.judge!(list.at(-1)!, gainRatio));
  }
  return list;
}

/** Numbers equal to the last bits: 0.1 · 2 · 4 and 0.8 are not the same in binary. */
function near(t: ExecutionContext, actual: readonly number[], expected: readonly number[]): void {
  t.is(actual.length, expected.length);
  t.true(expected.every((x, i) => Math.abs(actual[i] - x) <= 1e-14 * Math.abs(x)), `${actual.join(' ')}, expected ${expected.join(' ')}`);
}

test('what it does to a step: learning rate 1, no momentum, judged and rejected', t => {
  const policy = policyOf();
  t.deepEqual([policy.judges, policy.rejects, policy.attempts], [true, true, 10]);
  t.deepEqual(policy.initial, {damping: 0.1, increase: 2});
  t.deepEqual(policy.settings({damping: 0.7, increase: 4}), {learningRate: 1, damping: 0.7, momentum: 0});
  t.is(policy.observe, undefined);
});

test('rejections in a row: factors 2, 4, 8', t => {
  const list = states(policyOf(), [0, -0.3, -1e9]);
  near(t, list.map(({damping}) => damping), [0.1, 0.2, 0.8, 6.4]);
  t.deepEqual(list.map(({increase}) => increase), [2, 4, 8, 16]);
});

test('an accepted step: factor max(1/3, 1 - (2ρ - 1)³)', t => {
  // ρ = 1/2 keeps τ. With a smaller ρ it grows, at most to twice its value; from ρ = 0.94 on it falls to a third.
  const factors: Array<[number, number]> = [[1, 1 / 3], [0.5, 1], [0.25, 1.125], [0.75, 0.875], [0.9, 0.488], [0.95, 1 / 3], [1.5, 1 / 3], [1e-12, 2]];
  for (const [gainRatio, factor] of factors) {
    const [, {damping, increase}] = states(policyOf(), [gainRatio]);
    t.true(Math.abs(damping / (0.1 * factor) - 1) < 1e-11, `gain ratio ${gainRatio}: ${damping}`);
    t.is(increase, 2);
  }
});

test('a sequence by hand: down, down, two rejections, up a little, down', t => {
  const list = states(policyOf({initialDamping: 9}), [1, 1, -1, -1, 0.25, 1, -1]);
  near(t, list.map(({damping}) => damping), [9, 3, 1, 2, 8, 9, 3, 6]);
  t.deepEqual(list.map(({increase}) => increase), [2, 2, 2, 4, 8, 2, 2, 4], 'an accepted step puts the factor back');
});

test('a gain ratio that is no number, or minus infinity, is a rejection', t => {
  for (const gainRatio of [NaN, -Infinity, -0]) {
    near(t, states(policyOf(), [gainRatio]).map(({damping}) => damping), [0.1, 0.2]);
  }
  near(t, states(policyOf(), [Infinity]).map(({damping}) => damping), [0.1, 0.1 / 3]);
});

test('factors of the user', t => {
  const list = states(policyOf({decrease: 0.1, increase: 3}), [1, -1, -1, 1, 0.5, -1]);
  near(t, list.map(({damping}) => damping), [0.1, 0.01, 0.03, 0.18, 0.018, 0.018, 0.054]);
  t.deepEqual(list.map(({increase}) => increase), [3, 3, 6, 12, 3, 3, 6]);
  near(t, states(policyOf({decrease: 1}), [1, 1]).map(({damping}) => damping), [0.1, 0.1, 0.1]);
  t.is(policyOf({attempts: 3}).attempts, 3);
});

test('bounds hold for the first step, after judging and after a raise', t => {
  const policy = policyOf({minDamping: 0.05, maxDamping: 0.3});
  near(t, states(policy, [1, 1, -1, -1, -1, 1]).map(({damping}) => damping), [0.1, 0.05, 0.05, 0.1, 0.3, 0.3, 0.1]);
  t.deepEqual([1e-3, 0.2, 7].map(damping => policy.raise!(policy.initial, damping)), [0.05, 0.2, 0.3].map(damping => ({damping, increase: 2})));
  t.is(policyOf({initialDamping: 1, maxDamping: 0.5}).initial.damping, 0.5);
  t.is(policyOf({initialDamping: 1, minDamping: 2}).initial.damping, 2);
});

test('a raise changes τ alone', t => {
  t.deepEqual(policyOf().raise!({damping: 1e-9, increase: 8}, 1e-7), {damping: 1e-7, increase: 8});
});

test('the state stays finite, as saving needs it, however long a training is stuck', t => {
  const {damping, increase} = states(policyOf(), new Array<number>(3000).fill(-1)).at(-1)!;
  t.is(damping, 1e12);
  t.true(Number.isFinite(increase));
  const least = states(policyOf(), new Array<number>(100).fill(1)).at(-1)!;
  t.is(least.damping, 1e-12);
});

test('states are made anew, never changed', t => {
  const policy = policyOf();
  const state = Object.freeze({damping: 1, increase: 2});
  policy.judge!(state, 1);
  policy.judge!(state, -1);
  policy.raise!(state, 5);
  t.deepEqual(state, {damping: 1, increase: 2});
});
