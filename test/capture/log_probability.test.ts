/** Which ways to write a cross-entropy are recognised: the rows are then the logits, and the step knows no clipping. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {capture} from '../../src/capture/trace';
import {findRows} from '../../src/rows';

test.before(async () => {
  await tf.setBackend('cpu');
});

/** Kinds of the parts of a loss that are no squares. */
function kindsOf(f: () => tf.Tensor): string[] {
  let kinds: string[] = [];
  tf.tidy(() => {
    const {trace} = capture(f as () => tf.Scalar);
    try {
      kinds = findRows(trace, v => v.trainable, null).head.losses.map(loss => loss.kind);
    } finally {
      trace.dispose();
    }
  });
  return kinds;
}

const w = tf.variable(tf.randomNormal([3, 4], 0, 1, 'float32', 1)) as tf.Variable<tf.Rank.R2>;
const x = tf.randomNormal([5, 3], 0, 1, 'float32', 2) as tf.Tensor2D;
const y = tf.oneHot([0, 1, 2, 3, 0], 4).toFloat();
const f = (): tf.Tensor2D => tf.matMul(x, w);
const sequence = (): tf.Tensor => f().reshape([5, 2, 2]);

const SOFTMAX: Record<string, () => tf.Tensor> = {
  'p.log()': () => tf.softmax(f()).log().mul(y).sum().neg(),
  'clipped': () => tf.softmax(f()).clipByValue(1e-7, 1).log().mul(y).sum(1).mean().neg(),
  'plus epsilon': () => tf.softmax(f()).add(1e-7).log().mul(y).sum(1).mean().neg(),
  'divided by the sum': () => tf.tidy(() => {
    const p = tf.softmax(f());
    return p.div(p.sum(-1, true)).log().mul(y).sum(1).mean().neg();
  }),
  'logSoftmax': () => tf.logSoftmax(f()).mul(y).sum(1).mean().neg(),
  'f - logSumExp(f)': () => {
    const logits = f();
    return logits.sub(tf.logSumExp(logits, 1, true)).mul(y).sum(1).mean().neg();
  },
  'losses.softmaxCrossEntropy': () => tf.losses.softmaxCrossEntropy(y, f()),
  'metrics.categoricalCrossentropy': () => tf.metrics.categoricalCrossentropy(y, tf.softmax(f())).mean(),
  'metrics.sparseCategoricalAccuracy beside it': () => {
    const p = tf.softmax(f());
    tf.metrics.categoricalAccuracy(y, p);
    return tf.metrics.categoricalCrossentropy(y, p).mean();
  },
  'relative entropy': () => y.mul(y.add(0.1).div(tf.softmax(f())).log()).sum(1).mean(),
  'a sequence': () => tf.softmax(sequence()).log().mul(y.reshape([5, 2, 2])).sum().neg(),
};

for (const [name, loss] of Object.entries(SOFTMAX)) {
  test.serial(`softmax: ${name}`, t => {
    t.deepEqual(kindsOf(loss), ['softmax']);
  });
}

const SIGMOID: Record<string, () => tf.Tensor> = {
  'losses.sigmoidCrossEntropy': () => tf.losses.sigmoidCrossEntropy(y, f()),
  'metrics.binaryCrossentropy': () => tf.metrics.binaryCrossentropy(y, tf.sigmoid(f())).mean(),
  'losses.logLoss': () => tf.losses.logLoss(y, tf.sigmoid(f())),
  'log p and log(1 - p)': () => tf.tidy(() => {
    const p = tf.sigmoid(f());
    return y.mul(p.log()).add(tf.sub(1, y).mul(tf.sub(1, p).log())).mean().neg();
  }),
  'log p alone': () => tf.sigmoid(f()).log().mean().neg(),
};

for (const [name, loss] of Object.entries(SIGMOID)) {
  test.serial(`sigmoid: ${name}`, t => {
    t.deepEqual(kindsOf(loss), ['sigmoid']);
  });
}

const OTHERS: Record<string, () => tf.Tensor> = {
  'an epsilon that is no rounding': () => tf.softmax(f()).add(1e-3).log().mul(y).sum(1).mean().neg(),
  'an entropy bonus with the same probabilities': () => tf.tidy(() => {
    const p = tf.softmax(f());
    return p.log().mul(y).sum(1).mean().neg().add(p.mul(p.log()).sum(1).mean());
  }),
  'a focal loss': () => tf.tidy(() => {
    const p = tf.softmax(f());
    return tf.sub(1, p).square().mul(p.log()).mul(y).sum().neg();
  }),
  'a sum over the wrong axis': () => tf.tidy(() => {
    const p = tf.softmax(f());
    return p.div(p.sum(0, true)).log().mul(y).sum().neg();
  }),
};

for (const [name, loss] of Object.entries(OTHERS)) {
  test.serial(`none of them: ${name}`, t => {
    t.deepEqual(kindsOf(loss), ['function']);
  });
}
