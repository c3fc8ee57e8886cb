import test from 'ava';
import {areFinite, difference, product, repeated, rowSums, sum, transposedEntries} from '../../src/arrays/elementwise';

test('sums, differences and products, entry by entry', t => {
  const [x, y] = [Float32Array.of(1, -2, 0.5), Float32Array.of(4, 0.25, -1)];
  t.deepEqual([...sum(x, y)], [5, -1.75, -0.5]);
  t.deepEqual([...difference(x, y)], [-3, -2.25, 1.5]);
  t.deepEqual([...product(x, y)], [4, -0.5, -0.5]);
  t.deepEqual([...product(new Float32Array(0), new Float32Array(0))], []);
});

test('a factor for each row, or one for all', t => {
  const x = Float32Array.of(1, 2, 3, 4, 5, 6);
  t.deepEqual([...product(x, Float32Array.of(2, -1))], [2, 4, 6, -4, -5, -6]);
  t.deepEqual([...product(x, Float32Array.of(3))], [3, 6, 9, 12, 15, 18]);
});

test('a row, several times', t => {
  t.deepEqual([...repeated(Float32Array.of(1, 2), 3)], [1, 2, 1, 2, 1, 2]);
  t.deepEqual([...repeated(Float32Array.of(1, 2), 0)], []);
});

test('transpose and row sums', t => {
  const x = Float32Array.of(1, 2, 3, 4, 5, 6);
  t.deepEqual([...transposedEntries(x, 2, 3)], [1, 4, 2, 5, 3, 6]);
  t.deepEqual([...transposedEntries(x, 3, 2)], [1, 3, 5, 2, 4, 6]);
  t.deepEqual([...rowSums(x, 2, 3)], [6, 15]);
  t.deepEqual([...rowSums(new Float32Array(0), 2, 0)], [0, 0]);
});

test('whether all entries are finite', t => {
  t.true(areFinite(new Float32Array(0)));
  t.true(areFinite(Float32Array.of(1, -3e38, 0)));
  for (const bad of [NaN, Infinity, -Infinity]) {
    t.false(areFinite(Float32Array.of(1, bad, 2)));
  }
});
