import test from 'ava';
import {symmetricEigen} from '../../src/arrays/symmetric_eigen';

for (const k of [1, 2, 3, 10, 40]) {
  test(`A = V diag(λ) Vᵀ with orthogonal V, k = ${k}`, t => {
    const a = new Float64Array(k * k);
    for (let i = 0; i < k; i++) {
      for (let j = 0; j <= i; j++) {
        a[i * k + j] = a[j * k + i] = Math.sin(3.1 * i + 1.7 * j * j + 0.3);
      }
    }
    const {values, vectors} = symmetricEigen(a, k);
    for (let i = 0; i < k; i++) {
      for (let j = 0; j < k; j++) {
        let [product, inner] = [0, 0];
        for (let c = 0; c < k; c++) {
          product += vectors[i * k + c] * values[c] * vectors[j * k + c];
          inner += vectors[c * k + i] * vectors[c * k + j];
        }
        t.true(Math.abs(product - a[i * k + j]) < 1e-12 * k);
        t.true(Math.abs(inner - (i === j ? 1 : 0)) < 1e-13 * k);
      }
    }
  });
}

test('equal eigenvalues, zeros, and entries of very different size', t => {
  t.deepEqual([...symmetricEigen([2, 0, 0, 2], 2).values], [2, 2]);
  t.deepEqual([...symmetricEigen(new Float64Array(9), 3).values], [0, 0, 0]);
  const {values} = symmetricEigen([1e20, 1, 1, 1e-20], 2);
  t.true(Math.abs(values[0] / 1e20 - 1) < 1e-15 && Math.abs(values[1]) < 1e5);
});
