import test from 'ava';
import fc from 'fast-check';
import {diagonalRoot, type CurvatureRoot} from '../../src/solve/curvature_root';
import {flat, multiply, multiplyVector, randomMatrix, randomNumbers, randomVector, relativeDistance, transpose, type Matrix} from './dense';
import {blockRoot} from './problem';

/** Sums of at most 20 terms, three times one after the other: 60 roundings of 2⁻⁵³ and some cancellation. */
const TOLERANCE = 1e-13;

const seeds = fc.integer();

function checkAgainstDense(root: CurvatureRoot, s: Matrix, seed: number): boolean {
  const n = s.length;
  const random = randomNumbers(seed + 1);
  const u = randomVector(n, random);
  const gram = randomMatrix(n, n, random);  // not symmetric, so a transposed index shows
  const start = randomMatrix(n, n, random);
  const out = flat(start);
  root.addCongruence(flat(gram), -0.7, out);
  const m = 3;
  const rows = randomMatrix(n, m, random);
  const product = multiply(transpose(s), multiply(gram, s));
  const expected = start.map((row, i) => row.map((value, j) => value - 0.7 * product[i][j]));
  return root.n === n &&
      relativeDistance(root.apply(Float64Array.from(u)), multiplyVector(s, u)) < TOLERANCE &&
      relativeDistance(root.applyTranspose(Float64Array.from(u)), multiplyVector(transpose(s), u)) < TOLERANCE &&
      relativeDistance(root.applyToRows(flat(rows), m), flat(multiply(transpose(s), rows))) < TOLERANCE &&
      relativeDistance(out, flat(expected)) < TOLERANCE;
}

test('a part is the root of those rows', t => {
  const u = Float64Array.from(randomVector(4, randomNumbers(3)));
  const whole = blockRoot(Float64Array.from(randomVector(16, randomNumbers(2))), 2);
  t.deepEqual(whole.part(2, 6).apply(u), whole.apply(Float64Array.of(0, 0, ...u, 0, 0)).slice(2, 6));
  const diagonal = diagonalRoot(Float64Array.of(1, 2, 3, 4, 5));
  t.deepEqual(diagonal.part(1, 5).applyTranspose(u), Float64Array.from(u, (x, i) => x * (i + 2)));
});

test('diagonal root equals the dense matrix', t => {
  t.notThrows(() => fc.assert(fc.property(seeds, fc.integer({min: 1, max: 20}), (seed, n) => {
    const s = randomVector(n, randomNumbers(seed));
    return checkAgainstDense(diagonalRoot(Float64Array.from(s)), s.map((si, i) => s.map((_, j) => (i === j ? si : 0))), seed);
  }), {numRuns: 40}));
});

test('block diagonal root equals the dense matrix', t => {
  t.notThrows(() => fc.assert(fc.property(seeds, fc.integer({min: 1, max: 6}), fc.integer({min: 1, max: 5}), (seed, examples, k) => {
    const n = examples * k;
    const blocks = Float64Array.from(randomVector(n * k, randomNumbers(seed)));
    const s = Array.from({length: n}, (_, i) => Array.from({length: n}, (_, j) => (
      Math.floor(i / k) === Math.floor(j / k) ? blocks[i * k + j % k] : 0)));
    return checkAgainstDense(blockRoot(blocks, k), s, seed);
  }), {numRuns: 40}));
});

test('inputs are left as they are', t => {
  const u = Float64Array.of(1, 2), gram = Float64Array.of(1, 2, 2, 5);
  for (const root of [diagonalRoot(Float64Array.of(3, 4)), blockRoot(Float64Array.of(3, 1, 2, 4), 2)]) {
    root.apply(u);
    root.applyTranspose(u);
    root.addCongruence(gram, 2, new Float64Array(4));
  }
  t.deepEqual([...u], [1, 2]);
  t.deepEqual([...gram], [1, 2, 2, 5]);
});

test('z with S z = q; rows without curvature have z = 0', t => {
  t.deepEqual([...diagonalRoot(Float64Array.of(2, 0, 0.5)).preimage(Float64Array.of(3, 4, 5))!], [1.5, 0, 10]);
});
