import test from 'ava';
import {effectiveDimension} from '../../src/solve/effective_dimension';
import {flat, multiply, randomMatrix, randomNumbers, symmetricWithSpectrum, transpose} from './dense';

/** Σ σ²/(σ² + λ). */
const expected = (spectrum: readonly number[], lambda: number): number => spectrum.reduce((sum, x) => sum + x / (x + lambda), 0);

// n - λ trace((C + λI)⁻¹): each of the n terms λ/(σ² + λ) is at most 1, and good to about 2⁻⁵³ (σ²max + λ)/(σ² + λ).
const close = (actual: number, wanted: number, n: number): boolean => Math.abs(actual - wanted) < 1e-12 * n;

test('a diagonal by hand', t => {
  t.is(effectiveDimension(Float64Array.of(3), 1, 1), 0.75);
  t.true(close(effectiveDimension(Float64Array.of(1, 0, 0, 3), 2, 1), 0.5 + 0.75, 2));
  t.is(effectiveDimension(new Float64Array(0), 0, 1), 0);
});

test('Σ σ²/(σ² + λ) for known spectra', t => {
  const spectra = [[5, 4, 3, 2, 1], [100, 10, 1, 0.1, 0.01, 0.001], [1, 1, 1, 0, 0, 0, 0], new Array<number>(20).fill(7)];
  spectra.forEach((spectrum, seed) => {
    const matrix = flat(symmetricWithSpectrum(spectrum, randomNumbers(seed)));
    for (const lambda of [1e-2, 0.1, 1, 10, 1e4]) {
      const dimension = effectiveDimension(matrix, spectrum.length, lambda);
      t.true(close(dimension, expected(spectrum, lambda), spectrum.length), `${spectrum.join(' ')}, λ ${lambda}: ${dimension}`);
    }
  });
});

test('it goes from the rank to 0 as λ grows', t => {
  const matrix = flat(symmetricWithSpectrum([2, 1, 0.5, 0, 0], randomNumbers(1)));
  const dimensions = [1e-9, 1e-3, 0.1, 1, 10, 1e3, 1e12].map(lambda => effectiveDimension(matrix, 5, lambda));
  t.true(Math.abs(dimensions[0] - 3) < 1e-6, 'the rank');
  t.true(dimensions.every((x, i) => i === 0 || x < dimensions[i - 1]));
  t.true(dimensions.at(-1)! >= 0 && dimensions.at(-1)! < 1e-11);
});

test('the same for A Aᵀ and AᵀA', t => {
  for (const [n, m] of [[3, 9], [9, 3], [6, 6], [1, 5]]) {
    const a = randomMatrix(n, m, randomNumbers(10 * n + m));
    for (const lambda of [1e-3, 0.1, 10]) {
      const ofRows = effectiveDimension(flat(multiply(a, transpose(a))), n, lambda);
      const ofColumns = effectiveDimension(flat(multiply(transpose(a), a)), m, lambda);
      t.true(close(ofRows, ofColumns, 9), `${n} x ${m}, λ ${lambda}: ${ofRows}, ${ofColumns}`);
    }
  }
});

test('a common factor of C and λ changes nothing', t => {
  const matrix = flat(symmetricWithSpectrum([3, 1, 0.2], randomNumbers(2)));
  const dimension = effectiveDimension(matrix, 3, 0.5);
  for (const factor of [2 ** -60, 2 ** 60]) {
    t.is(effectiveDimension(matrix.map(x => x * factor), 3, 0.5 * factor), dimension);
  }
});

test('C stays as it is', t => {
  const matrix = flat(symmetricWithSpectrum([3, 1, 0.2], randomNumbers(3)));
  const before = matrix.slice();
  effectiveDimension(matrix, 3, 1);
  t.deepEqual(matrix, before);
});

test('NaN where C + λI is not positive definite, or not finite', t => {
  t.is(effectiveDimension(Float64Array.of(1, 1, 1, 1), 2, 0), NaN);
  t.is(effectiveDimension(Float64Array.of(1, 0, 0, -2), 2, 1), NaN);
  t.is(effectiveDimension(Float64Array.of(1, 0, 0, NaN), 2, 1), NaN);
  t.is(effectiveDimension(Float64Array.of(1, 0, 0, 1), 2, Infinity), NaN);
});
