/** Elementwise uses: biases and scales in every shape that broadcasts along leading axes; other shapes fall back, and are as exact. */
import * as tf from '@tensorflow/tfjs';
import test, {type ExecutionContext} from 'ava';
import {OuterProducts} from '../../../src/jacobian/uses/use';
import {VectorUse} from '../../../src/jacobian/uses/vector';
import {relativeError} from '../../support/probe';
import {checkOperator} from '../../support/check_operator';

test.before(async () => {
  await tf.setBackend('cpu');
});

const B = 4;
const noise = (shape: number[], seed: number): tf.Tensor => tf.randomNormal(shape, 0, 1, 'float32', seed);

function check(t: ExecutionContext, rows: () => tf.Tensor, variables: tf.Variable[], kinds: string[]): void {
  const plan = checkOperator(t, rows, variables, 1e-5);
  t.is(plan.analysis.batch, B);
  t.deepEqual(plan.sites.map(site => site.kind), kinds);
}

/** Shape of the parameter, shape of the data behind the batch, kind. */
const shapes: Array<[number[], number[], 'vector' | 'fallback']> = [
  [[3], [3], 'vector'], [[], [3], 'vector'], [[1], [3], 'vector'], [[1, 1], [3], 'vector'], [[1, 3], [3], 'vector'], [[3], [1], 'vector'],
  [[3], [2, 3], 'vector'], [[1, 1, 3], [2, 3], 'vector'], [[2, 3], [2, 3], 'vector'], [[1, 2, 3], [2, 3], 'vector'], [[], [2, 3], 'vector'],
  [[2, 1], [2, 3], 'fallback'], [[2, 1], [2, 1], 'vector'], [[5], [4, 2, 5], 'vector'], [[4, 2, 5], [4, 2, 5], 'vector'], [[2, 5], [4, 2, 5], 'vector'],
  [[4, 1, 1], [4, 2, 5], 'fallback'], [[4, 1, 5], [4, 2, 5], 'fallback'], [[1, 1, 1, 5], [4, 2, 5], 'vector'], [[4, 2, 1], [4, 2, 5], 'fallback'],
];

const ops: Record<string, (x: tf.Tensor, p: tf.Tensor) => tf.Tensor> = {
  'x + p': (x, p) => tf.add(x, p), 'p + x': (x, p) => tf.add(p, x), 'x - p': (x, p) => tf.sub(x, p), 'p - x': (x, p) => tf.sub(p, x),
  'x p': (x, p) => tf.mul(x, p), 'p x': (x, p) => tf.mul(p, x), 'p / x': (x, p) => tf.div(p, x.abs().add(1)),
};

for (const [shape, data, kind] of shapes) {
  test.serial(`[${shape.join()}] on [B,${data.join()}]: ${kind}`, t => {
    for (const op of Object.values(ops)) {
      const p = tf.variable(noise(shape, 1));
      const x = noise([B, ...data], 2);
      check(t, () => op(x, p).add(0.1), [p], [kind]);
      // In front of something that is not linear, with positions summed.
      check(t, () => op(x, p).tanh().reshape([B, -1]).sum(1), [p], [kind]);
      tf.dispose([p, x]);
    }
  });
}

test.serial('a divisor falls back', t => {
  const p = tf.variable(tf.tensor1d([2, 3, -4]));
  const x = noise([B, 3], 2);
  check(t, () => tf.div(x, p), [p], ['fallback']);
  tf.dispose([p, x]);
});

test.serial('where the examples are not in front', t => {
  const [p, q] = [tf.variable(noise([3], 1)), tf.variable(noise([3, 1], 2))];
  const x = noise([B, 2, 3], 3);
  // Time-major [2, B, 3].
  check(t, () => x.transpose([1, 0, 2]).mul(p).transpose([1, 0, 2]), [p], ['vector']);
  check(t, () => x.transpose([1, 0, 2]).mul(p).tanh().sum([0, 2]), [p], ['vector']);
  // Features first [3, 2·B]: the entries of an example are not next to each other, so [3, 1] falls back.
  check(t, () => x.reshape([-1, 3]).transpose().mul(q).transpose().reshape([B, 2, 3]), [q], ['fallback']);
  tf.dispose([p, q, x]);
});

test.serial('one vector in several places: its rows add up', t => {
  const p = tf.variable(noise([3], 1));
  const x = noise([B, 3], 2);
  check(t, () => x.mul(p).tanh().add(p).sin().mul(p), [p], ['vector', 'vector', 'vector']);
  tf.dispose([p, x]);
});

test.serial('a scale, a shift and a slope, all at once', t => {
  const [s, b, w] = [tf.variable(noise([3], 1)), tf.variable(noise([], 2)), tf.variable(noise([2, 3], 3))];
  const x = noise([B, 2, 3], 4);
  check(t, () => x.mul(s).tanh().add(b).mul(w).tanh().sum(2), [s, b, w], ['vector', 'vector', 'vector']);
  tf.dispose([s, b, w, x]);
});

test.serial('VectorUse: rows kept, summed, pulled back', t => {
  const rows = [noise([6, 4], 1), noise([6, 4], 2)];
  const uses = rows.map(all => new VectorUse(all as tf.Tensor2D, 3, 2));
  const sum = tf.add(rows[0], rows[1]) as tf.Tensor2D;
  const both = VectorUse.sum(uses);
  t.is(both.size, 4);
  t.deepEqual([both.examples, both.components], [3, 2]);
  t.true(relativeError(both.rows(1, 3).dataSync(), sum.slice([2, 0], [4, 4]).dataSync()) < 1e-6);
  t.deepEqual(both.rows(1, 3).shape, [4, 4]);
  const {left, right} = both.gram(new OuterProducts());
  t.is(left, null);
  t.true(relativeError(right.dataSync(), tf.matMul(sum, sum, false, true).dataSync()) < 1e-6);
  const p = noise([2, 2], 3);
  t.deepEqual(both.apply(p).shape, [3, 2]);
  t.true(relativeError(both.apply(p).dataSync(), tf.matMul(sum, p.reshape([4, 1]) as tf.Tensor2D).dataSync()) < 1e-6);
  const u = noise([3, 2], 4);
  t.true(relativeError(both.applyTranspose(u).dataSync(), tf.matMul(u.reshape([1, 6]) as tf.Tensor2D, sum).dataSync()) < 1e-6);
});
