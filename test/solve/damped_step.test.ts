import test from 'ava';
import {diagonalRoot} from '../../src/solve/curvature_root';
import {gramProblem} from '../../src/solve/gram_problem';
import type {DampedGramStep} from '../../src/solve/damped_gram';
import {dampedStep, MAX_RAISES} from '../../src/solve/damped_step';
import type {DampedProblem} from '../../src/solve/damped_step';
import {FLOOR_RATIO} from '../../src/solve/damping';

/** S = I, no momentum, no regularizer: C is the Gram matrix, row-major. */
function systemOf(gram: readonly number[], z: readonly number[], rho = 0): DampedProblem<DampedGramStep> {
  return gramProblem({
    n: z.length,
    parts: [{rho, gram: Float64Array.from(gram), previous: null, extra: null}],
    root: diagonalRoot(new Float64Array(z.length).fill(1)),
    residual: {z: Float64Array.from(z)},
    momentum: 0
  });
}

const never = () => {
  throw new Error('not to be called');
};

test('ok: λ = τ · trace / min(n, m), one solve', t => {
  const result = dampedStep(systemOf([3, 0, 0, 1], [6, 3]), {damping: 0.25, rows: 2, parameters: 9, verify: never});
  // λ = 0.25 · 4/2 = 0.5
  t.is(result.status, 'ok');
  t.is(result.lambda, 0.5);
  t.is(result.damping, 0.25);
  t.is(result.solves, 1);
  t.is(result.pivot, null);
  t.deepEqual(result.solution?.parts[0].coefficients.map(value => Math.round(value * 1e12) / 1e12), Float64Array.of(1.714285714286, 2));
});

test('the step does not depend on a factor of outputs and targets, nor does what is reported', t => {
  const gram = [3, 1, 1, 2], z = [6, 3];
  const plain = dampedStep(systemOf(gram, z), {damping: 0.1, rows: 2, parameters: 9});
  for (const factor of [2 ** -30, 2 ** -7, 2 ** 7, 2 ** 30]) {  // powers of two: no rounding, so equal to the last bit
    const scaled = dampedStep(
        systemOf(gram.map(g => g * factor ** 2), z.map(zi => zi * factor)), {damping: 0.1, rows: 2, parameters: 9});
    t.is(scaled.damping, plain.damping);
    t.is(scaled.lambda, plain.lambda * factor ** 2);
    t.deepEqual(scaled.solution?.parts[0].coefficients.map(c => c * factor), plain.solution?.parts[0].coefficients);
  }
});

test('floor: λ is never below 2⁻²⁴ |C|, and that counts as raised', t => {
  for (const damping of [0, 1e-30, 1e-12]) {
    const result = dampedStep(systemOf([4], [1]), {damping, rows: 1, parameters: 9});
    t.is(result.status, 'raised');
    t.is(result.lambda, 4 * FLOOR_RATIO);
    t.is(result.damping, FLOOR_RATIO);
    t.is(result.solves, 1);
  }
});

test('raised: a breakdown is met by ten times the damping until it factors', t => {
  // trace 0.999, λ = 1e-5 · 0.4995 = 5e-6, 5e-5, 5e-4, 5e-3: only the last exceeds the negative eigenvalue.
  const result = dampedStep(systemOf([1, 0, 0, -1e-3], [1, 1]), {damping: 1e-5, rows: 2, parameters: 9});
  t.is(result.status, 'raised');
  t.is(result.solves, 4);
  t.is(result.pivot, null);
  t.true(Math.abs(result.damping - 1e-2) < 1e-15);
  t.true(Math.abs(result.lambda - 4.995e-3) < 1e-15);
});

test('breakdown: eight solves, then the pivot', t => {
  // λ goes from 5e-8 to 0.5, the negative eigenvalue is -0.9.
  const result = dampedStep(systemOf([1, 0, 0, -0.9], [1, 1]), {damping: 1e-6, rows: 2, parameters: 9});
  t.is(result.status, 'breakdown');
  t.is(result.solution, null);
  t.is(result.solves, MAX_RAISES + 1);
  t.is(result.pivot, 1);
});

test('raised: a step that fails its verification is taken with more damping', t => {
  const seen: number[] = [];
  const verify = ({lambda, change}: {lambda: number; change: Float64Array}) => {
    t.is(change.length, 2);
    seen.push(lambda);
    return seen.length === 3;
  };
  const result = dampedStep(systemOf([1, 0, 0, 1], [1, 1]), {damping: 2 ** -20, rows: 2, parameters: 9, verify});
  t.is(result.status, 'raised');
  t.is(result.solves, 3);
  t.deepEqual(seen, [2 ** -20, 10 * 2 ** -20, 100 * 2 ** -20]);
  t.is(result.lambda, 100 * 2 ** -20);
  t.is(result.damping, 100 * 2 ** -20);
});

test('a verified step below the trusted level is ok', t => {
  const result = dampedStep(systemOf([1, 0, 0, 1], [1, 1]), {damping: 2 ** -20, rows: 2, parameters: 9, verify: () => true});
  t.is(result.status, 'ok');
  t.is(result.solves, 1);
});

test('precision: a step that never verifies is refused, above the trusted level too', t => {
  let calls = 0;
  const verify = () => {
    calls++;
    return false;
  };
  const result = dampedStep(systemOf([1, 0, 0, 1], [1, 1]), {damping: 1e-6, rows: 2, parameters: 9, verify});
  t.is(result.status, 'precision');
  t.is(result.solution, null);
  t.is(result.solves, MAX_RAISES + 1);
  t.is(result.pivot, null);
  t.is(calls, MAX_RAISES + 1);
});

test('flat: nothing depends on the weights', t => {
  const result = dampedStep(systemOf([0, 0, 0, 0], [1, 1]), {damping: 0.1, rows: 2, parameters: 9, verify: never});
  t.deepEqual(result, {status: 'flat', lambda: 0, damping: 0.1, solution: null, solves: 0, pivot: null});
  const empty = dampedStep(systemOf([], []), {damping: 0.1, rows: 0, parameters: 9});
  t.is(empty.status, 'flat', 'a batch without rows');
});

test('without curvature a regularizer still has its step', t => {
  // d = -e / (λ + 2ρ) with λ = τ · 2ρ = 0.6
  const result = dampedStep(systemOf([0], [1], 3), {damping: 0.1, rows: 1, parameters: 9});
  t.is(result.status, 'ok');
  t.is(result.damping, 0.1);
  t.true(Math.abs(result.lambda - 0.6) < 1e-15);
  t.true(Math.abs((result.solution?.parts[0].extraScale ?? 0) + 1 / 6.6) < 1e-15);
});

test('NaN and infinities end the search at once', t => {
  const options = {damping: 0.1, rows: 2, parameters: 9, verify: never};
  for (const value of [NaN, Infinity]) {
    const inMatrix = dampedStep(systemOf([1, 0, 0, value], [1, 1]), options);
    t.deepEqual(inMatrix, {status: 'breakdown', lambda: 0, damping: 0.1, solution: null, solves: 0, pivot: 1});
    const offDiagonal = dampedStep(systemOf([1, value, value, 1], [1, 1]), options);
    t.is(offDiagonal.status, 'breakdown');
    t.true(offDiagonal.solves <= 1);
    const inResidual = dampedStep(systemOf([1, 0, 0, 1], [1, value]), options);
    t.deepEqual(inResidual, {status: 'breakdown', lambda: 0.1, damping: 0.1, solution: null, solves: 1, pivot: 1});
    const inDamping = dampedStep(systemOf([1, 0, 0, 1], [1, 1]), {...options, damping: value});
    t.is(inDamping.status, 'breakdown');
    t.is(inDamping.solves, 1);
  }
});
