import ava from 'ava';
import type {ExecutionContext} from 'ava';
import {cholesky} from '../../src/arrays/cholesky';
import {inverseDiagonal} from '../../src/arrays/inverse_diagonal';
import {withKernels} from '../../src/kernels/allowed';
import {flat, randomNumbers, symmetricWithSpectrum} from '../solve/dense';

/** Every test runs by kernels of our own, which take 32 rows and more, and by loops. */
function test(title: string, run: (t: ExecutionContext) => void): void {
  for (const kernels of [true, false]) {
    ava(`${kernels ? 'by kernels' : 'by loops'}: ${title}`, t => withKernels(kernels, () => run(t)));
  }
}

/** Around the tile (3) and the cache block (48). */
const SIZES = [1, 2, 3, 4, 5, 6, 7, 47, 48, 49, 50, 51, 97];

/** The diagonal of A⁻¹ by a solve for each unit vector, and by the function. */
function both(matrix: Float64Array, n: number): {wanted: number[]; found: Float64Array; lower: Float64Array} {
  const factor = cholesky(matrix, n);
  if (!factor.ok) {
    throw new Error(`breakdown at pivot ${factor.pivot} of ${n}`);
  }
  const wanted = Array.from({length: n}, (_, c) => {
    const unit = new Float64Array(n);
    unit[c] = 1;
    return factor.solve(unit)[c];
  });
  return {wanted, found: inverseDiagonal(factor), lower: factor.lower};
}

test('the diagonal of the inverse, entry by entry, around tiles and blocks', t => {
  for (const n of SIZES) {
    for (const logCondition of [0, 3, 8]) {
      const spectrum = Array.from({length: n}, (_, i) => 10 ** (2 - logCondition * i / Math.max(1, n - 1)));
      const {wanted, found} = both(flat(symmetricWithSpectrum(spectrum, randomNumbers(n + logCondition))), n);
      t.is(found.length, n);
      const error = Math.max(...wanted.map((x, c) => Math.abs(found[c] - x) / x));
      t.true(error < 1e-14 * 10 ** logCondition, `${n} rows, condition 1e${logCondition}: ${error}`);
    }
  }
});

test('the entries of the matrix above its diagonal are not read, and its factor stays', t => {
  const [n, random] = [50, randomNumbers(1)];
  const matrix = flat(symmetricWithSpectrum(Array.from({length: n}, (_, i) => i + 1), random));
  const plain = both(matrix.slice(), n);
  const marred = both(matrix.map((x, p) => p % n > Math.floor(p / n) ? NaN : x), n);
  t.deepEqual(marred.found, plain.found);
  const factor = cholesky(matrix, n);
  t.true(factor.ok && factor.lower.every((x, p) => p % n > Math.floor(p / n) || x === plain.lower[p]));
});

test('an empty matrix has an empty diagonal', t => {
  t.deepEqual(both(new Float64Array(0), 0).found, new Float64Array(0));
});
