import test from 'ava';
import fc from 'fast-check';
import {withKernels} from '../../src/kernels/allowed';
import {outerProduct} from '../../src/arrays/outer_product';

for (const kernels of [false, true]) {
  test(kernels ? 'by kernels: the plain triple loop, summed in float32' :
    'by loops: the plain triple loop for all sizes, rounded once to float32', t => withKernels(kernels, () => {
  fc.assert(fc.property(fc.integer({min: 1, max: 19}), fc.integer({min: 1, max: 13}), fc.integer(), (n, k, seed) => {
    const x = Float32Array.from({length: n * k}, (_, i) => Math.sin(seed + 7.3 * i));
    const product = outerProduct(x, n, k);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        let [sum, size] = [0, 0];
        for (let p = 0; p < k; p++) {
          sum += x[i * k + p] * x[j * k + p];
          size += Math.abs(x[i * k + p] * x[j * k + p]);
        }
        t.true(Math.abs(product[i * n + j] - sum) <= 2 ** -24 * (kernels ? 4 * size : Math.abs(sum)) + 1e-12, `${n} x ${k}: ${i}, ${j}`);
      }
    }
    return product.length === n * n;
  }), {numRuns: 200});
}));
}

test('long rows and many rows, part by part', t => {
  for (const [n, k] of [[3, 5000], [2050, 2]]) {
    const x = Float32Array.from({length: n * k}, (_, i) => Math.sin(7.3 * i));
    const [found, expected] = [outerProduct(x, n, k), withKernels(false, () => outerProduct(x, n, k))];
    t.true(found.every((value, i) => Math.abs(value - expected[i]) <= 2 ** -20 * k));
  }
});
