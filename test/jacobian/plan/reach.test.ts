/**
 * Functions of variables entry by entry: where each entry goes, and J, Gram matrix, Jᵀu and J d
 * made with it.
 */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {checkOperator} from '../../support/check_operator';
import {noise} from '../../support/tensors';

test.before(async () => {
  await tf.setBackend('cpu');
});

const B = 5;

type View = (w: any, v: any) => tf.Tensor;

const mask = tf.tensor2d([[1, 0, 1], [0, 1, 1], [1, 1, 1], [0, 0, 0]]);

/** Views of w [4, 3] and v [4, 3], and where the entries of w go; null where not one by one. */
const views: Record<string, [View, ((j: number) => number) | null]> = {
  'a mask': [w => w.mul(mask), j => j],
  'a square': [w => w.square(), j => j],
  'a product with itself': [w => w.mul(w), j => j],
  'a column of factors': [w => w.mul(tf.tensor2d([[1], [2], [3], [4]])).div(2).add(1), j => j],
  'exp of a transpose': [w => w.transpose().exp().reshape([4, 3]), j => (j % 3) * 4 + Math.floor(j / 3)],
  'a slice, padded': [w => w.slice([1, 0], [2, 3]).pad([[0, 2], [0, 0]], 7), j => j >= 3 && j < 9 ? j - 3 : -1],
  'two variables joined': [(w, v) => tf.concat([v.slice([0, 0], [2, 3]), w.slice([2, 0], [2, 3])], 0),
    j => j >= 6 ? j : -1],
  'joined with constants': [w => tf.concat([w.slice([0, 0], [2, 3]), tf.ones([2, 3])], 0), j => j < 6 ? j : -1],
  'two variables added': [(w, v) => w.add(v), j => j],
  'two variables multiplied': [(w, v) => w.mul(v).tanh(), j => j],
  'the larger of two variables': [(w, v) => tf.maximum(w, v), j => j],
  ...Object.fromEntries([tf.tan, tf.atan, tf.sinh, tf.cosh, tf.asinh, tf.erf, tf.relu6, tf.selu].map(
      (f): [string, [View, (j: number) => number]] => [f.name.replace(/_$/, ''), [w => f(w), j => j]])),
  'the arc sine, cosine and tangent': [w =>
    tf.asin(w.sin().mul(0.9)).add(tf.acos(w.cos().mul(0.9))).add(tf.atanh(w.tanh().mul(0.9)))
    .add(tf.acosh(w.square().add(2))), j => j],
  'the angle of two': [(w, v) => tf.atan2(w, v), j => j],
  'a remainder': [w => tf.mod(w, 0.7), j => j],
  'slopes below zero by prelu': [(w, v) => tf.prelu(w, v), j => j],
  'one of two by a mask': [(w, v) => tf.where(mask.greater(0), w, v), j => j],
  'normalised by constants': [w =>
    tf.batchNorm2d(w, tf.tensor1d([0.1, 0.2, 0.3]), tf.tensor1d([1, 2, 3]), tf.tensor1d([3, 1, 2]),
    tf.tensor1d([2, 3, 1])), j => j],
  'a stack of two': [(w, v) => tf.stack([w.slice([0, 0], [2, 3]), v.slice([1, 0], [2, 3])]).reshape([4, 3]),
    j => j < 6 ? j : -1],
  'weight normalisation': [w => w.div(w.square().sum(0).sqrt()), null],
  'halves added': [w => tf.concat([w.slice([0, 0], [2, 3]).add(w.slice([2, 0], [2, 3])), tf.ones([2, 3])], 0), null],
  'each entry twice': [w => tf.concat([w.slice([0, 0], [2, 3]), w.slice([0, 0], [2, 3]).mul(2)], 0), null],
  'a row added to all': [(w, v) => v.add(w.slice([0, 0], [1, 3])), null],
  'sorted by a product': [w => mask.transpose().matMul(w).matMul(tf.ones([3, 3])).concat(tf.ones([1, 3]), 0), null],
  'gathered': [w => tf.gather(w, tf.tensor1d([3, 0, 2, 1], 'int32')), null],
};

for (const [name, [view, where]] of Object.entries(views)) {
  test.serial(name, t => {
    const [w, v] = [tf.variable(noise([4, 3], 1)), tf.variable(noise([4, 3], 2))] as Array<tf.Variable<tf.Rank.R2>>;
    const x = noise([B, 4], 3) as tf.Tensor2D;
    const both = (): tf.Tensor => tf.matMul(x, view(w, v) as tf.Tensor2D);
    // In the order in which the view reads them.
    const uses = view.length === 1 ? [w] : name === 'two variables joined' ? [v, w] : [w, v];
    for (const rows of [() => both().tanh().sum(1), () => both().sin(),
        () => both().tanh().mul(view(w, v).slice([1, 0], [1, 3])),
      () => both().tanh().add(tf.matMul(x.square(), w)).sum(1)]) {
      const plan = checkOperator(t, rows, uses, 1e-5);
      const index = plan.analysis.variables.indexOf(w);
      const parameter = plan.sites.find(site => site.kind === 'matrix' &&
          site.parameter.kind === 'function')!.parameter;
      t.deepEqual(parameter.reach === null ? null : [...parameter.reach.get(index)!],
          where === null ? null : Array.from({length: 12}, (_, j) => where(j)));
    }
    tf.dispose([w, v, x]);
  });
}
