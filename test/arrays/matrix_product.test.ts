import test from 'ava';
import {withKernels} from '../../src/kernels/allowed';
import {rowMajor, transpose} from '../../src/arrays/matrix';
import {matrixProduct} from '../../src/arrays/matrix_product';
import type {Matrix} from '../../src/arrays/matrix';

const entries = (size: number, seed: number): Float32Array => Float32Array.from({length: size}, (_, i) => Math.sin(seed + 1.7 * i));

const at = (a: Matrix, i: number, j: number): number => a.entries[i * a.row + j * a.column];

test('a b, aᵀ b, a bᵀ and aᵀ bᵀ of all small sizes agree with the definition', t => {
  for (const [m, k, n] of [[1, 1, 1], [1, 5, 1], [1, 4, 7], [6, 3, 1], [5, 1, 3], [2, 2, 4], [3, 7, 5], [4, 8, 6], [7, 16, 9], [2, 0, 3], [0, 2, 3], [3, 2, 0], [17, 9, 19]]) {
    const [a, b] = [entries(m * k, 1), entries(k * n, 2)];
    for (const left of [rowMajor(a, m, k), transpose(rowMajor(a, k, m))]) {
      for (const right of [rowMajor(b, k, n), transpose(rowMajor(b, n, k))]) {
        const product = matrixProduct(left, right);
        t.is(product.length, m * n);
        product.forEach((value, index) => {
          const [i, j] = [Math.floor(index / n), index % n];
          let sum = 0;
          for (let p = 0; p < k; p++) {
            sum += at(left, i, p) * at(right, p, j);
          }
          t.true(Math.abs(value - sum) <= 2 ** -23 * Math.max(1, Math.abs(sum), 2 * k), `${m} ${k} ${n} at ${i}, ${j}`);
        });
      }
    }
  }
});

test('products by kernels of more than one block', t => {
  for (const [m, k, n] of [[2050, 3, 2], [2, 3, 2050], [3, 4100, 5], [2050, 2, 2050]]) {
    const [a, b] = [entries(m * k, 1), entries(k * n, 2)];
    for (const left of [rowMajor(a, m, k), transpose(rowMajor(a, k, m))]) {
      for (const right of [rowMajor(b, k, n), transpose(rowMajor(b, n, k))]) {
        const [found, expected] = [matrixProduct(left, right), withKernels(false, () => matrixProduct(left, right))];
        t.true(found.every((value, i) => Math.abs(value - expected[i]) <= 2 ** -22 * k), `${m} ${k} ${n}`);
      }
    }
  }
});

test('infinities and NaN stay where they belong', t => {
  const a = Float32Array.of(1, Infinity, 2, 3, NaN, 0);
  const product = matrixProduct(rowMajor(a, 3, 2), rowMajor(Float32Array.of(1, 1, 1, 1), 2, 2));
  t.deepEqual([...product], [Infinity, Infinity, 5, 5, NaN, NaN]);
});
