import test from 'ava';
import {addProduct} from '../../src/solve/product';

test('out += scale · A u, for sizes with and without a remainder', t => {
  for (const n of [1, 2, 3, 4, 5, 7, 8, 31]) {
    const a = Float64Array.from({length: n * n}, (_, i) => Math.sin(1 + i));
    const u = Float64Array.from({length: n}, (_, i) => Math.cos(1 + i));
    const out = new Float64Array(n).fill(3);
    addProduct(-0.5, a, u, out);
    out.forEach((value, i) => {
      const expected = 3 - 0.5 * u.reduce((sum, x, j) => sum + a[i * n + j] * x, 0);
      t.true(Math.abs(value - expected) < 1e-12);
    });
  }
});
