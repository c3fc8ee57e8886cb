import ava from 'ava';
import type {ExecutionContext} from 'ava';
import fc from 'fast-check';
import {cholesky, type CholeskyFactor} from '../../src/arrays/cholesky';
import {withKernels} from '../../src/kernels/allowed';
import {flat, inner, multiplyVector, norm, randomMatrix, randomNumbers, randomVector, symmetricWithSpectrum, type Matrix} from '../solve/dense';

/** Every test runs by kernels of our own, which take 32 rows and more, and by loops. */
function test(title: string, run: (t: ExecutionContext) => void): void {
  for (const kernels of [true, false]) {
    ava(`${kernels ? 'by kernels' : 'by loops'}: ${title}`, t => withKernels(kernels, () => run(t)));
  }
}

/** Around the tile (3), the cache block (48) and powers of two. */
const SIZES = [1, 2, 3, 4, 5, 31, 33, 47, 48, 49, 50, 65, 96, 127, 128];

const cases = fc.record({
  n: fc.constantFrom(...SIZES),
  seed: fc.integer(),
  logCondition: fc.integer({min: 0, max: 12}),
  logScale: fc.integer({min: -9, max: 9})
});

/** A positive definite matrix whose eigenvalues fall geometrically from 10^logScale by 10^-logCondition. */
function positive(n: number, logScale: number, logCondition: number, seed: number): Matrix {
  const spectrum = Array.from({length: n}, (_, i) => 10 ** (logScale - logCondition * i / Math.max(1, n - 1)));
  return symmetricWithSpectrum(spectrum, randomNumbers(seed));
}

function factor(a: Matrix): CholeskyFactor {
  const result = cholesky(flat(a), a.length);
  if (!result.ok) {
    throw new Error(`breakdown at pivot ${result.pivot} of ${a.length}`);
  }
  return result;
}

test('L Lᵀ is the matrix, entry by entry', t => {
  t.notThrows(() => fc.assert(fc.property(cases, ({n, seed, logCondition, logScale}) => {
    const a = positive(n, logScale, logCondition, seed);
    const {lower} = factor(a);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j <= i; j++) {
        const product = inner(lower.subarray(i * n, i * n + j + 1), lower.subarray(j * n, j * n + j + 1));
        // Higham 2002, theorem 10.3, gives (n + 1) 2⁻⁵³ in the factor, and our own product adds as much.
        if (!(Math.abs(product - a[i][j]) <= (n + 2) * 2 ** -52 * Math.sqrt(a[i][i] * a[j][j]))) {
          return false;
        }
      }
    }
    return true;
  }), {numRuns: 60}));
});

test('solve is backward stable, whatever the condition number', t => {
  t.notThrows(() => fc.assert(fc.property(cases, ({n, seed, logCondition, logScale}) => {
    const a = positive(n, logScale, logCondition, seed);
    const b = randomVector(n, randomNumbers(seed + 1));
    const x = factor(a).solve(Float64Array.from(b));
    const defect = multiplyVector(a, x).map((value, i) => value - b[i]);
    // Higham 2002, theorem 10.4: |b - Ax| is at most about 4 n (3n + 1) 2⁻⁵³ |A| |x|; in practice n 2⁻⁵² |A| |x| is not reached.
    return norm(defect) <= (n + 1) * 2 ** -52 * 10 ** logScale * norm(x);
  }), {numRuns: 60}));
});

test('one factorization serves many right-hand sides and leaves them as they are', t => {
  const factored = factor([[4, 2], [2, 5]]);
  const b = Float64Array.of(8, 8);
  t.deepEqual([...factored.solve(b)], [1.5, 1]);
  t.deepEqual([...factored.solve(Float64Array.of(4, 2))], [1, 0]);
  t.deepEqual([...b], [8, 8]);
});

test('the factor is written into the matrix, and the upper triangle is not read', t => {
  t.notThrows(() => fc.assert(fc.property(cases, ({n, seed, logScale}) => {
    const a = positive(n, logScale, 2, seed);
    const whole = flat(a);
    const half = flat(a.map((row, i) => row.map((value, j) => (j > i ? NaN : value))));
    const first = cholesky(whole, n), second = cholesky(half, n);
    return first.ok && second.ok && first.lower === whole &&
        whole.every((value, p) => p % n > Math.floor(p / n) || Object.is(value, half[p]));
  }), {numRuns: 30}));
});

test('a factor 4^k of the matrix is a factor 2^k of L, to the last bit', t => {
  t.notThrows(() => fc.assert(fc.property(cases, ({n, seed, logCondition, logScale}) => {
    const a = positive(n, 0, logCondition, seed);
    const small = factor(a).lower;
    const large = factor(a.map(row => row.map(value => value * 4 ** (3 * logScale)))).lower;
    return small.every((value, p) => p % n > Math.floor(p / n) || large[p] === value * 2 ** (3 * logScale));
  }), {numRuns: 30}));
});

test('rank r: breakdown at pivot r', t => {
  t.notThrows(() => fc.assert(fc.property(cases, fc.nat(), ({n, seed, logScale}, choice) => {
    const rank = choice % n;
    const random = randomNumbers(seed);
    // B has small integer entries and a unit lower triangular top, so L = B and every operation of the factorization is exact.
    const b = Array.from({length: n}, (_, i) => Array.from({length: rank}, (_, k) => (
      k === i ? 1 : k < i ? Math.round(2 * random()) : 0)));
    const a = b.map(bi => b.map(bj => inner(bi, bj) * 4 ** logScale));
    const result = cholesky(flat(a), n);
    return !result.ok && result.pivot === rank;
  }), {numRuns: 60}));
});

test('rank deficiency that rounding hides is still a breakdown', t => {
  // One column twice: the pivot is rounding error of either sign.
  for (let seed = 0; seed < 50; seed++) {
    const rows = randomMatrix(20, 19, randomNumbers(seed));
    rows[19] = rows[7].map((value, k) => value / 3 + rows[11][k] / 7);
    const result = cholesky(flat(rows.map(a => rows.map(b => inner(a, b)))), 20);
    t.deepEqual(result, {ok: false, pivot: 19}, `seed ${seed}`);
  }
});

test('a negative eigenvalue, a zero matrix and a negative diagonal break down', t => {
  t.deepEqual(cholesky(Float64Array.of(1, 0, 2, 1), 2), {ok: false, pivot: 1});
  t.deepEqual(cholesky(new Float64Array(25), 5), {ok: false, pivot: 0});
  t.deepEqual(cholesky(Float64Array.of(4, 0, 0, -1e-300), 2), {ok: false, pivot: 1});
});

test('NaN or an infinity anywhere in the lower triangle breaks down in its row', t => {
  const bad = fc.constantFrom(NaN, Infinity, -Infinity);
  t.notThrows(() => fc.assert(fc.property(cases, bad, fc.nat(), fc.nat(), ({n, seed}, value, rowChoice, columnChoice) => {
    const row = rowChoice % n, column = columnChoice % (row + 1);
    const a = positive(n, 0, 2, seed);
    a[row][column] = value;
    const result = cholesky(flat(a), n);
    return !result.ok && result.pivot === row;
  }), {numRuns: 60}));
});

test('overflow inside the factorization is a breakdown', t => {
  t.deepEqual(cholesky(Float64Array.of(1e-10, 0, 1e300, 1e308), 2), {ok: false, pivot: 1});
});

test('an empty batch has an empty factor', t => {
  const result = cholesky(new Float64Array(0), 0);
  t.true(result.ok && result.solve(new Float64Array(0)).length === 0);
});
