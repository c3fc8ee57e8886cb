import test from 'ava';
import {addProduct, mirrored, plusDiagonal, traceOf} from '../../src/arrays/symmetric';

test('out += scale · A u for a symmetric A, for sizes with and without a remainder', t => {
  for (const n of [1, 2, 3, 4, 5, 7, 8, 31]) {
    const a = Float64Array.from({length: n * n}, (_, p) => Math.sin(1 + Math.min(p % n, Math.floor(p / n)) + 0.3 * Math.max(p % n, Math.floor(p / n))));
    const u = Float64Array.from({length: n}, (_, i) => Math.cos(1 + i));
    const out = new Float64Array(n).fill(3);
    addProduct(-0.5, a.map((x, p) => p % n > Math.floor(p / n) ? NaN : x), u, out);  // the upper triangle is not read
    out.forEach((value, i) => {
      const expected = 3 - 0.5 * u.reduce((sum, x, j) => sum + a[i * n + j] * x, 0);
      t.true(Math.abs(value - expected) < 1e-12);
    });
  }
});

test('the trace, more on the diagonal, and the upper triangle of the lower one', t => {
  const a = Float64Array.of(1, NaN, 2, 3);
  t.is(traceOf(a, 2), 4);
  t.deepEqual(plusDiagonal(a, Float64Array.of(10, 20)), Float64Array.of(11, NaN, 2, 23));
  t.is(mirrored(a, 2), a, 'in place');
  t.deepEqual(a, Float64Array.of(1, 2, 2, 3));
  const n = 150;  // more than two squares of 64
  const entry = (i: number, j: number): number => Math.max(i, j) * n + Math.min(i, j);
  const lower = Float32Array.from({length: n * n}, (_, p) => Math.floor(p / n) >= p % n ? p : NaN);
  t.deepEqual(mirrored(lower, n), Float32Array.from({length: n * n}, (_, p) => entry(Math.floor(p / n), p % n)));
});
