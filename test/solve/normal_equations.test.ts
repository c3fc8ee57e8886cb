import test from 'ava';
import fc from 'fast-check';
import {diagonalRoot} from '../../src/solve/curvature_root';
import type {CurvatureRoot} from '../../src/solve/curvature_root';
import {gramProblem} from '../../src/solve/gram_problem';
import {dampedStep} from '../../src/solve/damped_step';
import type {SolveFailure} from '../../src/solve/damped_step';
import {doublePrecision} from '../../src/solve/mixed_precision';
import type {Factorize} from '../../src/solve/mixed_precision';
import {NORMAL_FLOOR_RATIO, normalProblem as problemOfSums} from '../../src/solve/normal_equations';
import type {NormalStep} from '../../src/solve/normal_equations';
import {NormalSums} from '../../src/solve/normal_sums';
import type {Scaling} from '../../src/solve/scaling';
import {flat, multiply, multiplyVector, norm, randomMatrix, randomNumbers, randomVector, relativeDistance, solveDense,
  transpose} from './dense';
import type {Matrix} from './dense';
import {assemble, denseStep, lambdas, makeProblem, recipes, solved, TOLERANCE} from './problem';
import type {Problem} from './problem';

/** A system with its rows. */
interface EquationsOfRows {
  readonly n: number;
  readonly m: number;
  readonly rows: Float64Array;
  readonly root: CurvatureRoot;
  readonly q: Float64Array;
  readonly rho: Float64Array;
  readonly extra: ArrayLike<number> | null;
  readonly previous: ArrayLike<number> | null;
  readonly momentum: number;
  readonly scaling?: Scaling;
  readonly leastDiagonal?: ArrayLike<number>;
  readonly factorize?: Factorize;
}

function sumsOf({m, rows, root, q}: EquationsOfRows): NormalSums {
  const sums = new NormalSums(m);
  sums.add(rows, {root, q, bounds: null});
  return sums;
}

function normalProblem({extra, ...system}: EquationsOfRows): ReturnType<typeof problemOfSums> {
  const {matrix, gradient} = sumsOf({extra, ...system});
  return problemOfSums({...system, matrix, gradient: gradient.map((x, j) => x + (extra === null ? 0 : extra[j]))});
}

/** J d. */
function changeOf({n, m, rows}: EquationsOfRows, {step}: NormalStep): Float64Array {
  return Float64Array.from({length: n}, (_, i) => step.reduce((sum, x, j) => sum + rows[i * m + j] * x, 0));
}

/** The problem in the form of the normal equations. */
function systemOf({jacobian, s, z, extra, previous, rho, momentum, system: {root}}: Problem): EquationsOfRows {
  return {n: z.length, m: rho.length, rows: flat(jacobian), root, q: Float64Array.from(multiplyVector(s, z)), rho: Float64Array.from(rho), extra,
    previous, momentum};
}

/** S = I, nothing beside the rows: ½|Jd + z|² + (λ/2)|d|². */
function plain(jacobian: Matrix, z: readonly number[], more: Partial<EquationsOfRows> = {}): EquationsOfRows {
  return {n: z.length, m: jacobian[0].length, rows: flat(jacobian), root: diagonalRoot(new Float64Array(z.length).fill(1)), q: Float64Array.from(z),
    rho: new Float64Array(jacobian[0].length), extra: null, previous: null, momentum: 0, ...more};
}

function stepOf(system: EquationsOfRows, lambda: number): NormalStep {
  const solution = normalProblem(system).solve(lambda);
  if (!solution.ok) {
    throw new Error(`${solution.cause} at ${solution.pivot}`);
  }
  return solution;
}

test('equals the step from the Gram matrix at the same λ, and the change it predicts', t => {
  t.notThrows(() => fc.assert(fc.property(recipes, lambdas, (recipe, lambda) => {
    const problem = makeProblem(recipe);
    const dual = solved(problem.system, lambda), normal = stepOf(systemOf(problem), lambda);
    return normal.lambda === lambda && relativeDistance(normal.step, assemble(problem, dual)) < TOLERANCE &&
        relativeDistance(changeOf(systemOf(problem), normal), dual.change) < TOLERANCE;
  }), {numRuns: 300}));
});

test('undamped: the least-squares solution, whatever the units, without momentum', t => {
  const random = randomNumbers(5);
  const [jacobian, z] = [randomMatrix(12, 3, random), randomVector(12, random)];
  const expected = solveDense(multiply(transpose(jacobian), jacobian), multiplyVector(transpose(jacobian), z).map(x => -x));
  for (const scaling of ['levenberg', 'marquardt'] as const) {
    for (const unit of [1, 1e-10, 1e10]) {
      const scaled = jacobian.map(([a, b, c]) => [a, b * unit, c]);
      const solution = normalProblem(plain(scaled, z, {scaling, previous: [1, 1, 1], momentum: 0.9})).undamped();
      t.true(solution.ok && relativeDistance(Float64Array.from(solution.step, (d, j) => j === 1 ? d * unit : d), expected) < 1e-9, `${scaling}, ${unit}`);
    }
  }
  const singular = normalProblem(plain(jacobian.map(([a, b]) => [a, b, 0]), z)).undamped();
  t.true(singular.ok && singular.step[2] === 0);
});

test('equals the dense solve in parameter space', t => {
  t.notThrows(() => fc.assert(fc.property(recipes, lambdas, (recipe, lambda) => {
    const problem = makeProblem(recipe);
    return relativeDistance(stepOf(systemOf(problem), lambda).step, denseStep(problem, lambda)) < TOLERANCE;
  }), {numRuns: 300}));
});

test('trace, largest ρ and effective dimension are those of the Gram matrix', t => {
  t.notThrows(() => fc.assert(fc.property(recipes, lambdas, (recipe, lambda) => {
    const problem = makeProblem(recipe);
    const normal = normalProblem(systemOf(problem)), dual = gramProblem(problem.system);
    // A dimension is a difference from n or m, 35 at most.
    return Math.abs(normal.trace - dual.trace) <= 1e-12 * dual.trace && normal.rho === dual.rho &&
        Math.abs(normal.effectiveDimension(lambda) - dual.effectiveDimension(lambda)) < TOLERANCE;
  }), {numRuns: 200}));
});

test('null stands for a zero d_prev and a zero e', t => {
  const system = systemOf(makeProblem({seed: 5, examples: 6, k: 1, variables: [{size: 3, rho: 0}, {size: 2, rho: 0.3}]}));
  const zero = new Float64Array(5);
  t.deepEqual(stepOf({...system, extra: null, previous: null}, 0.1), stepOf({...system, extra: zero, previous: zero}, 0.1));
});

test('by hand: two rows, one parameter', t => {
  // J = (2, 1), S = diag(3, 1), q = (1, 2): JᵀHJ = 37, Jᵀq = 4; with e = 1, ρ = 0.5, λ = 2, μ d_prev = 0.5 · 6: d = (6 - 5) / 40.
  const system = plain([[2], [1]], [1, 2],
      {root: diagonalRoot(Float64Array.of(3, 1)), rho: Float64Array.of(0.5), extra: [1], previous: [6], momentum: 0.5});
  const problem = normalProblem(system);
  t.is(problem.trace, 37);
  t.is(problem.rho, 0.5);
  const {step, curvature} = stepOf(system, 2);
  t.deepEqual([step[0], curvature].map(x => Math.round(x * 1e15) / 1e15), [1 / 40, 37 / 1600]);
});

test('Marquardt: λ diag(JᵀHJ), whatever the units of the parameters', t => {
  t.notThrows(() => fc.assert(fc.property(recipes, fc.integer({min: -3, max: 3}), (recipe, exponent) => {
    const problem = makeProblem(recipe);
    const {jacobian, s, previous, extra, rho} = problem;
    const system = systemOf(problem);
    const lambda = 10 ** exponent;
    const {step} = stepOf({...system, scaling: 'marquardt'}, lambda);
    const rows = multiply(transpose(s), jacobian);
    const matrix = multiply(transpose(rows), rows);
    const diagonal = matrix.map((row, j) => row[j]);
    const {gradient} = sumsOf(system);
    const expected = solveDense(matrix.map((row, p) => row.map((value, o) => value + (o === p ? lambda * diagonal[p] + 2 * rho[p] : 0))),
        [...gradient].map((g, p) => lambda * diagonal[p] * problem.momentum * previous[p] - g - extra[p]));
    // Parameter p in another unit, from 2⁻²⁰ to 2²⁰: d, e and d_prev change with it, the rows do not.
    const units = rho.map((_, p) => 2 ** (10 * (p % 5) - 20));
    const scaled = {...system, rows: flat(jacobian.map(row => row.map((x, p) => x * units[p]))), extra: extra.map((e, p) => e * units[p]),
      previous: previous.map((x, p) => x / units[p]), rho: Float64Array.from(rho, (r, p) => r * units[p] ** 2), scaling: 'marquardt'} as const;
    const again = stepOf(scaled, lambda).step.map((x, p) => x * units[p]);
    return relativeDistance(step, expected) < 1e-7 && relativeDistance(again, step) < 1e-7;  // the diagonal of random columns spans a few powers of ten
  }), {numRuns: 200}));
});

test('Marquardt: λ = τ, and a dead parameter neither moves nor breaks anything', t => {
  const system = plain([[1, 0, 2], [3, 0, 1e-9], [1, 0, 5]], [1, 2, 3], {scaling: 'marquardt'});
  const {status, lambda, solution} = dampedStep(normalProblem(system), {damping: 0.01, rows: 3, parameters: 3});
  t.deepEqual([status, lambda], ['ok', 0.01]);
  t.is(solution!.step[1], 0);
  t.true(Math.abs(solution!.step[0]) > 0.01);
  const zero = dampedStep(normalProblem({...system, scaling: 'marquardt'}), {damping: 0, rows: 3, parameters: 3});
  t.is(zero.status, 'raised');
  t.true(zero.lambda >= 3 * NORMAL_FLOOR_RATIO);
  t.is(dampedStep(normalProblem(plain([[0], [0]], [1, 1], {scaling: 'marquardt'})), {damping: 1, rows: 2, parameters: 1}).status, 'flat');
  t.is(dampedStep(normalProblem(plain([[NaN], [0]], [1, 1], {scaling: 'marquardt'})), {damping: 1, rows: 2, parameters: 1}).status, 'breakdown');
});

test('Marquardt: the effective dimension is trace(A(A + λΣ)⁻¹)', t => {
  // A = diag(4, 9), Σ = A: 2 / (1 + λ)
  const problem = normalProblem(plain([[2, 0], [0, 3]], [1, 1], {scaling: 'marquardt'}));
  t.true(Math.abs(problem.effectiveDimension(0.25) - 1.6) < 1e-14);
});

test('Marquardt: a diagonal that is too small counts as more, also where all of it is zero', t => {
  // A = 1e-60, least 0.25: (1e-60 + λ/4) d = -3
  const system = plain([[1e-30]], [3e30], {scaling: 'marquardt', leastDiagonal: [0.25]});
  t.true(Math.abs(stepOf(system, 0.1).step[0] + 120) < 1e-12);
  const zero = plain([[0, 0]], [0], {scaling: 'marquardt', leastDiagonal: [0.25, 0.5], extra: [1, 1]});
  t.true(relativeDistance(stepOf(zero, 2).step, [-2, -1]) < 1e-15);
  const large = plain([[2]], [1], {scaling: 'marquardt', leastDiagonal: [0.25]});
  t.true(Math.abs(stepOf(large, 1).step[0] + 2 / 8) < 1e-15, 'the diagonal itself where it is more');
});

test('the factorization that is given, and what it says of a failure', t => {
  const system = plain([[2, 1], [1, 3], [0, 1]], [1, 2, 3]);
  const sizes: number[] = [];
  const given = {...system, factorize: ((c, n, shift) => {
    sizes.push(n, shift);
    return doublePrecision(c, n, shift);
  }) as Factorize};
  t.deepEqual(stepOf(given, 0.5), stepOf(system, 0.5));
  t.deepEqual(sizes, [2, 0]);
  const late = {...system, factorize: (() => ({ok: true, solve: () => ({ok: false, pivot: 1})})) as Factorize};
  t.deepEqual(normalProblem(late).solve(0.5), {ok: false, cause: 'singular', pivot: 1});
});

test('λ = 0 is the least-squares solution where the columns are independent, whatever their number', t => {
  for (let m = 1; m <= 9; m++) {  // the product goes by threes
    const random = randomNumbers(m);
    const jacobian = randomMatrix(30, m, random), z = randomVector(30, random);
    const change = changeOf(plain(jacobian, z), stepOf(plain(jacobian, z), 0));
    const rest = z.map((value, i) => value + change[i]);
    t.true(norm(multiplyVector(transpose(jacobian), rest)) < 1e-12, `the rest is orthogonal to the columns, m = ${m}`);
  }
});

test('λ → 0 is the least-squares solution of least norm where they are not', t => {
  const random = randomNumbers(11);
  for (const [n, m, rank] of [[20, 6, 3], [20, 6, 1], [5, 8, 5], [12, 12, 7]]) {
    const a = randomMatrix(n, rank, random), b = randomMatrix(rank, m, random), z = randomVector(n, random);
    // J = AB of full rank: J⁺ = Bᵀ(BBᵀ)⁻¹(AᵀA)⁻¹Aᵀ
    const middle = solveDense(multiply(transpose(a), a), multiplyVector(transpose(a), z));
    const expected = multiplyVector(transpose(b), solveDense(multiply(b, transpose(b)), middle)).map(value => -value);
    const jacobian = multiply(a, b);
    const {trace} = normalProblem(plain(jacobian, z));
    // λ takes away λ/σ²min, about 1e-10 · 1e3; rounding adds 2⁻⁵³ trace/λ = 1e-6.
    const {step} = stepOf(plain(jacobian, z), 1e-10 * trace);
    t.true(relativeDistance(step, expected) < 1e-5, `${n} x ${m} of rank ${rank}: ${relativeDistance(step, expected)}`);
  }
});

test('λ → ∞ is the gradient step -g/λ', t => {
  const problem = makeProblem({seed: 3, examples: 4, k: 3, variables: [{size: 4, rho: 0}, {size: 3, rho: 2}]});
  const system = {...systemOf(problem), momentum: 0};
  const gradient = sumsOf(system).gradient.map((value, j) => value + problem.extra[j]);
  t.true(relativeDistance(stepOf(system, 1e30).step.map(value => -1e30 * value), gradient) < 1e-14);
});

// ------------------------------------------------------------------------------------------------------------------- float32 rows

/**
 * Powers of 60 points on [0, 1], rounded to float32. The least eigenvalue of JᵀJ over the largest is 7e-5 up to the third power and 2.5e-9
 * up to the sixth; a float32 Gram matrix resolves 6e-8.
 */
function powers(degree: number): Matrix {
  return Array.from({length: 60}, (_, i) => Array.from({length: degree + 1}, (_, k) => Math.fround((i / 59) ** k)));
}

test('little damping, where a Gram matrix in float32 has lost the direction: the parameters that made the rows', t => {
  const jacobian = powers(6);
  const truth = [0.5, -1, 2, 0.3, -0.7, 1.5, -1.2];
  const z = multiplyVector(jacobian, truth).map(value => -value);
  const options = {damping: 1e-13, rows: 60, parameters: 7};
  const normal = dampedStep(normalProblem(plain(jacobian, z)), options);
  t.is(normal.status, 'ok');
  t.is(normal.damping, 1e-13);
  t.true(relativeDistance(normal.solution!.step, truth) < 1e-4, `${relativeDistance(normal.solution!.step, truth)}`);

  const gram = flat(multiply(jacobian, transpose(jacobian))).map(Math.fround);
  const dual = dampedStep(gramProblem({n: 60, parts: [{rho: 0, gram, previous: null, extra: null}], root: diagonalRoot(new Float64Array(60).fill(1)),
    residual: {z: Float64Array.from(z)}, momentum: 0}), options);
  t.is(dual.status, 'raised', 'the floor of the Gram matrix');
  const dualStep = multiplyVector(transpose(jacobian), dual.solution!.parts[0].coefficients).map(value => -value);
  t.true(relativeDistance(dualStep, truth) > 0.1, `${relativeDistance(dualStep, truth)}`);
});

test('the floor of λ is 2⁻⁴⁸ of the trace: it solves there, also what is singular', t => {
  const repeated = powers(3).map(row => [...row, row[1], row[2]]);
  for (const damping of [0, 1e-300, 1e-17]) {
    const problem = normalProblem(plain(repeated, repeated.map(row => row[1] - 0.3)));
    const {status, lambda, solution, solves} = dampedStep(problem, {damping, rows: 60, parameters: 6});
    t.is(status, 'raised');
    t.true(lambda >= NORMAL_FLOOR_RATIO * problem.trace && solves <= 3, `λ ${lambda}, solves ${solves}`);
    // How the two columns of x share is up to rounding at this λ, 2⁻⁵³ trace/λ of the step; their sum is not.
    const error = relativeDistance(multiplyVector(repeated, [...solution!.step]), repeated.map(row => 0.3 - row[1]));
    t.true(error < 1e-3, `${error}`);
  }
});

test('a factor of outputs and targets, or of the loss, leaves d as it is', t => {
  t.notThrows(() => fc.assert(fc.property(recipes, fc.constantFrom(2 ** -30, 2 ** -7, 2 ** 7, 2 ** 30), (recipe, factor) => {
    const problem = makeProblem(recipe);
    const {jacobian, z} = problem;
    const at = (outputs: number, loss: number): EquationsOfRows => plain(jacobian.map(row => row.map(value => value * outputs)),
        z.map(value => value * outputs * loss), {root: diagonalRoot(new Float64Array(z.length).fill(Math.sqrt(loss)))});
    const step = (system: EquationsOfRows): NormalStep =>
      dampedStep(normalProblem(system), {damping: 0.1, rows: system.n, parameters: system.m}).solution!;
    const expected = step(at(1, 1)).step;
    return relativeDistance(step(at(factor, 1)).step, expected) < TOLERANCE && relativeDistance(step(at(1, factor)).step, expected) < TOLERANCE;
  }), {numRuns: 100}));
});

// ------------------------------------------------------------------------------------------------------------------- failures

test('a singular system without enough damping is a breakdown with its pivot', t => {
  const problem = normalProblem(plain([[1, 1], [1, 1], [2, 2]], [1, 2, 3]));
  t.deepEqual(problem.solve(1e-30), {ok: false, cause: 'singular', pivot: 1});
  t.deepEqual(problem.solve(0), {ok: false, cause: 'singular', pivot: 1});
  t.true(problem.solve(1e-3).ok);
  const dead = normalProblem(plain([[0, 1], [0, 2]], [1, 2]));
  t.deepEqual(dead.solve(0), {ok: false, cause: 'singular', pivot: 0});
  const {step} = dead.solve(1e-3) as NormalStep;
  t.is(step[0], 0, 'a parameter that moves nothing stays');
});

test('flat where no row depends on a parameter; a regularizer still has its step', t => {
  const options = {damping: 0.1, rows: 2, parameters: 2};
  const still = plain([[0, 0], [0, 0]], [1, 2]);
  t.is(dampedStep(normalProblem(still), options).status, 'flat');
  const result = dampedStep(normalProblem({...still, rho: Float64Array.of(3, 1), extra: [6, 2]}), options);
  t.is(result.status, 'ok');
  // d = -e / (λ + 2ρ) with λ = τ · 2ρmax = 0.6
  t.true(relativeDistance(result.solution!.step, [-6 / 6.6, -2 / 2.6]) < 1e-14);
});

test('what is not finite is a failure, never a step', t => {
  const system = systemOf(makeProblem({seed: 4, examples: 6, k: 1, variables: [{size: 2, rho: 0}, {size: 2, rho: 0.3}]}));
  const at = <T extends ArrayLike<number>>(a: T, index: number, value: number): Float64Array => Float64Array.from(a, (x, i) => (i === index ? value : x));
  const options = {damping: 0.1, rows: 6, parameters: 4};
  for (const value of [NaN, Infinity, -Infinity]) {
    const inRight: Array<[string, EquationsOfRows, number]> = [
      ['previous', {...system, previous: at(system.previous!, 2, value)}, 2],
      ['extra', {...system, extra: at(system.extra!, 3, value)}, 3],
      ['q', {...system, q: at(system.q, 4, value)}, 0],  // row 4 of all parameters
    ];
    for (const [name, bad, pivot] of inRight) {
      t.deepEqual(normalProblem(bad).solve(0.1), {ok: false, cause: 'nonfinite', pivot}, `${name} ${value}`);
      const {status, solves} = dampedStep(normalProblem(bad), options);
      t.deepEqual([status, solves], ['breakdown', 1], `${name} ${value}: more damping is not tried`);
    }
    const inMatrix: Array<[string, EquationsOfRows]> = [
      ...Array.from({length: 24}, (_, p): [string, EquationsOfRows] => [`rows[${p}]`, {...system, rows: at(system.rows, p, value)}]),
      ['S', {...system, root: diagonalRoot(at(new Float64Array(6).fill(1), 3, value))}],
    ];
    for (const [name, bad] of inMatrix) {
      const solution = normalProblem(bad).solve(0.1) as SolveFailure;
      t.deepEqual([solution.ok, solution.cause], [false, 'nonfinite'], `${name} ${value}`);
      const result = dampedStep(normalProblem(bad), options);
      t.deepEqual([result.status, result.solves, result.solution], ['breakdown', 0, null], `${name} ${value}`);
    }
  }
  t.is(normalProblem({...system, rows: at(system.rows, 6, NaN)}).firstBadRow(), 0, 'the first parameter whose products are spoilt');
  t.is(normalProblem(system).firstBadRow(), 0);
  t.deepEqual(normalProblem(system).solve(NaN), {ok: false, cause: 'nonfinite', pivot: 0});
  t.deepEqual(normalProblem(system).solve(Infinity), {ok: false, cause: 'nonfinite', pivot: 0});
});

test('a step that overflows is a failure', t => {
  const system = plain([[1e-160], [1e-160]], [1e200, 1e200]);
  t.deepEqual(normalProblem(system).solve(1e-320), {ok: false, cause: 'overflow', pivot: 0});
  t.true(normalProblem(system).solve(1e-100).ok);
});

test('one problem serves several λ, and changes nothing of its system', t => {
  const system = systemOf(makeProblem({seed: 2, examples: 7, k: 2, variables: [{size: 4, rho: 0}, {size: 3, rho: 0.3}]}));
  const {root: _, ...data} = system;
  const before = structuredClone(data);
  const problem = normalProblem(system);
  for (const lambda of [1, 0.01, 1]) {
    t.deepEqual(problem.solve(lambda), normalProblem(system).solve(lambda));
    t.is(problem.effectiveDimension(lambda), normalProblem(system).effectiveDimension(lambda));
  }
  t.deepEqual(data, before);
});
