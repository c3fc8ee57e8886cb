import test from 'ava';
import {marquardtScale, SCALE_FLOOR_RATIO} from '../../src/solve/scaling';

test('the diagonal itself where it has something', t => {
  t.deepEqual(marquardtScale(Float64Array.of(1e20, 1, 3)), Float64Array.of(1e20, 1, 3), 'units that differ by 1e10');
});

test('the mean where it has nothing', t => {
  t.deepEqual(marquardtScale(Float64Array.of(4, 0, 2)), Float64Array.of(4, 2, 2));
  t.deepEqual(marquardtScale(Float64Array.of(3, 3 * SCALE_FLOOR_RATIO)), Float64Array.of(3, 1.5));
});

test('ones where there is no scale at all', t => {
  for (const diagonal of [[0, 0], [NaN, 1], [Infinity, 1]]) {
    t.deepEqual(marquardtScale(Float64Array.from(diagonal)), Float64Array.of(1, 1));
  }
});

test('what it is given stays as it is', t => {
  const diagonal = Float64Array.of(1, 0);
  marquardtScale(diagonal);
  t.deepEqual(diagonal, Float64Array.of(1, 0));
});
