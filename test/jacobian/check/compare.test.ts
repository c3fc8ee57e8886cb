/** The comparison of the self-check. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {floats, relativeDifference} from '../../../src/jacobian/check/compare';

test('relativeDifference', t => {
  t.is(relativeDifference([3, 4], [3, 4]), 0);
  t.is(relativeDifference([3, 4], [0, 0]), 1);
  t.is(relativeDifference([0, 0], [3, 4]), 1);
  t.is(relativeDifference([0, 0], [0, 0]), 0);
  t.is(relativeDifference([1e-40, 0], [0, 1e-40]), 0, 'denormals are noise');
  t.true(Number.isNaN(relativeDifference([NaN, 1], [0, 1])));
  t.true(Math.abs(relativeDifference([1, 1], [1, 1.1]) - 0.1 / Math.hypot(1, 1.1)) < 1e-12);
  t.deepEqual([...floats(null, 2)], [0, 0]);
  t.deepEqual([...floats(tf.tensor1d([1, 2]), 2)], [1, 2]);
});
