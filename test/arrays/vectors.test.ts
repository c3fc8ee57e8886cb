import test from 'ava';
import {addInto, distance, dot, dotOfRanges, firstNonFinite, largest, norm, total} from '../../src/arrays/vectors';

test('products, norms and sums', t => {
  const [a, b] = [Float64Array.of(3, -4), Float64Array.of(2, 0.5)];
  t.is(dot(a, b), 4);
  t.is(norm(a), 5);
  t.is(norm([3, 4]), 5);
  t.is(distance([1, 2], [4, 6]), 5);
  t.is(total(a), -1);
  t.is(dot(new Float64Array(0), new Float64Array(0)), 0);
  t.is(dotOfRanges(Float64Array.of(9, 3, -4, 9), 1, Float64Array.of(2, 0.5, 9), 0, 2), 4);
  t.is(addInto(b, 2, a), b, 'in place');
  t.deepEqual(b, Float64Array.of(8, -7.5));
  t.deepEqual(a, Float64Array.of(3, -4));
});

test('the largest entry, and the first that is not finite', t => {
  t.is(largest(Float64Array.of(-2, 3, 1)), 3);
  t.is(largest(Float64Array.of(-2)), 0);
  t.is(largest(Float64Array.of(1, NaN, 2)), NaN);
  t.is(firstNonFinite(Float64Array.of(1, 2)), -1);
  t.is(firstNonFinite(Float64Array.of(1, -Infinity, NaN)), 1);
});
