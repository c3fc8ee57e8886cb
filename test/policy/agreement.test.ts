import test from 'ava';
import {agreement, type AgreementState} from '../../src/policy/agreement';

/** The states after agreements with batches of the same size, the initial one before. */
function states(agreements: ReadonlyArray<number | null>, examples = 128, from = agreement.initial): AgreementState[] {
  const list = [from];
  for (const newest of agreements) {
    list.push(agreement.observe!(list.at(-1)!, {agreement: newest, examples}));
  }
  return list;
}

const repeated = (count: number, a: number): number[] => new Array<number>(count).fill(a);

const near = (actual: readonly number[], expected: readonly number[]): boolean =>
  actual.length === expected.length && expected.every((x, i) => Math.abs(actual[i] - x) <= 1e-14);

test('it starts at learning rate 0.3, damping 1, momentum 0.9, and judges nothing', t => {
  t.deepEqual(agreement.settings(agreement.initial), {learningRate: 0.3, damping: 1, momentum: 0.9});
  t.deepEqual([agreement.judges, agreement.rejects, agreement.attempts], [false, false, 1]);
  t.is(agreement.judge, undefined);
  t.is(agreement.raise, undefined);
});

test('without a last step only the momentum is set, by the size of the batch', t => {
  const [, after] = states([null], 64);
  t.deepEqual(after, {...agreement.initial, momentum: 0.95});
  const later: AgreementState = {learningRate: 0.7, agreement: -0.2, damping: 0.4, momentum: 0.9, headroom: 1, caution: 1};
  t.deepEqual(states([null], 64, later)[1], {...later, momentum: 0.95});
});

test('agreements are smoothed: ā ← 0.95 ā + 0.05 a', t => {
  const list = states([1, -1, 0.5, 0]);
  // 0.05; 0.0475 - 0.05; -0.002375 + 0.025; 0.95 times that
  t.true(near(list.map(state => state.agreement), [0, 0.05, -0.0025, 0.022625, 0.02149375]), list.map(state => state.agreement).join(' '));
});

test('the logarithm of the learning rate moves by 0.02 · clip(20 ā, -1, 1)', t => {
  const growth = (a: number): number => {
    const [before, after] = states([a]);
    return Math.log(after.learningRate / before.learningRate);
  };
  // ā is a twentieth of the first agreement.
  t.true(near([0.5, 1, -0.5, -1, 0].map(growth), [0.01, 0.02, -0.01, -0.02, 0]));
  const far: AgreementState = {...agreement.initial, agreement: 0.9};
  const [, after] = states([1], 128, far);
  t.true(near([Math.log(after.learningRate / 0.3)], [0.02]), 'no faster where the agreement is strong');
});

test('the learning rate stays between 0.1 and 1', t => {
  const up = states(repeated(100, 1)).map(({learningRate}) => learningRate);
  t.is(up.findIndex(x => x === 1), 61, 'ln(1 / 0.3) / 0.02 = 60.2');
  t.is(up.at(-1), 1);
  const down = states(repeated(100, -1)).map(({learningRate}) => learningRate);
  t.is(down.findIndex(x => x === 0.1), 55, 'ln(0.3 / 0.1) / 0.02 = 54.9');
  t.is(down.at(-1), 0.1);
});

test('the learning rate comes back from a bound as soon as ā changes its sign', t => {
  const stuck = states(repeated(200, 1)).at(-1)!;
  const back = states(repeated(40, -1), 128, stuck);
  const turn = back.findIndex(state => state.agreement < 0);
  t.true(turn > 0 && turn < 20, 'smoothed over about twenty steps');
  t.true(back.every(({learningRate}, i) => (learningRate < 1) === (i >= turn)));
});

test('the damping falls from 1 by 0.95 a step to 0.03, whatever the agreement', t => {
  for (const a of [1, 0, -1]) {
    const damping = states(repeated(80, a)).map(state => state.damping);
    t.true(damping.every((x, k) => Math.abs(x / Math.max(0.03, 0.95 ** k) - 1) < 1e-13));
    t.is(damping.at(-1), 0.03);
  }
});

test('1 - μ is examples / 1280 between 0.04 and 0.1', t => {
  const momentum = (examples: number): number => states([0], examples)[1].momentum;
  t.true(near([1, 32, 51, 64, 96, 128, 1000].map(momentum), [0.96, 0.96, 0.96, 0.95, 0.925, 0.9, 0.9]));
  t.is(states([0, 0], 64).at(-1)!.momentum, states([0], 64).at(-1)!.momentum, 'it has no memory: the last, smaller batch of an epoch has its own');
});

test('cross-entropies: damping relative to the curvature that they can have, down to 0.3', t => {
  let state = agreement.initial;
  for (let i = 0; i < 40; i++) {
    state = agreement.observe!(state, {agreement: 0, examples: 128, headroom: 20});
  }
  t.is(state.damping, 0.3);
  t.is(agreement.settings(state).damping, 6);
  t.is(agreement.observe!(state, {agreement: 0, examples: 32, headroom: 20}).momentum, 0.9, 'in small batches, too');
  t.is(agreement.settings(agreement.observe!(state, {agreement: 0, examples: 128})).damping, 0.3 * 0.95, 'squares again');
  t.is(agreement.settings(agreement.observe!(agreement.initial, {agreement: null, examples: 128, headroom: 4})).damping, 4, 'on the first step, too');
});

test('states are made anew, never changed', t => {
  const state = Object.freeze({...agreement.initial});
  agreement.observe!(state, {agreement: 1, examples: 8});
  t.deepEqual(state, agreement.initial);
});
