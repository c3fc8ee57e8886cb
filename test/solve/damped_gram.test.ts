import test from 'ava';
import fc from 'fast-check';
import {diagonalRoot} from '../../src/solve/curvature_root';
import {curvature, partCurvatures, solveDampedGram} from '../../src/solve/damped_gram';
import type {DampedGramSystem} from '../../src/solve/damped_gram';
import {gramProblem} from '../../src/solve/gram_problem';
import {dampedStep} from '../../src/solve/damped_step';
import {float32Floor} from '../../src/solve/damping';
import {effectiveDimension} from '../../src/solve/effective_dimension';
import {doublePrecision} from '../../src/solve/mixed_precision';
import type {Factorize} from '../../src/solve/mixed_precision';
import {flat, inner, multiply, multiplyVector, norm, relativeDistance, transpose} from './dense';
import {blockRoot, assemble, denseStep, lambdas, makeProblem, recipes, solved, TOLERANCE} from './problem';

test('equals the dense solve in parameter space', t => {
  t.notThrows(() => fc.assert(fc.property(recipes, lambdas, (recipe, lambda) => {
    const problem = makeProblem(recipe);
    const expected = denseStep(problem, lambda);
    return relativeDistance(assemble(problem, solved(problem.system, lambda)), expected) < TOLERANCE;
  }), {numRuns: 300}));
});

test('both forms of the residual give the same step and the same change', t => {
  t.notThrows(() => fc.assert(fc.property(recipes, lambdas, (recipe, lambda) => {
    const problem = makeProblem(recipe);
    const first = solved(problem.system, lambda), second = solved(problem.systemInQ, lambda);
    return relativeDistance(assemble(problem, second), assemble(problem, first)) < TOLERANCE &&
        relativeDistance(second.change, first.change) < TOLERANCE;
  }), {numRuns: 300}));
});

test('change is J d', t => {
  t.notThrows(() => fc.assert(fc.property(recipes, lambdas, (recipe, lambda) => {
    const problem = makeProblem(recipe);
    const solution = solved(problem.system, lambda);
    const d = assemble(problem, solution);
    const error = solution.change.map((value, i) => value - inner(problem.jacobian[i], d));
    // The error is relative to |d|, since |J d| is small if the terms of d cancel; entries of J are below one.
    return Math.sqrt(inner(error, error)) <= TOLERANCE * Math.sqrt(inner(d, d)) * problem.rho.length;
  }), {numRuns: 200}));
});

test('what stands above the diagonal of a Gram matrix does not count', t => {
  for (const k of [1, 3]) {
    const problem = makeProblem({seed: 9, examples: 24, k, variables: [{size: 5, rho: 0}, {size: 3, rho: 0.3}]});
    for (const system of [problem.system, problem.systemInQ, {...problem.system, root: diagonalRoot(new Float64Array(24 * k).fill(2))}]) {
      const parts = system.parts.map(part => ({...part, gram: part.gram.map((x, p) => p % system.n > Math.floor(p / system.n) ? x + 0.1 : x)}));
      t.deepEqual(solved({...system, parts}, 0.1), solved(system, 0.1));
    }
  }
});

test('null stands for a zero d_prev and a zero e', t => {
  const problem = makeProblem({seed: 5, examples: 3, k: 2, variables: [{size: 4, rho: 0}, {size: 3, rho: 0.3}]});
  const zero = new Float64Array(6);
  const withZero = {...problem.system, parts: problem.system.parts.map(part => ({...part, previous: zero, extra: zero}))};
  const withNull = {...problem.system, parts: problem.system.parts.map(part => ({...part, previous: null, extra: null}))};
  t.deepEqual(solved(withNull, 0.1), solved(withZero, 0.1));
});

test('by hand: one row, one parameter', t => {
  // J = 2, S = 3, z = 1, λ = 4: d = -JS/(J²S² + λ) = -6/40, coefficient = S/40.
  const part = {rho: 0, gram: Float64Array.of(4), previous: null, extra: null};
  const system = {n: 1, parts: [part], root: diagonalRoot(Float64Array.of(3)), residual: {z: Float64Array.of(1)}, momentum: 0};
  const {parts, change, lambda} = solved(system, 4);
  t.deepEqual(parts, [{previousScale: 0, extraScale: -0.25, coefficients: Float64Array.of(3 / 40)}]);
  t.deepEqual(change, Float64Array.of(-12 / 40));
  t.is(lambda, 4);
});

test('λ → 0 interpolates where n <= m', t => {
  for (let seed = 0; seed < 20; seed++) {
    const {system, s, z} = makeProblem({seed, examples: 3, k: 2, variables: [{size: 20, rho: 0}]});
    const withoutExtra = {...system, parts: system.parts.map(part => ({...part, previous: null, extra: null}))};
    for (const lambda of [1e-20, 1e-30]) {
      const {change} = solved(withoutExtra, lambda);
      // Sᵀ J d = -z. Random 6 x 20 rows and 2 x 2 blocks have condition numbers up to some 1e3, squared in the Gram matrix.
      t.true(relativeDistance(multiplyVector(transpose(s), change), z.map(value => -value)) < 1e-9, `seed ${seed}`);
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
    t.true(relativeDistance(d, gradient) < 1e-14);
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
        root: blockRoot(flat(s), k),  // one block of n x n
        residual: {z: Float64Array.from(problem.z, value => value * Math.sqrt(gramFactor) * rootFactor)},
        parts: system.parts.map(({gram}) => ({rho: 0, gram: gram.map(g => g * gramFactor), previous: null, extra: null}))
      };
    };
    const lambda = 0.1;
    const plain = solved(scaled(1, 1), lambda).parts;
    const outputs = solved(scaled(factor ** 2, 1), lambda * factor ** 2).parts;  // J and z times factor
    const loss = solved(scaled(1, factor), lambda * factor ** 2).parts;          // S and z times √(loss factor)
    // d = -Jᵀ coefficients: J is `factor` times as large in the first case, the same in the second.
    return plain.every(({coefficients}, g) => relativeDistance(outputs[g].coefficients.map(c => c * factor), coefficients) < TOLERANCE &&
        relativeDistance(loss[g].coefficients, coefficients) < TOLERANCE);
  }), {numRuns: 100}));
});

test('a row of weight 0 has no influence', t => {
  const problem = makeProblem({seed: 8, examples: 5, k: 1, variables: [{size: 4, rho: 0}]});
  const dropped = {...problem.system, root: diagonalRoot(Float64Array.of(1, 1, 0, 1, 1)), residual: {z: Float64Array.of(1, 2, 0, 3, 4)}};
  t.is(solved(dropped, 0.1).parts[0].coefficients[2], 0);
});

test('curvature is Σ SᵀG_gS, and its parts serve several λ', t => {
  const {jacobian, s, system} = makeProblem({seed: 2, examples: 3, k: 2, variables: [{size: 4, rho: 0}, {size: 3, rho: 0.3}]});
  const rows = multiply(transpose(s), jacobian);
  t.true(relativeDistance(curvature(system), flat(multiply(rows, transpose(rows)))) < 1e-14);
  const parts = partCurvatures(system);
  for (const lambda of [1, 0.01]) {
    t.deepEqual(solveDampedGram(system, lambda, parts), solveDampedGram(system, lambda));
  }
});

test('a singular system without enough damping is a breakdown with its pivot', t => {
  const part = {rho: 0, gram: Float64Array.of(1, 1, 1, 1), previous: null, extra: null};
  const system = {n: 2, parts: [part], root: diagonalRoot(Float64Array.of(1, 1)), residual: {z: Float64Array.of(1, 2)}, momentum: 0};
  t.deepEqual(solveDampedGram(system, 1e-30), {ok: false, cause: 'singular', pivot: 1});
  t.deepEqual(solveDampedGram(system, 0), {ok: false, cause: 'singular', pivot: 0});
  t.true(solveDampedGram(system, 1e-3).ok);
});

test('what is not finite is a failure, never a step', t => {
  const {system, systemInQ} = makeProblem({seed: 4, examples: 6, k: 1, variables: [{size: 4, rho: 0}, {size: 3, rho: 0.3}]});
  const at3 = (a: Float64Array, value: number) => a.map((entry, i) => (i === 3 ? value : entry));
  for (const value of [NaN, Infinity, -Infinity]) {
    const part = system.parts[1];
    const spoilt: [string, DampedGramSystem][] = [
      ['z', {...system, residual: {z: at3(new Float64Array(6), value)}}],
      ['q', {...systemInQ, residual: {q: at3(new Float64Array(6), value)}}],
      ['S', {...system, root: diagonalRoot(at3(new Float64Array(6).fill(1), value))}],
      ['previous', {...system, parts: [system.parts[0], {...part, previous: at3(new Float64Array(6), value)}]}],
      ['extra', {...system, parts: [system.parts[0], {...part, extra: at3(new Float64Array(6), value)}]}]
    ];
    for (const [name, bad] of spoilt) {
      t.deepEqual(solveDampedGram(bad, 0.1), {ok: false, cause: 'nonfinite', pivot: 3}, `${name} ${value}`);
    }
    for (let p = 0; p < 36; p++) {
      const gram = part.gram.slice();
      gram[p] = gram[p % 6 * 6 + Math.floor(p / 6)] = value;
      for (const {residual} of [system, systemInQ]) {
        const solution = solveDampedGram({...system, residual, parts: [system.parts[0], {...part, gram}]}, 0.1);
        t.true(!solution.ok && solution.cause === 'nonfinite', `gram[${p}] ${value}`);
      }
    }
  }
  t.deepEqual(solveDampedGram(system, NaN), {ok: false, cause: 'nonfinite', pivot: 0});
  t.deepEqual(solveDampedGram(system, Infinity), {ok: false, cause: 'nonfinite', pivot: 0});
  t.deepEqual(solveDampedGram({...system, momentum: NaN}, 0.1), {ok: false, cause: 'nonfinite', pivot: 0});
});

test('a step that overflows is a failure that more damping cures', t => {
  const part = {rho: 0, gram: Float64Array.of(1, 0, 0, 1e-300), previous: null, extra: Float64Array.of(1e10, 1e10)};
  const system = {n: 2, parts: [part], root: diagonalRoot(Float64Array.of(1, 1)), residual: {z: Float64Array.of(1, 2)}, momentum: 0};
  for (const lambda of [1e-309, 1e-300, 1e-298]) {  // 1/λ, J e/λ, and the change of the rows
    t.deepEqual(solveDampedGram(system, lambda), {ok: false, cause: 'overflow', pivot: 0});
  }
  t.true(solveDampedGram(system, 1e-3).ok);
  const unlimited = {...gramProblem(system), limits: () => ({floor: 0, trusted: 0})};
  const {status, solves} = dampedStep(unlimited, {damping: 1e-152, rows: 2, parameters: 1});
  t.is(status, 'raised');
  t.true(solves > 1 && solves < 8, `${solves} solves`);
});

test('M is factored as it is told, and may break down as late as in a solve', t => {
  const problem = makeProblem({seed: 3, examples: 4, k: 2, variables: [{size: 3, rho: 0}, {size: 4, rho: 2}]});
  const late: Factorize = () => ({ok: true, solve: () => ({ok: false, pivot: 5})});
  for (const system of [problem.system, problem.systemInQ]) {
    const seen: number[] = [];
    const noted: Factorize = (c, n, shift) => {
      seen.push(shift);
      return doublePrecision(c, n, shift);
    };
    t.deepEqual(solveDampedGram({...system, factorize: noted}, 0.5), solveDampedGram(system, 0.5));
    t.deepEqual(seen, [0.5]);
    t.deepEqual(solveDampedGram({...system, factorize: late}, 0.5), {ok: false, cause: 'singular', pivot: 5});
  }
});

test('a problem with S = s I is solved without SᵀGS, and is the same', t => {
  t.notThrows(() => fc.assert(fc.property(recipes, lambdas, fc.constantFrom(1, 1e-3, 0.7, 200), (recipe, relative, s) => {
    const lambda = relative * s ** 2;
    const made = makeProblem({...recipe, k: 1});
    const n = made.system.n;
    const root = diagonalRoot(new Float64Array(n).fill(s));
    for (const residual of [made.system.residual, {q: Float64Array.from(made.z, z => s * z)}]) {
      const system = {...made.system, root, residual};
      const problem = gramProblem(system);
      const [found, direct] = [problem.solve(lambda), solveDampedGram(system, lambda)];
      const whole = curvature(system);
      const trace = whole.reduce((sum, x, p) => sum + (p % (n + 1) === 0 ? x : 0), 0);
      const limits = float32Floor(whole, n);
      const got = problem.limits(1e-9 * trace);
      if (!found.ok || !direct.ok) {
        return false;
      }
      // J d may be a small difference of large parts: its rounding is a share of √trace(JJᵀ) |d|.
      const scale = Math.sqrt(trace) / s * norm(assemble(made, direct));
      const changeError = norm(found.change.map((x, i) => x - direct.change[i]));
      if (found.lambda !== lambda || relativeDistance(assemble(made, found), assemble(made, direct)) > TOLERANCE ||
          changeError > TOLERANCE * scale || relativeDistance([problem.trace, got.floor, got.trusted], [trace, limits.floor, limits.trusted]) > 1e-12 ||
          Math.abs(problem.effectiveDimension(lambda) - effectiveDimension(whole, n, lambda)) > 1e-6 || problem.rho !== Math.max(...system.parts.map(({rho}) => rho)) && s === 1) {
        return false;
      }
    }
    return true;
  }), {numRuns: 200}));
});
