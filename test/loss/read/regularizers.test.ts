/** Which terms of a loss are regularizers, and which are to be fitted. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn} from '../../../src/index';

test.before(async () => {
  await tf.setBackend('cpu');
});

const x = tf.randomNormal([12, 4], 0, 1, 'float32', 1) as tf.Tensor2D;
const y = tf.tensor2d(Array.from({length: 12}, (_, i) => [i % 3, (i + 1) % 3, (i + 2) % 3].map(k => k === 0 ? 1 : 0)));
const w = tf.variable(tf.randomNormal([4, 3], 0, 1, 'float32', 2)) as tf.Variable<tf.Rank.R2>;

/** Rows of a step on the sum of some terms, of which those of a regularizer are none. */
function rowsOf(...terms: Array<() => tf.Tensor>): number {
  const optimizer = ggn({policy: 'fixed', learningRate: 1e-6, damping: 0.1, momentum: 0});
  optimizer.minimize(() => terms.map(term => term()).reduce((sum, term) => sum.add(term)) as tf.Scalar);
  return optimizer.lastStep!.rows;
}

const squares = (): tf.Tensor => tf.matMul(x, w).sub(y).square().mean();
const entropy = (): tf.Tensor => tf.losses.softmaxCrossEntropy(y, tf.matMul(x, w));
const absolute = (): tf.Tensor => tf.matMul(x, w).sub(y).abs().mean();

for (const [name, data] of Object.entries({squares, entropy, absolute})) {
  test.serial(`squares of a variable, as it is and minus a number, beside ${name} of data`, t => {
    t.is(rowsOf(data), 36);
    for (const prior of [() => w.square().sum(), () => w.sub(0.1).square().sum(), () => tf.squaredDifference(w, 0.3).mean()]) {
      t.is(rowsOf(data, prior), 36);
      t.is(rowsOf(prior, data), 36);
    }
  });
}

test.serial('where there are no data, (w - c)² is what is to be fitted', t => {
  t.is(rowsOf(() => w.sub(0.1).square().sum()), 12);
  t.is(rowsOf(() => w.sub(0.1).square().sum(), () => w.sub(0.4).abs().sum()), 12);
});
