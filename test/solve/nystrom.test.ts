/** The Nyström approximation, its estimate of the trace, and its inverse, against dense matrices. */
import test from 'ava';
import {randomSigns} from '../../src/arrays/pseudo_random';
import {approximate, inverseOf} from '../../src/solve/nystrom';
import {flat, multiply, randomMatrix, randomNumbers, randomVector, relativeDistance, solveDense, transpose, type Matrix} from './dense';

const M = 60;
const random = randomNumbers(4);

/** G Gᵀ with columns of G that fall off. */
function falling(m: number, decay: (k: number) => number): Matrix {
  const g = randomMatrix(m, m, random).map(row => row.map((x, k) => x * decay(k)));
  return multiply(g, transpose(g));
}

const timesMatrix = (a: Matrix) => (x: Float64Array): Float64Array => Float64Array.from(a, row => row.reduce((sum, y, j) => sum + y * x[j], 0));
const traceOf = (a: Matrix): number => a.reduce((sum, row, i) => sum + row[i], 0);

function approximated(a: Matrix, count: number, seed = 1) {
  const vectors = Array.from({length: count}, (_, i) => randomSigns(a.length, seed + i));
  return approximate(vectors, vectors.map(timesMatrix(a)));
}

test('a matrix of low rank is its approximation, with its trace and at least its norm', t => {
  const g = randomMatrix(M, 7, random);
  const a = multiply(g, transpose(g));
  const {columns, trace, norm} = approximated(a, 12);
  const b = columns.map(column => [...column]);
  t.true(relativeDistance(flat(multiply(transpose(b), b)), flat(a)) < 1e-4);
  t.true(Math.abs(trace / traceOf(a) - 1) < 1e-4);
  const x = Float64Array.from(randomVector(M, random));
  const y = timesMatrix(a)(timesMatrix(a)(x));
  t.true(norm * 1.001 >= Math.hypot(...timesMatrix(a)(y)) / Math.hypot(...y));
});

test('the estimates of the trace have the right mean, and a small deviation if the curvature falls off', t => {
  for (const [name, decay, most] of [['flat', () => 1, 0.08], ['falling', k => 1 / (1 + k), 0.02]] as Array<[string, (k: number) => number, number]>) {
    const a = falling(M, decay);
    const errors = Array.from({length: 200}, (_, i) => approximated(a, 12, 1 + 100 * i).trace / traceOf(a) - 1);
    const mean = errors.reduce((sum, x) => sum + x, 0) / errors.length;
    const deviation = Math.sqrt(errors.reduce((sum, x) => sum + x * x, 0) / errors.length);
    t.true(deviation < most, `${name}: ${deviation}`);
    t.true(Math.abs(mean) < 4 * deviation / Math.sqrt(errors.length), `${name}: ${mean}, ${deviation}`);
  }
});

test('the inverse with a diagonal', t => {
  const g = randomMatrix(M, 7, random);
  const {columns} = approximated(multiply(g, transpose(g)), 12);
  const diagonal = Float64Array.from({length: M}, (_, i) => 1 + i % 3);
  const b = columns.map(column => [...column]);
  const matrix = multiply(transpose(b), b).map((row, p) => row.map((x, o) => x + (o === p ? diagonal[p] : 0)));
  const x = Float64Array.from(randomVector(M, random));
  t.true(relativeDistance(inverseOf(columns, diagonal)!(x), solveDense(matrix, [...x])) < 1e-9);
});

test('no curvature, and numbers that are not finite', t => {
  const zero = Array.from({length: M}, () => new Array<number>(M).fill(0));
  t.deepEqual(approximated(zero, 5), {columns: [], trace: 0, norm: 0});
  t.deepEqual([...inverseOf([], new Float64Array(2).fill(4))!(Float64Array.of(4, 8))], [1, 2]);
  t.false(Number.isFinite(approximated(zero.map(row => row.map(() => NaN)), 5).trace));
});
