import test from 'ava';
import {agreement, type AgreementState} from '../../src/policy/agreement';
import type {LossKind} from '../../src/policy/policy';
import {isIn, type Range} from '../../src/policy/ranges';

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
  const later: AgreementState = {learningRate: 0.7, agreement: -0.2, damping: 0.4, momentum: 0.9, headroom: 1, raised: 1, caution: 1, steps: 0, loss: 0, spread: 0};
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

/** The states after losses of squares, with a spread of 2 in the first batch. */
function ofSquares(losses: readonly number[], examples = 128, agreements: readonly number[] = []): AgreementState[] {
  const list: AgreementState[] = [];
  losses.forEach((loss, k) => list.push(agreement.observe!(list.at(-1) ?? agreement.initial,
      {agreement: k === 0 ? null : agreements[k - 1] ?? 0, examples, squares: {loss, spread: k === 0 ? 2 : 99}})));
  return list;
}

test('squares: the damping is the share of the loss left, L̄ / L₁, but at least 0.95^k and 0.03, and at most 1', t => {
  const damping = (losses: number[]): number[] => ofSquares(losses).map(state => agreement.settings(state).damping);
  t.true(near(damping([6, 6, 6]), [1, 1, 1]), 'L₁ is the spread of the first batch, not its loss');
  const constant = damping(repeated(100, 0.8));
  t.true(near([constant[0], constant[1], constant[2], constant.at(-1)!], [1, 0.95, 0.9025, 0.4]));
  t.true(Math.abs(damping(repeated(200, 0.002)).at(-1)! - 0.03) < 1e-14);
  const falling = damping([2, ...repeated(99, 0)]);
  t.true(Math.abs(falling.at(-1)! - 0.03) < 1e-14);
  t.true(near([ofSquares([2, 1, 0.5]).at(-1)!.loss], [0.9 * (0.9 * 2 + 0.1 * 1) + 0.1 * 0.5]));
  t.is(agreement.settings({...ofSquares(repeated(100, 0.8)).at(-1)!, caution: 4}).damping, 4 * constant.at(-1)!);
});

test('squares: the momentum warms up as k / (k + 5), the learning rate is 0.3 and then 1', t => {
  const settings = ofSquares(repeated(200, 1), 64).map(state => agreement.settings(state));
  t.true(near(settings.slice(0, 4).map(({momentum}) => momentum), [0, 1 / 6, 2 / 7, 3 / 8]));
  t.is(settings.at(-1)!.momentum, 0.95);
  t.deepEqual(settings.slice(0, 3).map(({learningRate}) => learningRate), [0.3, 1, 1]);
});

test('squares: the floor of the learning rate is clip(B / 256, 0.1, 0.5) clip(0.05 / s, 0.1, 1)', t => {
  const floor = (loss: number, examples: number): number =>
    ofSquares(repeated(400, loss), examples, repeated(400, -1)).at(-1)!.learningRate;
  t.true(near([[2, 64], [0.2, 64], [0.02, 64], [0.02, 8], [0.02, 512]].map(([loss, examples]) => floor(loss, examples)),
      [0.25 * 0.1, 0.25 * 0.5, 0.25, 0.1, 0.5]));
});

test('after squares, other losses begin with their own first learning rate', t => {
  const state = ofSquares([2, 1]).at(-1)!;
  t.is(state.learningRate, 1);
  t.is(agreement.settings(agreement.observe!(state, {agreement: 0, examples: 64})).learningRate, 0.3);
  t.is(agreement.observe!(state, {agreement: 0, examples: 64}).steps, 0);
});

test('squares: without a spread, as of a batch of equal residuals, the damping is that of other losses', t => {
  const state = agreement.observe!(agreement.initial, {agreement: null, examples: 8, squares: {loss: 3, spread: 0}});
  t.is(agreement.settings(state).damping, 1);
  t.is(agreement.settings(agreement.observe!(state, {agreement: 0, examples: 8, squares: {loss: 3, spread: 0}})).damping, 0.95);
});

/** The states after steps on a likelihood whose outputs are no residuals. */
function ofLikelihood(agreements: readonly number[], examples = 128): AgreementState[] {
  const list = [agreement.initial];
  [null, ...agreements].forEach(newest =>
    list.push(agreement.observe!(list.at(-1)!, {agreement: newest, examples, areResiduals: false})));
  return list.slice(1);
}

test('likelihoods: damping 30, the momentum and learning rate of squares, and the lowest floor', t => {
  const settings = ofLikelihood(repeated(3, 0)).map(state => agreement.settings(state));
  t.deepEqual(settings.map(({damping}) => damping), [30, 30, 30, 30]);
  t.true(near(settings.map(({momentum}) => momentum), [0, 1 / 6, 2 / 7, 3 / 8]));
  t.deepEqual(settings.map(({learningRate}) => learningRate), [0.3, 1, 1, 1]);
  t.true(near([32, 128].map(examples => ofLikelihood(repeated(400, -1), examples).at(-1)!.learningRate), [0.0125, 0.05]));
  const squares = agreement.observe!(ofLikelihood([0]).at(-1)!, {agreement: 0, examples: 128, squares: {loss: 1, spread: 2}});
  t.is(agreement.settings(squares).damping, 30 * 0.95, 'squares after it: the damping falls');
  t.is(squares.spread, 2, 'and L₁ is that of their first batch');
});

test('squares and likelihoods: the damping grows and kernels decay as new batches contradict the steps', t => {
  for (const state of [ofSquares([2, 1]).at(-1)!, ofLikelihood([0]).at(-1)!]) {
    const at = (smoothed: number): AgreementState => ({...state, agreement: smoothed});
    const damping = agreement.settings(at(0)).damping;
    t.true(near([0.5, 0, -0.06, -0.075, -0.09, -0.12, -1].map(a => Math.log10(agreement.settings(at(a)).damping / damping)),
        [0, 0, 0, 0.5, 1, 2, 2]));
    t.true(near([0.5, -0.06, -0.09, -0.12, -1].map(a => agreement.weightDecay!(at(a))), [0, 0, 0.005, 0.01, 0.01]));
  }
});

test('other losses, and data that are not new, have no decay and no damping by the agreement', t => {
  const from = {...agreement.initial, agreement: -1};
  for (const observation of [{}, {headroom: 4}, {areResiduals: false, isNew: false}, {squares: {loss: 1, spread: 1}, isNew: false}]) {
    const state = agreement.observe!(from, {agreement: -1, examples: 8, ...observation});
    t.is(agreement.weightDecay!(state), 0);
    t.is(agreement.settings(state).damping, 0.95 * state.headroom);
  }
  let likelihood = from;
  for (let i = 0; i < 40; i++) {
    likelihood = agreement.observe!(likelihood, {agreement: 0, examples: 8, areResiduals: false, isNew: false});
  }
  t.is(agreement.settings(likelihood).damping, 0.3);
});

test('states are made anew, never changed', t => {
  const state = Object.freeze({...agreement.initial});
  agreement.observe!(state, {agreement: 1, examples: 8});
  t.deepEqual(state, agreement.initial);
});

test('the first 20 steps on squares are guarded, all of likelihoods, none of other losses', t => {
  const guards = (kind: LossKind, steps: number): boolean => agreement.guards!({...agreement.initial, steps}, kind);
  t.deepEqual([0, 1, 20, 21].map(steps => guards('squares', steps)), [true, true, true, false]);
  t.deepEqual([0, 20, 1000].map(steps => guards('likelihood', steps)), [true, true, true]);
  t.deepEqual([0, 20, 1000].map(steps => guards('other', steps)), [false, false, false]);
});

test('a rejected guarded attempt takes four times the damping, and trusted steps give it back', t => {
  const raised = agreement.trust!(agreement.trust!(agreement.initial, -3), NaN);
  t.is(raised.raised, 16);
  t.is(agreement.settings(raised).damping, 16 * agreement.settings(agreement.initial).damping);
  t.is(agreement.trust!(raised, 0.5).raised, 16, 'half trusted');
  t.true(near([agreement.trust!(raised, 1).raised], [16 / 3]));
  t.true(near([agreement.trust!(raised, 0.1).raised], [16 * (1 + 0.8 ** 3)]));
  t.is(agreement.trust!(agreement.initial, 1).raised, 1);
  const most = repeated(40, -1).reduce((state, trust) => agreement.trust!(state, trust), agreement.initial);
  t.is(most.raised, 4 ** 16);
  t.true(isIn(agreement.ranges.raised as Range, most.raised));
  t.true(agreement.trust!(most, 0.01).raised <= 4 ** 16, 'the state can be saved');
});
