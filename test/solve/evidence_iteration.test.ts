import test from 'ava';
import {symmetricEigen} from '../../src/arrays/symmetric_eigen';
import {diagonalRoot} from '../../src/solve/curvature_root';
import {segmentedRoot} from '../../src/solve/segmented_root';
import {evidenceIteration} from '../../src/solve/evidence_iteration';
import {gramProblem} from '../../src/solve/gram_problem';
import {flat, multiply, multiplyVector, randomMatrix, randomNumbers, randomVector, transpose} from './dense';

/** n rows, m parameters: C = JJᵀ, and z = J w + noise · e. */
function problem(n: number, m: number, noise: number, seed: number) {
  const random = randomNumbers(seed);
  const j = randomMatrix(n, m, random);
  const z = multiplyVector(j, randomVector(m, random)).map(x => x + noise * 3 * random());
  return {j, curvature: flat(multiply(j, transpose(j))), z: Float64Array.from(z), n};
}

/** γ, α/β and the evidence at λ, from the eigenvalues of C. */
function reference({curvature, z, n}: {curvature: Float64Array; z: Float64Array; n: number}, lambda: number) {
  const {values, vectors} = symmetricEigen(curvature, n);
  const s = Array.from(values, x => Math.max(0, x));
  const y = s.map((_, c) => z.reduce((sum, x, i) => sum + vectors[i * n + c] * x, 0));
  const u = s.map((x, c) => y[c] * lambda / (x + lambda));
  const gamma = s.reduce((sum, x) => sum + x / (x + lambda), 0);
  const beta = (n - gamma) / u.reduce((sum, x) => sum + x * x, 0);
  const alpha = gamma / s.reduce((sum, x, c) => sum + x * u[c] ** 2 / lambda ** 2, 0);
  // Two times the log evidence, with the best β at this λ: -n ln(zᵀM⁻¹z) - ln det M.
  const log = -n * Math.log(s.reduce((sum, x, c) => sum + y[c] ** 2 / (x / lambda + 1), 0)) -
      s.reduce((sum, x) => sum + Math.log(x / lambda + 1), 0);
  return {damping: alpha / beta, log};
}

test('α/β as from the eigenvalues', t => {
  for (const [n, m] of [[3, 5], [12, 5], [20, 60], [50, 20]]) {
    const p = problem(n, m, 0.5, n + m);
    for (const lambda of [1e-3, 0.1, 1, 10, 1e3]) {
      const found = evidenceIteration(p.curvature, n, lambda, p.z)!;
      t.true(Math.abs(found / reference(p, lambda).damping - 1) < 1e-8, `${n} x ${m}, λ ${lambda}: ${found}`);
    }
  }
});

test('the iteration ends at the largest evidence', t => {
  const p = problem(40, 12, 0.7, 3);
  let lambda = 1;
  for (let i = 0; i < 200; i++) {
    lambda = evidenceIteration(p.curvature, p.n, lambda, p.z)!;
  }
  const most = reference(p, lambda).log;
  for (const factor of [0.5, 0.9, 1.1, 2]) {
    t.true(reference(p, lambda * factor).log < most, `λ ${lambda}, factor ${factor}`);
  }
});

test('residuals that the parameters do not explain raise the damping from step to step', t => {
  const {curvature, n} = problem(40, 200, 0, 4);
  const {vectors, values} = symmetricEigen(curvature, n);
  const weakest = values.indexOf(Math.min(...values));
  const z = Float64Array.from({length: n}, (_, i) => vectors[i * n + weakest]);
  const signal = Float64Array.from({length: n}, (_, i) => vectors[i * n + values.indexOf(Math.max(...values))]);
  t.true(evidenceIteration(curvature, n, 10, z)! > 15);
  t.true(evidenceIteration(curvature, n, 10, signal)! < 5);
});

test('the scale of the loss is the scale of λ', t => {
  const {curvature, z, n} = problem(10, 30, 0.3, 5);
  const plain = evidenceIteration(curvature, n, 0.2, z)!;
  for (const s of [2 ** -40, 2 ** 40]) {
    t.is(evidenceIteration(curvature.map(x => x * s ** 2), n, 0.2 * s ** 2, z.map(x => x * s)), plain * s ** 2);
    t.is(evidenceIteration(curvature, n, 0.2, z.map(x => x * s)), plain, 'λ does not depend on the unit of z');
  }
});

test('rows of weight 0 do not count', t => {
  const {curvature, z, n} = problem(6, 9, 0.3, 6);
  const padded = new Float64Array(10 * 10);
  for (let i = 0; i < n; i++) {
    padded.set(curvature.subarray(i * n, (i + 1) * n), (i + 2) * 10 + 2);
  }
  const more = new Float64Array(10);
  more.set(z, 2);
  const found = evidenceIteration(padded, 10, 0.4, more)!;
  t.true(Math.abs(found / evidenceIteration(curvature, n, 0.4, z)! - 1) < 1e-12);
});

test('at least 2⁻²² of the trace; null without numbers', t => {
  const {curvature, z, n} = problem(5, 9, 0, 7);
  const trace = Array.from({length: n}, (_, i) => curvature[i * n + i]).reduce((a, b) => a + b);
  t.true(evidenceIteration(curvature, n, 0, z)! >= 2 ** -22 * trace);
  t.is(evidenceIteration(curvature, n, 1, new Float64Array(n)), null, 'nothing to explain');
  t.is(evidenceIteration(new Float64Array(n * n), n, 1, z), null, 'nothing to explain it with');
  t.is(evidenceIteration(curvature, n, 1, z.map(() => NaN)), null);
  t.is(evidenceIteration(curvature.map(() => NaN), n, 1, z), null);
});

test('in the problem of a step: any weights of the rows, and residuals at earlier weights', t => {
  const {j, z, n} = problem(8, 20, 0.4, 8);
  const gram = flat(multiply(j, transpose(j)));
  const moved = Float64Array.from(randomVector(n, randomNumbers(9)));
  const part = {rho: 0, gram, previous: null, extra: null};
  for (const weights of [new Array<number>(n).fill(1), new Array<number>(n).fill(0.3), [1, 2, 0.5, 0, 3, 1, 1, 0.1]]) {
    const damped = gramProblem({n, parts: [part], root: diagonalRoot(Float64Array.from(weights)), residual: {z}, momentum: 0});
    const curvature = gram.map((x, p) => x * weights[Math.floor(p / n)] * weights[p % n]);
    for (const by of [null, moved]) {
      const before = by === null ? z : z.map((x, i) => x - weights[i] * by[i]);
      const found = damped.dampingByEvidence!(0.7, by)!;
      t.true(Math.abs(found / evidenceIteration(curvature, n, 0.7, before)! - 1) < 1e-12, weights.join(' '));
    }
  }
});

test('of a likelihood that of the z with q = S z; none without such a z, nor beside a regularizer', t => {
  const {j, z, n} = problem(4, 6, 0.4, 8);
  const part = {rho: 0, gram: flat(multiply(j, transpose(j))), previous: null, extra: null};
  const root = diagonalRoot(new Float64Array(n).fill(0.5));
  const damping = (of: Partial<Parameters<typeof gramProblem>[0]>): number | null =>
    gramProblem({n, parts: [part], root, residual: {z}, momentum: 0, ...of}).dampingByEvidence!(1, null);
  t.true(Math.abs(damping({residual: {q: root.apply(z)}})! / damping({})! - 1) < 1e-12);
  const oblique = segmentedRoot(new Float64Array(n).fill(0.5), [{first: 0, k: 2, entries: Float64Array.of(1, 2, 0, -1)}]);
  t.not(damping({root: oblique}), null);
  t.is(damping({residual: {q: z}, root: oblique}), null);
  t.is(damping({parts: [{...part, rho: 0.1}]}), null);
  t.is(damping({parts: [{...part, extra: z}]}), null);
});
