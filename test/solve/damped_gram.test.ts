import test from 'ava';
import fc from 'fast-check';
import {blockDiagonalRoot, diagonalRoot, type CurvatureRoot} from '../../src/solve/curvature_root';
import {curvature, groupCurvatures, solveDampedGram, type DampedGramStep, type DampedGramSystem} from '../../src/solve/damped_gram';
import {flat, inner, multiply, multiplyVector, randomMatrix, randomNumbers, randomVector, relativeError, solveDense, transpose,
        type Matrix} from './dense';

/** A minimisation problem in R^m with everything written out, and the same problem as the source takes it. */
interface Problem {
  readonly jacobian: Matrix;       // n x m
  readonly s: Matrix;              // n x n
  readonly z: number[];
  readonly extra: number[];        // m
  readonly previous: number[];     // m
  readonly rho: number[];          // m, constant within a variable
  readonly momentum: number;
  readonly system: DampedGramSystem;
  /** The same system with q = S z in the place of z. */
  readonly systemInQ: DampedGramSystem;
}

const RHOS = [0, 0.3, 2];

/** What a problem is made from: short, so that a counterexample can be read. */
interface Recipe {
  readonly seed: number;
  readonly examples: number;
  readonly k: number;
  readonly variables: readonly {readonly size: number; readonly rho: number}[];
}

function makeProblem({seed, examples, k, variables}: Recipe): Problem {
  const random = randomNumbers(seed);
  const n = examples * k;
  const m = variables.reduce((sum, {size}) => sum + size, 0);
  const jacobian = randomMatrix(n, m, random);
  const rho = variables.flatMap(({size, rho}) => new Array<number>(size).fill(rho));
  const blocks = Float64Array.from(randomVector(n * k, random));
  const s = Array.from({length: n}, (_, i) => Array.from({length: n}, (_, j) => (
    Math.floor(i / k) === Math.floor(j / k) ? blocks[i * k + j % k] : 0)));
  const root: CurvatureRoot = k === 1 ? diagonalRoot(blocks) : blockDiagonalRoot(blocks, k);
  const z = randomVector(n, random), extra = randomVector(m, random), previous = randomVector(m, random);
  const momentum = 0.9;
  const groups = [...new Set(rho)].map(value => {
    const part = jacobian.map(row => row.map((entry, p) => (rho[p] === value ? entry : 0)));  // J of this group, else 0
    return {
      rho: value,
      gram: flat(multiply(part, transpose(part))),
      previous: Float64Array.from(multiplyVector(part, previous)),
      extra: Float64Array.from(multiplyVector(part, extra))
    };
  });
  const shared = {n, groups, root, momentum};
  return {
    jacobian, s, z, extra, previous, rho, momentum,
    system: {...shared, residual: {z: Float64Array.from(z)}},
    systemInQ: {...shared, residual: {q: Float64Array.from(multiplyVector(s, z))}}
  };
}

/** The minimiser of ½|SᵀJd + z|² + eᵀd + Σρ|d|² + (λ/2)|d - μ d_prev|², from its m x m normal equations. */
function denseStep({jacobian, s, z, extra, previous, rho, momentum}: Problem, lambda: number): number[] {
  const rows = multiply(transpose(s), jacobian);
  const matrix = multiply(transpose(rows), rows).map((row, p) => row.map((value, o) => value + (o === p ? lambda + 2 * rho[p] : 0)));
  const gradient = multiplyVector(transpose(rows), z);
  return solveDense(matrix, gradient.map((value, p) => lambda * momentum * previous[p] - value - extra[p]));
}

/** d from what the source returns, as a caller would form it. */
function assemble({jacobian, extra, previous, rho, system}: Problem, solution: DampedGramStep): number[] {
  const columns = transpose(jacobian);
  return columns.map((column, p) => {
    const step = solution.groups[system.groups.findIndex(group => group.rho === rho[p])];
    return step.previousScale * previous[p] + step.extraScale * extra[p] - inner(column, step.coefficients);
  });
}

function solved(system: DampedGramSystem, lambda: number): DampedGramStep {
  const solution = solveDampedGram(system, lambda);
  if (!solution.ok) {
    throw new Error(`${solution.cause} at row ${solution.pivot}`);
  }
  return solution;
}

const recipes = fc.record({
  seed: fc.integer(),
  examples: fc.integer({min: 1, max: 8}),
  k: fc.integer({min: 1, max: 3}),
  variables: fc.array(fc.record({size: fc.integer({min: 1, max: 7}), rho: fc.constantFrom(...RHOS)}), {minLength: 1, maxLength: 5})
});

const lambdas = fc.integer({min: -3, max: 6}).map(exponent => 10 ** exponent);

// Entries are below one and sizes below 36, so the condition number is at most 36 · 24 · 3 / 1e-3 < 1e7 and both sides are good to
// 1e7 · 2⁻⁵³ = 1e-9; the largest error of 3000 problems at λ = 1e-3 was 8e-12. Errors are relative to the norm of the whole vector.
const TOLERANCE = 1e-9;

test('equals the dense solve in parameter space', t => {
  t.notThrows(() => fc.assert(fc.property(recipes, lambdas, (recipe, lambda) => {
    const problem = makeProblem(recipe);
    const expected = denseStep(problem, lambda);
    return relativeError(assemble(problem, solved(problem.system, lambda)), expected) < TOLERANCE;
  }), {numRuns: 300}));
});

test('both forms of the residual give the same step and the same change', t => {
  t.notThrows(() => fc.assert(fc.property(recipes, lambdas, (recipe, lambda) => {
    const problem = makeProblem(recipe);
    const first = solved(problem.system, lambda), second = solved(problem.systemInQ, lambda);
    return relativeError(assemble(problem, second), assemble(problem, first)) < TOLERANCE &&
        relativeError(second.change, first.change) < TOLERANCE;
  }), {numRuns: 300}));
});

test('change is J d', t => {
  t.notThrows(() => fc.assert(fc.property(recipes, lambdas, (recipe, lambda) => {
    const problem = makeProblem(recipe);
    const solution = solved(problem.system, lambda);
    const d = assemble(problem, solution);
    const error = solution.change.map((value, i) => value - inner(problem.jacobian[i], d));
    // Against |d| and not against |J d|, which is small where the terms of d cancel; entries of J are below one.
    return Math.sqrt(inner(error, error)) <= TOLERANCE * Math.sqrt(inner(d, d)) * problem.rho.length;
  }), {numRuns: 200}));
});

test('null stands for a zero d_prev and a zero e', t => {
  const problem = makeProblem({seed: 5, examples: 3, k: 2, variables: [{size: 4, rho: 0}, {size: 3, rho: 0.3}]});
  const zero = new Float64Array(6);
  const withZero = {...problem.system, groups: problem.system.groups.map(group => ({...group, previous: zero, extra: zero}))};
  const withNull = {...problem.system, groups: problem.system.groups.map(group => ({...group, previous: null, extra: null}))};
  t.deepEqual(solved(withNull, 0.1), solved(withZero, 0.1));
});

test('by hand: one row, one parameter', t => {
  // J = 2, S = 3, z = 1, λ = 4: d = -JS/(J²S² + λ) = -6/40, coefficient = S/40.
  const group = {rho: 0, gram: Float64Array.of(4), previous: null, extra: null};
  const system = {n: 1, groups: [group], root: diagonalRoot(Float64Array.of(3)), residual: {z: Float64Array.of(1)}, momentum: 0};
  const {groups, change, lambda} = solved(system, 4);
  t.deepEqual(groups, [{previousScale: 0, extraScale: -0.25, coefficients: Float64Array.of(3 / 40)}]);
  t.deepEqual(change, Float64Array.of(-12 / 40));
  t.is(lambda, 4);
});

test('λ → 0 interpolates where n <= m', t => {
  for (let seed = 0; seed < 20; seed++) {
    const {system, s, z} = makeProblem({seed, examples: 3, k: 2, variables: [{size: 20, rho: 0}]});
    const withoutExtra = {...system, groups: system.groups.map(group => ({...group, previous: null, extra: null}))};
    for (const lambda of [1e-20, 1e-30]) {
      const {change} = solved(withoutExtra, lambda);
      // Sᵀ J d = -z. Random 6 x 20 rows and 2 x 2 blocks have condition numbers up to some 1e3, squared in the Gram matrix.
      t.true(relativeError(multiplyVector(transpose(s), change), z.map(value => -value)) < 1e-9, `seed ${seed}`);
    }
  }
});

test('λ → ∞ is the gradient step -g/λ', t => {
  const problem = makeProblem({seed: 3, examples: 2, k: 3, variables: [{size: 4, rho: 0}, {size: 3, rho: 2}]});
  const {s, z, jacobian, extra} = problem;
  const gradient = multiplyVector(transpose(multiply(transpose(s), jacobian)), z).map((value, p) => value + extra[p]);
  for (const system of [problem.system, problem.systemInQ]) {
    const still = {...system, momentum: 0};
    const d = assemble(problem, solved(still, 1e30)).map(value => -1e30 * value);
    t.true(relativeError(d, gradient) < 1e-14);
  }
});

test('a factor of outputs and targets, or of the loss, leaves d as it is', t => {
  t.notThrows(() => fc.assert(fc.property(recipes, fc.constantFrom(1e-9, 1e-2, 1e2, 1e9), (recipe, factor) => {
    const problem = makeProblem(recipe);
    const scaled = (gramFactor: number, rootFactor: number): DampedGramSystem => {
      const {system} = problem;
      const s = problem.s.map(row => row.map(value => value * rootFactor));
      const k = problem.s.length;
      return {
        ...system,
        root: blockDiagonalRoot(flat(s), k),  // one block of n x n
        residual: {z: Float64Array.from(problem.z, value => value * Math.sqrt(gramFactor) * rootFactor)},
        groups: system.groups.map(({gram}) => ({rho: 0, gram: gram.map(g => g * gramFactor), previous: null, extra: null}))
      };
    };
    const lambda = 0.1;
    const plain = solved(scaled(1, 1), lambda).groups;
    const outputs = solved(scaled(factor ** 2, 1), lambda * factor ** 2).groups;  // J and z times factor
    const loss = solved(scaled(1, factor), lambda * factor ** 2).groups;          // S and z times √(loss factor)
    // d = -Jᵀ coefficients: J is `factor` times as large in the first case, the same in the second.
    return plain.every(({coefficients}, g) => relativeError(outputs[g].coefficients.map(c => c * factor), coefficients) < TOLERANCE &&
        relativeError(loss[g].coefficients, coefficients) < TOLERANCE);
  }), {numRuns: 100}));
});

test('a row of weight 0 has no influence', t => {
  const problem = makeProblem({seed: 8, examples: 5, k: 1, variables: [{size: 4, rho: 0}]});
  const dropped = {...problem.system, root: diagonalRoot(Float64Array.of(1, 1, 0, 1, 1)), residual: {z: Float64Array.of(1, 2, 0, 3, 4)}};
  t.is(solved(dropped, 0.1).groups[0].coefficients[2], 0);
});

test('curvature is Σ SᵀG_gS, and its parts serve several λ', t => {
  const {jacobian, s, system} = makeProblem({seed: 2, examples: 3, k: 2, variables: [{size: 4, rho: 0}, {size: 3, rho: 0.3}]});
  const rows = multiply(transpose(s), jacobian);
  t.true(relativeError(curvature(system), flat(multiply(rows, transpose(rows)))) < 1e-14);
  const parts = groupCurvatures(system);
  for (const lambda of [1, 0.01]) {
    t.deepEqual(solveDampedGram(system, lambda, parts), solveDampedGram(system, lambda));
  }
});

test('a singular system without enough damping is a breakdown with its pivot', t => {
  const group = {rho: 0, gram: Float64Array.of(1, 1, 1, 1), previous: null, extra: null};
  const system = {n: 2, groups: [group], root: diagonalRoot(Float64Array.of(1, 1)), residual: {z: Float64Array.of(1, 2)}, momentum: 0};
  t.deepEqual(solveDampedGram(system, 1e-30), {ok: false, cause: 'singular', pivot: 1});
  t.deepEqual(solveDampedGram(system, 0), {ok: false, cause: 'singular', pivot: 0});
  t.true(solveDampedGram(system, 1e-3).ok);
});

test('what is not finite is a failure, never a step', t => {
  const {system, systemInQ} = makeProblem({seed: 4, examples: 6, k: 1, variables: [{size: 4, rho: 0}, {size: 3, rho: 0.3}]});
  const at3 = (a: Float64Array, value: number) => a.map((entry, i) => (i === 3 ? value : entry));
  for (const value of [NaN, Infinity, -Infinity]) {
    const group = system.groups[1];
    const spoilt: [string, DampedGramSystem][] = [
      ['z', {...system, residual: {z: at3(new Float64Array(6), value)}}],
      ['q', {...systemInQ, residual: {q: at3(new Float64Array(6), value)}}],
      ['S', {...system, root: diagonalRoot(at3(new Float64Array(6).fill(1), value))}],
      ['previous', {...system, groups: [system.groups[0], {...group, previous: at3(new Float64Array(6), value)}]}],
      ['extra', {...system, groups: [system.groups[0], {...group, extra: at3(new Float64Array(6), value)}]}]
    ];
    for (const [name, bad] of spoilt) {
      t.deepEqual(solveDampedGram(bad, 0.1), {ok: false, cause: 'nonfinite', pivot: 3}, `${name} ${value}`);
    }
    for (let p = 0; p < 36; p++) {  // above the diagonal too, which Cholesky does not read
      const gram = group.gram.slice();
      gram[p] = value;
      for (const {residual} of [system, systemInQ]) {
        const solution = solveDampedGram({...system, residual, groups: [system.groups[0], {...group, gram}]}, 0.1);
        t.true(!solution.ok && solution.cause === 'nonfinite', `gram[${p}] ${value}`);
      }
    }
  }
  t.deepEqual(solveDampedGram(system, NaN), {ok: false, cause: 'nonfinite', pivot: 0});
  t.deepEqual(solveDampedGram(system, Infinity), {ok: false, cause: 'nonfinite', pivot: 0});
  t.deepEqual(solveDampedGram({...system, momentum: NaN}, 0.1), {ok: false, cause: 'nonfinite', pivot: 0});
});
