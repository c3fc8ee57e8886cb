import test from 'ava';
import {addProduct} from '../../src/arrays/product';

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
