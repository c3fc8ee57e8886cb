import test from 'ava';
import fc from 'fast-check';
import {outerProduct} from '../../src/arrays/outer_product';

test('equals the plain triple loop for all sizes, rounded once to float32', t => {
  fc.assert(fc.property(fc.integer({min: 1, max: 19}), fc.integer({min: 1, max: 13}), fc.integer(), (n, k, seed) => {
    const x = Float32Array.from({length: n * k}, (_, i) => Math.sin(seed + 7.3 * i));
    const product = outerProduct(x, n, k);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let p = 0; p < k; p++) {
          sum += x[i * k + p] * x[j * k + p];
        }
        t.true(Math.abs(product[i * n + j] - sum) <= 2 ** -24 * Math.abs(sum) + 1e-12, `${n} x ${k}: ${i}, ${j}`);
      }
    }
    return product.length === n * n;
  }), {numRuns: 200});
});
