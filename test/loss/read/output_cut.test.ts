/** Where the network ends and the loss begins. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {capture} from '../../../src/trace/capture';
import type {Trace} from '../../../src/trace/trace';
import {findRows} from '../../../src/loss/rows';
import type {Rows} from '../../../src/loss/rows';

test.before(async () => {
  await tf.setBackend('cpu');
});

/** The kernels that make the rows of a loss, with their shapes; and whether the last part counts as a residual. */
function cutOf(f: () => tf.Tensor): {rows: string[]; isResidual: boolean | null} {
  let found: {rows: string[]; isResidual: boolean | null} = {rows: [], isResidual: null};
  tf.tidy(() => {
    const {trace} = capture(f as () => tf.Scalar);
    try {
      const rows = findRows(trace, v => v.trainable, null);
      const [term] = rows.head.outputTerms.slice(-1);
      found = {rows: describe(trace, rows), isResidual: term?.kind === 'function' ? term.isResidual : null};
    } finally {
      trace.dispose();
    }
  });
  return found;
}

const describe = (trace: Trace, rows: Rows): string[] =>
  rows.blocks.map(({value}) => `${trace.nodes[trace.producer[value]]?.kernel} ${trace.values[value].shape.join('x')}`);

const w = tf.variable(tf.randomNormal([3, 2], 0, 1, 'float32', 1)) as tf.Variable<tf.Rank.R2>;
const b = tf.variable(tf.tensor1d([0.1, 0.2]));
const x = tf.randomNormal([5, 3], 0, 1, 'float32', 2) as tf.Tensor2D;
const y = tf.randomNormal([5, 2], 0, 1, 'float32', 3) as tf.Tensor2D;
const f = (): tf.Tensor => tf.matMul(x, w).add(b);
/** A layer of tfjs: its kernel computes [1, 5, 2], which is reshaped. */
const dense = tf.layers.dense({units: 2, inputShape: [3]});
const g = (): tf.Tensor => dense.apply(x) as tf.Tensor;

const CUTS: Record<string, [() => tf.Tensor, string[], boolean]> = {
  'behind the bias': [() => tf.tidy(() => {
    const logits = f();
    return logits.exp().sub(logits.mul(y)).mean();
  }), ['Add 5x2'], false],
  'in front of the activation of a Poisson loss': [() => tf.tidy(() => {
    const p = f().exp();
    return p.sub(y.mul(p.log())).mean();
  }), ['Add 5x2'], false],
  'at the residuals': [() => f().tanh().sub(y).abs().mean(), ['Sub 5x2'], true],
  'at the residuals, squares beside': [() => tf.tidy(() => {
    const r = f().sub(y);
    return r.abs().mean().add(r.square().mean());
  }), ['Sub 5x2', 'Sub 5x2'], true],
  'Huber: its square is part of it': [() => tf.losses.huberLoss(y, f()), ['Sub 5x2'], true],
  'at the margins': [() => tf.relu(tf.sub(1, f().mul(y))).mean(), ['Sub 5x2'], true],
  'not where the bend is elsewhere': [() => tf.maximum(-0.5, f().mul(y)).exp().mean(), ['Add 5x2'], false],
  'not at 1 - p of a probability': [() => tf.sub(1, tf.sigmoid(f())).square().exp().mean(), ['Add 5x2'], false],
  'at relative residuals': [() => f().sub(y).div(y).abs().mean(), ['RealDiv 5x2'], true],
  'a skip connection joins in front of the loss': [() => tf.tidy(() => {
    const h = f();
    return h.add(tf.matMul(h.tanh() as tf.Tensor2D, w.slice([0, 0], [2, 2]))).exp().mean();
  }), ['Add 5x2'], false],
  'two outputs of one network': [() => tf.tidy(() => {
    const h = f();
    return tf.mul(h.exp(), tf.matMul(h.tanh() as tf.Tensor2D, w.slice([0, 0], [2, 2])).exp()).mean();
  }), ['Exp 5x2', 'BatchMatMul 5x2'], false],
  'behind the reshape of a dense layer': [() => tf.tidy(() => {
    const logits = g();
    return logits.exp().sub(logits.mul(y)).mean();
  }), ['Reshape 5x2'], false],
  'at the residuals of a dense layer': [() => g().sub(y).abs().mean(), ['Sub 5x2'], true],
  'at the residuals, each with several targets': [() => g().sub(tf.randomNormal([5, 1, 2])).abs().mean(), ['Sub 5x5x2'], true],
  'at an output of which p - y and y - p are taken': [() => tf.tidy(() => {
    const p = f().tanh();
    return tf.maximum(p.sub(y), y.sub(p).mul(0.1)).mean();
  }), ['Tanh 5x2'], true],
  'not where other data are taken from the output': [() => tf.tidy(() => {
    const p = f().tanh();
    return tf.maximum(p.sub(y), y.mul(2).sub(p)).mean();
  }), ['Add 5x2'], false],
  'at an output whose squared difference has a root': [() => tf.squaredDifference(f().tanh(), y).sqrt().mean(), ['Tanh 5x2'], true],
  'in front of a flattening': [() => tf.tidy(() => {
    const logits = g().flatten();
    return logits.exp().sub(logits.mul(y.flatten())).mean();
  }), ['Reshape 5x2'], false],
  'in front of a transposition': [() => tf.tidy(() => {
    const logits = f().transpose();
    return logits.exp().sub(logits.mul(y.transpose())).mean();
  }), ['Add 5x2'], false],
  'a regularizer is no row': [() => f().sub(y).abs().mean().add(w.square().sum()).add(b.abs().sum()), ['Sub 5x2'], true],
  'a curve of two scalars': [() => {
    const t = tf.tensor1d([0, 1, 2, 3]);
    const [p, q] = [w.slice([0, 0], [1, 1]).reshape([]), b.slice(0, 1).reshape([])];
    return t.mul(p).exp().mul(q).sub(t).abs().mean();
  }, ['Sub 4'], true],
};

for (const [name, [loss, rows, isResidual]] of Object.entries(CUTS)) {
  test.serial(name, t => {
    t.deepEqual(cutOf(loss), {rows, isResidual});
  });
}
