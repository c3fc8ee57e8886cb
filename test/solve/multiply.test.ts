import test from 'ava';
import fc from 'fast-check';
import {multiply} from '../../src/solve/multiply';

const matrix = (rows: number, columns: number, seed: number): Float32Array =>
  Float32Array.from({length: rows * columns}, (_, i) => Math.fround(Math.sin(seed + 7.3 * i)));

test('multiply: plain loops in float64, of any shape, with and without adding', t => {
  t.notThrows(() => fc.assert(fc.property(fc.nat(10), fc.nat(10), fc.nat(10), fc.boolean(), (rows, inner, columns, add) => {
    const [a, b, c] = [matrix(rows, inner, 1), matrix(inner, columns, 2), matrix(rows, columns, 3)];
    const before = c.slice();
    multiply(a, b, rows, inner, columns, c, add);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        let sum = add ? before[i * columns + j] : 0;
        for (let k = 0; k < inner; k++) {
          sum += a[i * inner + k] * b[k * columns + j];
        }
        if (Math.abs(c[i * columns + j] - sum) > 1e-6) {
          return false;
        }
      }
    }
    return true;
  })));
});
