import test from 'ava';
import {symmetricEigen} from '../../src/arrays/symmetric_eigen';
import {inverseDiagonal} from '../../src/arrays/inverse_diagonal';
import {total} from '../../src/arrays/vectors';
import {shiftedIdentity} from '../../src/solve/shifted_identity';
import {flat, multiply, randomMatrix, randomNumbers, randomVector, relativeDistance, symmetricWithSpectrum, transpose} from './dense';

/** trace(M⁻¹), M⁻¹z and ln det M from the factor; null without one. */
function fromFactor(gram: Float64Array, n: number, lambda: number, z: Float64Array) {
  const factor = shiftedIdentity(gram, n, lambda);
  return factor === null ? null : {trace: total(inverseDiagonal(factor)), solved: factor.solve(z),
    logDeterminant: Array.from({length: n}, (_, i) => 2 * Math.log(factor.lower[i * n + i])).reduce((a, b) => a + b, 0)};
}

/** trace(M⁻¹), M⁻¹z and ln det M from the eigenvalues and eigenvectors of G. */
function fromEigenvalues(gram: Float64Array, n: number, lambda: number, z: readonly number[]) {
  const {values, vectors} = symmetricEigen(gram, n);
  const shifted = Array.from(values, x => Math.max(0, x) / lambda + 1);
  const solved = new Array<number>(n).fill(0);
  shifted.forEach((x, c) => {
    const share = z.reduce((sum, zi, i) => sum + vectors[i * n + c] * zi, 0) / x;
    z.forEach((_, i) => solved[i] += vectors[i * n + c] * share);
  });
  return {
    trace: shifted.reduce((sum, x) => sum + 1 / x, 0), solved,
    logDeterminant: shifted.reduce((sum, x) => sum + Math.log(x), 0),
  };
}

test('trace, solution and determinant as from the eigenvalues, for full and for low rank', t => {
  for (const [n, m] of [[1, 1], [4, 9], [9, 4], [40, 7], [60, 100]]) {
    const j = randomMatrix(n, m, randomNumbers(n + 1000 * m));
    const gram = flat(multiply(j, transpose(j)));
    const z = randomVector(n, randomNumbers(n));
    for (const lambda of [1e-6, 1e-3, 1, 1e3, 1e9]) {
      const {trace, solved, logDeterminant} = fromFactor(gram, n, lambda, Float64Array.from(z))!;
      const wanted = fromEigenvalues(gram, n, lambda, z);
      const name = `${n} x ${m}, λ ${lambda}: `;
      // The eigenvalues have errors of 2⁻⁵³ σ²max, and σ²max is at most n m.
      const error = 1e-14 * n * (1 + n * m / lambda);
      t.true(Math.abs(trace - wanted.trace) < error * wanted.trace, name + `${trace}, ${wanted.trace}`);
      t.true(relativeDistance(solved, wanted.solved) < error, name + 'solution');
      t.true(Math.abs(logDeterminant - wanted.logDeterminant) < error * Math.max(1, wanted.logDeterminant),
          name + `${logDeterminant}, ${wanted.logDeterminant}`);
    }
  }
});

test('the trace keeps its digits if the data determine every direction', t => {
  const spectrum = Array.from({length: 30}, (_, i) => 1 + i);
  const gram = flat(symmetricWithSpectrum(spectrum, randomNumbers(5)));
  for (const lambda of [1e-3, 1e-9, 1e-15, 1e-30]) {
    const {trace} = fromFactor(gram, 30, lambda, new Float64Array(30))!;
    const wanted = spectrum.reduce((sum, x) => sum + lambda / (x + lambda), 0);
    t.true(Math.abs(trace / wanted - 1) < 1e-12, `λ ${lambda}: ${trace}, ${wanted}`);
  }
});

test('a common factor of G and λ changes nothing, and G stays', t => {
  const gram = flat(symmetricWithSpectrum([3, 1, 0.2, 0], randomNumbers(3)));
  const before = gram.slice();
  const z = Float64Array.of(1, -2, 0.5, 3);
  const plain = fromFactor(gram, 4, 0.5, z);
  t.deepEqual(gram, before);
  t.deepEqual(z, Float64Array.of(1, -2, 0.5, 3));
  for (const factor of [2 ** -60, 2 ** 60]) {
    t.deepEqual(fromFactor(gram.map(x => x * factor), 4, 0.5 * factor, z), plain);
  }
});

test('without curvature, M is I', t => {
  const z = Float64Array.of(1, -2);
  t.deepEqual(fromFactor(new Float64Array(4), 2, 1e-3, z), {trace: 2, solved: z, logDeterminant: 0});
});

test('null if M is not positive definite, or not finite', t => {
  const z = Float64Array.of(1, 1);
  t.is(fromFactor(Float64Array.of(1, 0, 0, -2), 2, 1, z), null);
  t.is(fromFactor(Float64Array.of(1, 0, 0, NaN), 2, 1, z), null);
  t.is(fromFactor(Float64Array.of(1, 0, 0, 1), 2, 0, z), null);
  t.is(fromFactor(Float64Array.of(1e300, 0, 0, 1), 2, 1e-300, z), null);
});
