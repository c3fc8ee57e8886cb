/**
 * The recognised ways to write a cross-entropy: their rows are the logits, and the step knows no clipping. The gradient is that of the loss
 * in either case.
 */
import * as tf from '@tensorflow/tfjs';
import test, {type ExecutionContext} from 'ava';
import {capture} from '../../../src/trace/capture';
import {ggn} from '../../../src/index';
import {findRows} from '../../../src/loss/rows';

test.before(async () => {
  await tf.setBackend('cpu');
});

/** Kinds of the parts of a loss that are no squares. */
function kindsOf(f: () => tf.Tensor): string[] {
  let kinds: string[] = [];
  tf.tidy(() => {
    const {trace} = capture(f as () => tf.Scalar);
    try {
      kinds = findRows(trace, v => v.trainable, null).head.outputTerms.map(term => term.kind);
    } finally {
      trace.dispose();
    }
  });
  return kinds;
}

/** The norm of the gradient of a step, relative to that of tfjs, of weights that nothing clips at. */
function checkGradient(t: ExecutionContext, loss: () => tf.Tensor, variables: tf.Variable[] = [w]): void {
  const expected = tf.tidy(() => Math.hypot(...Object.values(tf.variableGrads(loss as () => tf.Scalar, variables).grads).flatMap(g => [...g.dataSync()])));
  const before = variables.map(v => v.clone());
  const optimizer = ggn({damping: 1, momentum: 0, policy: 'fixed'});
  optimizer.minimize(loss as () => tf.Scalar, false, variables);
  variables.forEach((v, i) => v.assign(before[i]));
  const {gradientNorm} = optimizer.lastStep!;
  optimizer.dispose();
  tf.dispose(before);
  t.true(Math.abs(gradientNorm / expected - 1) < 1e-4, `gradient norm ${gradientNorm}, expected ${expected}`);
}

const w = tf.variable(tf.randomNormal([3, 4], 0, 1, 'float32', 1)) as tf.Variable<tf.Rank.R2>;
const x = tf.randomNormal([5, 3], 0, 1, 'float32', 2) as tf.Tensor2D;
const y = tf.oneHot([0, 1, 2, 3, 0], 4).toFloat();
const f = (): tf.Tensor2D => tf.matMul(x, w);
const sequence = (): tf.Tensor => f().reshape([5, 2, 2]);

/** As many classes as examples. */
const square = (): tf.Tensor2D => tf.concat([f(), f().slice([0, 0], [5, 1]).mul(0.5)], 1) as tf.Tensor2D;
const targets = tf.softmax(tf.randomNormal([5, 5], 0, 1, 'float32', 3));

const SOFTMAX: Record<string, () => tf.Tensor> = {
  'p.log()': () => tf.softmax(f()).log().mul(y).sum().neg(),
  'clipped': () => tf.softmax(f()).clipByValue(1e-7, 1).log().mul(y).sum(1).mean().neg(),
  'clipped as tfjs-layers does once WebGL was its backend': () => tf.softmax(f()).clipByValue(1e-4, 1 - 1e-4).log().mul(y).sum(1).mean().neg(),
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
  'losses.softmaxCrossEntropy of a sequence': () => tf.losses.softmaxCrossEntropy(y.reshape([5, 2, 2]).softmax(), sequence()),
  'f - logSumExp(f) of a sequence': () => {
    const logits = sequence();
    return logits.sub(tf.logSumExp(logits, -1, true)).mul(y.reshape([5, 2, 2])).sum().neg();
  },
  'of what the largest entries of all examples are subtracted from': () => tf.tidy(() => {
    const logits = square();
    const shifted = logits.sub(logits.max(0, true));
    return shifted.sub(shifted.exp().sum(1, true).log()).mul(targets).sum(1).mean().neg();
  }),
  'a sequence': () => tf.softmax(sequence()).log().mul(y.reshape([5, 2, 2])).sum().neg(),
};

for (const [name, loss] of Object.entries(SOFTMAX)) {
  test.serial(`softmax: ${name}`, t => {
    t.deepEqual(kindsOf(loss), ['softmax']);
    checkGradient(t, loss);
  });
}

test.serial('a head that reads the probabilities leaves the cross-entropy what it is', t => {
  const v = tf.variable(tf.randomNormal([4, 2], 0, 1, 'float32', 5)) as tf.Variable<tf.Rank.R2>;
  const loss = (): tf.Tensor => tf.tidy(() => {
    const p = tf.softmax(f()) as tf.Tensor2D;
    const rate = tf.matMul(p, v).exp();
    return p.log().mul(y).sum(1).mean().neg().add(rate.sub(rate.log().mul(2)).mean());
  });
  t.deepEqual(kindsOf(loss), ['softmax', 'function']);
  checkGradient(t, loss, [w, v]);
  v.dispose();
});

const SIGMOID: Record<string, () => tf.Tensor> = {
  'losses.sigmoidCrossEntropy': () => tf.losses.sigmoidCrossEntropy(y, f()),
  'metrics.binaryCrossentropy': () => tf.metrics.binaryCrossentropy(y, tf.sigmoid(f())).mean(),
  'losses.logLoss': () => tf.losses.logLoss(y, tf.sigmoid(f())),
  'log p and log(1 - p)': () => tf.tidy(() => {
    const p = tf.sigmoid(f());
    return y.mul(p.log()).add(tf.sub(1, y).mul(tf.sub(1, p).log())).mean().neg();
  }),
  'log(1 - p), clipped behind the difference': () => tf.sub(1, tf.sigmoid(f())).clipByValue(1e-7, 1).log().mean().neg(),
  'log(1 - p) with a maximum': () => tf.maximum(1e-7, tf.sub(1, tf.sigmoid(f()))).log().mean().neg(),
  'log(1 - p) with a tensor of ones, reshaped': () => tf.tidy(() => {
    const p = tf.sigmoid(f());
    return tf.onesLike(p).sub(p).reshape([20]).log().mean().neg();
  }),
  'log p alone': () => tf.sigmoid(f()).log().mean().neg(),
};

for (const [name, loss] of Object.entries(SIGMOID)) {
  test.serial(`sigmoid: ${name}`, t => {
    t.deepEqual(kindsOf(loss), ['sigmoid']);
    checkGradient(t, loss);
  });
}

/** Refused, as it couples the examples. */
const COUPLED = 'a sum over the wrong axis';

const OTHERS: Record<string, () => tf.Tensor> = {
  'clipping that is no rounding': () => tf.softmax(f()).clipByValue(1e-3, 1).log().mul(y).sum(1).mean().neg(),
  'an epsilon that is no rounding': () => tf.softmax(f()).add(1e-3).log().mul(y).sum(1).mean().neg(),
  'an entropy bonus with the same probabilities': () => tf.tidy(() => {
    const p = tf.softmax(f());
    return p.log().mul(y).sum(1).mean().neg().add(p.mul(p.log()).sum(1).mean());
  }),
  'a quotient with more entries than there are logits': () => tf.tidy(() => {
    const p = tf.sigmoid(f().slice([0, 0], [5, 1]));
    return y.mul(y.add(0.1).div(p).log()).sum(1).mean();
  }),
  'a quotient with more examples than there are logits': () => tf.tidy(() => {
    const p = tf.softmax(f());
    const all = tf.stack([y, y.add(1)]).add(0.1);
    return all.mul(all.div(p).log()).sum([0, 2]).mean();
  }),
  'a focal loss': () => tf.tidy(() => {
    const p = tf.softmax(f());
    return tf.sub(1, p).square().mul(p.log()).mul(y).sum().neg();
  }),
  'logSumExp of examples along classes': () => tf.tidy(() => {
    const logits = square();
    return logits.sub(logits.logSumExp(1)).mul(targets).sum(1).mean().neg();
  }),
  'sums of examples along classes': () => tf.tidy(() => {
    const p = tf.softmax(square());
    return p.div(p.sum(1)).log().mul(targets).sum(1).mean().neg();
  }),
  'sums over other groups of classes': () => tf.tidy(() => {
    const p = tf.softmax(f().reshape([5, 4])).reshape([5, 2, 2]);
    return p.div(p.sum(-1, true)).log().mul(y.reshape([5, 2, 2])).sum().neg();
  }),
  [COUPLED]: () => tf.tidy(() => {
    const p = tf.softmax(f());
    return p.div(p.sum(0, true)).log().mul(y).sum().neg();
  }),
};

for (const [name, loss] of Object.entries(OTHERS)) {
  test.serial(`none of them: ${name}`, t => {
    t.deepEqual(kindsOf(loss), ['function']);
    if (name !== COUPLED) {
      checkGradient(t, loss);
    }
  });
}
