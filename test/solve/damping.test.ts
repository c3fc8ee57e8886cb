import test from 'ava';
import fc from 'fast-check';
import {float32Floor, FLOOR_RATIO, relativeDamping, TRUSTED_RATIO} from '../../src/solve/damping';
import {traceOf} from '../../src/arrays/symmetric';
import {flat, randomNumbers, symmetricWithSpectrum} from './dense';

test('relative damping is τ times the mean of the eigenvalues that can differ from zero', t => {
  t.is(relativeDamping(0.1, 20, 4, 100), 0.5);
  t.is(relativeDamping(0.1, 20, 100, 4), 0.5);
  t.is(relativeDamping(0.1, 0, 0, 4), 0, 'no rows: not NaN');
});

test('traceOf', t => {
  t.is(traceOf(Float64Array.of(1, 7, 7, 2), 2), 3);
});

test('the norm behind the limits is at least the largest eigenvalue, at most √n times it', t => {
  t.notThrows(() => fc.assert(fc.property(fc.integer(), fc.integer({min: 1, max: 30}), fc.integer({min: -9, max: 9}), (seed, n, logScale) => {
    const random = randomNumbers(seed);
    const spectrum = Array.from({length: n}, () => 10 ** logScale * Math.abs(random()) ** 4);
    const largest = Math.max(...spectrum);
    const bound = float32Floor(flat(symmetricWithSpectrum(spectrum, random)), n).floor / FLOOR_RATIO;
    // 1e-12: rounding of the three reflections that make the matrix
    return bound >= largest * (1 - 1e-12) && bound <= largest * Math.sqrt(n) * (1 + 1e-12);
  })));
});

test('the bound is the smaller one of trace and infinity norm', t => {
  // Identity: trace n, infinity norm 1. Ones: both n.
  t.deepEqual(float32Floor(Float64Array.of(1, 0, 0, 1), 2), {floor: FLOOR_RATIO, trusted: TRUSTED_RATIO, norm: 1});
  t.deepEqual(float32Floor(Float64Array.of(1, 1, 1, 1), 2), {floor: 2 * FLOOR_RATIO, trusted: 2 * TRUSTED_RATIO, norm: 2});
  // Arrow [[4, 2], [2, 1]]: trace 5, infinity norm 6.
  t.is(float32Floor(Float64Array.of(4, 2, 2, 1), 2).floor, 5 * FLOOR_RATIO);
});

test('NaN is not lost', t => {
  t.deepEqual(float32Floor(Float64Array.of(1, NaN, NaN, 1), 2), {floor: NaN, trusted: NaN, norm: NaN});
});
