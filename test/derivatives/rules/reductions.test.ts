/** Cotangents of sums and means along axes, and of running sums and products. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {checkOperator} from '../../support/check_operator';
import {relativeError} from '../../support/relative_error';
import {byTape, byUs, edges, tensorOf, testMissing, testSlow, uniform, volume} from '../../support/rule_tests';
import type {Missing, Op} from '../../support/rule_tests';
import {noise} from '../../support/tensors';

/** Numbers of which one is zero. */
const withZero = (): tf.Tensor => tf.mul(noise([3, 5, 2], 1), tf.oneHot([9], 30).reshape([3, 5, 2]).equal(0));

testSlow({
  'sum of all': [x => tf.sum(x), edges, 'Sum'],
  'sum of an axis': [x => tf.sum(x, 1), edges, 'Sum'],
  'sum of the last axis, kept': [x => tf.sum(x, -1, true), edges, 'Sum'],
  'sum of two axes apart': [x => tf.sum(x, [0, 2]), edges, 'Sum'],
  'mean of all': [x => tf.mean(x), edges, 'Mean'],
  'mean of two axes of five': [x => tf.mean(x, [1, 3]), volume, 'Mean'],
});

for (const [axis, shape, exclusive, backwards] of [[0, [3, 3], false, false], [1, [2, 3, 4], true, false], [0, [4, 3], false, true]] as const) {
  test.serial(`Cumsum along axis ${axis} of [${shape.join()}]: tfjs's gradient comes out transposed`, async t => {
    const [x, dy] = [uniform([...shape], 1), uniform([...shape], 2)];
    const op: Op = a => tf.cumsum(a, axis, exclusive, backwards);
    await tf.setBackend('cpu');
    const expected = tf.tidy(() => tf.cumsum(tensorOf(dy), axis, exclusive, !backwards).dataSync().slice());
    const theirs = await byTape('cpu', op, [x], dy).catch(() => null);  // of another shape: an error
    t.true(theirs === null || relativeError(theirs, expected) > 0.1);
    for (const backend of ['cpu', 'wasm']) {
      t.true(relativeError(await byUs(t, backend, 'Cumsum', op, [x], dy, 'x'), expected) < 1e-6, backend);
    }
  });
}

testMissing([
  ...[[1, false, false], [0, true, false], [1, false, true], [2, true, true]].map(([axis, exclusive, reverse]): Missing =>
    ({kernel: 'Cumprod', inputs: {x: withZero}, attrs: {axis, exclusive, reverse}, wanted: ['x']})),
]);

test.serial('a network with running products, as of the light behind layers that absorb it, against products of slices', async t => {
  await tf.setBackend('cpu');
  const [w, scale] = [tf.variable(noise([3, 6], 1)), tf.variable(noise([6, 2], 2))];
  const x = noise([5, 3], 3) as tf.Tensor2D;
  const rows = (products: (t: tf.Tensor2D) => tf.Tensor2D) => (): tf.Tensor =>
    tf.matMul(products(tf.cos(tf.matMul(x, w as tf.Tensor2D)) as tf.Tensor2D), scale as tf.Tensor2D);
  const plan = checkOperator(t, rows(passed => tf.cumprod(passed, 1, true) as tf.Tensor2D), [w, scale], 1e-5, {reference: rows(passed =>
    tf.concat2d([tf.ones([5, 1]) as tf.Tensor2D, ...[1, 2, 3, 4, 5].map(end => tf.prod(passed.slice([0, 0], [-1, end]), 1, true) as tf.Tensor2D)], 1))});
  t.is(plan.analysis.examples, 5);
  t.deepEqual(plan.sites.map(({kind}) => kind), ['matrix', 'matrix']);
  tf.dispose([w, scale, x]);
});
