/**
 * Every loss, by its name in compile(), as an op in a loop, and in float64 as a function of one example's rows: where the table says so, of
 * logits or residuals in place of outputs.
 */
import * as tf from '@tensorflow/tfjs';
import {softplus} from '../support/numbers';

export interface LossCase {
  readonly name: string;
  /** Of the last layer. */
  readonly activation: 'linear' | 'softmax' | 'sigmoid' | 'softplus';
  readonly outputs: number;
  /** Targets of B examples, [B, outputs] or as the loss wants them. */
  targets(examples: number): tf.Tensor;
  /** For compile(); none where there is only the op. */
  readonly fit?: string | ((y: tf.Tensor, p: tf.Tensor) => tf.Tensor);
  /** For a loop: from targets, outputs, logits, and a weight for each example [B, 1]; none where there is only the name. */
  loop?(y: tf.Tensor, p: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor | undefined): tf.Scalar;
  /** The rows; the outputs by default. */
  rows?(y: tf.Tensor, p: tf.Tensor, logits: tf.Tensor): tf.Tensor;
  /** Loss of one example in its rows f, target y (a row of the targets), before weights and the mean over examples. */
  value(f: readonly number[], y: readonly number[]): number;
  /**
   * The rows are residuals. The curvature is |l'|/max(|f|, δ) for those whose second derivative is below a share of that, see `majorized`.
   */
  readonly isResidual?: boolean;
  readonly curvature?: 'exact' | 'projected' | 'majorized';
}

const pseudo = (i: number): number => {
  const x = Math.sin(12.9898 * (i + 1)) * 43758.5453;
  return x - Math.floor(x);
};

const real = (outputs: number, from: number, to: number) => (examples: number): tf.Tensor =>
  tf.tensor(Float32Array.from({length: examples * outputs}, (_, i) => from + (to - from) * pseudo(i)), [examples, outputs]);

const signs = (outputs: number) => (examples: number): tf.Tensor =>
  tf.tensor(Float32Array.from({length: examples * outputs}, (_, i) => pseudo(i) < 0.5 ? -1 : 1), [examples, outputs]);

const classes = (outputs: number) => (examples: number): tf.Tensor =>
  tf.oneHot(tf.tensor1d(Array.from({length: examples}, (_, i) => Math.floor(pseudo(i) * outputs)), 'int32'), outputs).toFloat();

const mean = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0) / x.length;
const sum = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0);
const logSumExp = (f: readonly number[]): number => Math.log(sum(f.map(Math.exp)));
const byExample = (losses: tf.Tensor, weights: tf.Tensor | undefined): tf.Scalar =>
  tf.losses.computeWeightedLoss(losses, weights?.reshape([-1]), 1 /* MEAN */) as tf.Scalar;
const residual = (y: tf.Tensor, p: tf.Tensor): tf.Tensor => p.sub(y);
const logitsOf = (_y: tf.Tensor, _p: tf.Tensor, logits: tf.Tensor): tf.Tensor => logits;
const softmaxLoss = (f: readonly number[], y: readonly number[]): number => sum(y) * logSumExp(f) - sum(f.map((x, i) => x * y[i]));
const sigmoidLoss = (f: readonly number[], y: readonly number[]): number => mean(f.map((x, i) => softplus(x) - x * y[i]));
const huber = (r: number, delta: number): number => Math.abs(r) <= delta ? r * r / 2 : delta * (Math.abs(r) - delta / 2);

/** Names of tfjs-layers' loss map. */
export const byName: readonly LossCase[] = [
  {name: 'meanAbsoluteError', activation: 'linear', outputs: 2, targets: real(2, -1, 1), fit: 'meanAbsoluteError', rows: residual,
    loop: (y, p, _, w) => byExample(p.sub(y).abs().mean(1), w),
    value: f => mean(f.map(Math.abs)), isResidual: true, curvature: 'majorized'},
  {name: 'meanAbsolutePercentageError', activation: 'linear', outputs: 2, targets: real(2, 0.5, 2), fit: 'meanAbsolutePercentageError',
    rows: (y, p) => p.sub(y).div(y.abs()), loop: (y, p, _, w) => byExample(p.sub(y).div(y).abs().mean(1).mul(100), w),
    value: f => 100 * mean(f.map(Math.abs)), isResidual: true, curvature: 'majorized'},
  {name: 'meanSquaredLogarithmicError', activation: 'softplus', outputs: 2, targets: real(2, 0.5, 2), fit: 'meanSquaredLogarithmicError',
    rows: (y, p) => p.add(1).log().sub(y.add(1).log()), loop: (y, p, _, w) => byExample(p.add(1).log().sub(y.add(1).log()).square().mean(1), w),
    value: f => mean(f.map(x => x * x))},
  {name: 'squaredHinge', activation: 'linear', outputs: 2, targets: signs(2), fit: 'squaredHinge', rows: (y, p) => tf.relu(tf.sub(1, y.mul(p))),
    loop: (y, p, _, w) => byExample(tf.relu(tf.sub(1, y.mul(p))).square().mean(1), w), value: f => mean(f.map(x => x * x))},
  {name: 'hinge', activation: 'linear', outputs: 2, targets: signs(2), fit: 'hinge', rows: (y, p) => tf.sub(1, y.mul(p)),
    loop: (y, p, _, w) => byExample(tf.relu(tf.sub(1, y.mul(p))).mean(1), w), value: f => mean(f.map(x => Math.max(0, x))), isResidual: true,
    curvature: 'majorized'},
  {name: 'categoricalHinge', activation: 'linear', outputs: 3, targets: classes(3), fit: 'categoricalHinge',
    rows: (y, p) => tf.sub(1, y).mul(p).max(1).sub(y.mul(p).sum(1)).add(1),
    loop: (y, p, _, w) => byExample(tf.maximum(0, tf.add(1, tf.sub(1, y).mul(p).max(1).sub(y.mul(p).sum(1)))), w),
    value: ([f]) => Math.max(0, f), isResidual: true, curvature: 'majorized'},
  {name: 'logcosh', activation: 'linear', outputs: 2, targets: real(2, -1, 1), fit: 'logcosh', rows: residual,
    loop: (y, p, _, w) => byExample(p.sub(y).add(tf.softplus(p.sub(y).mul(-2))).sub(Math.log(2)).mean(1), w),
    value: f => mean(f.map(x => Math.log(Math.cosh(x)))), isResidual: true},
  {name: 'categoricalCrossentropy', activation: 'softmax', outputs: 4, targets: classes(4), fit: 'categoricalCrossentropy', rows: logitsOf,
    loop: (y, p, _, w) => byExample(p.log().mul(y).sum(1).neg(), w), value: softmaxLoss},
  {name: 'categoricalCrossentropy of soft targets', activation: 'softmax', outputs: 4, targets: real(4, 0, 1), fit: 'categoricalCrossentropy', rows: logitsOf,
    loop: (y, _, logits, w) => byExample(tf.logSoftmax(logits).mul(y).sum(1).neg(), w), value: softmaxLoss},
  {name: 'categoricalCrossentropy of outputs that are no softmax', activation: 'sigmoid', outputs: 3, targets: classes(3), fit: 'categoricalCrossentropy',
    value: (f, y) => -sum(y.map((yi, i) => yi * Math.log(f[i] / sum(f)))), curvature: 'projected'},
  {name: 'sparseCategoricalCrossentropy', activation: 'softmax', outputs: 4, targets: n => tf.tidy(() => classes(4)(n).argMax(1).toFloat().reshape([n, 1])),
    fit: 'sparseCategoricalCrossentropy', rows: logitsOf, value: (f, [k]) => logSumExp(f) - f[k]},
  {name: 'binaryCrossentropy', activation: 'sigmoid', outputs: 2, targets: real(2, 0, 1), fit: 'binaryCrossentropy', rows: logitsOf,
    loop: (y, p, _, w) => byExample(y.mul(p.log()).add(tf.sub(1, y).mul(tf.log(tf.sub(1, p)))).mean(1).neg(), w), value: sigmoidLoss},
  {name: 'binaryCrossentropy of one output', activation: 'sigmoid', outputs: 1, targets: n => tf.tidy(() => signs(1)(n).add(1).div(2)), fit: 'binaryCrossentropy',
    rows: logitsOf, value: sigmoidLoss},
  {name: 'binaryCrossentropy of outputs that are no sigmoid', activation: 'softmax', outputs: 3, targets: classes(3), fit: 'binaryCrossentropy',
    rows: (_, p) => p.div(tf.sub(1, p)).log(), value: sigmoidLoss},
  {name: 'kullbackLeiblerDivergence', activation: 'softmax', outputs: 3, targets: n => tf.tidy(() => real(3, 0.1, 1)(n).div(real(3, 0.1, 1)(n).sum(1, true))),
    fit: 'kullbackLeiblerDivergence', rows: logitsOf,
    loop: (y, p, _, w) => byExample(y.mul(tf.log(y.div(p.clipByValue(1e-7, 1)))).sum(1), w), value: softmaxLoss},
  {name: 'kullbackLeiblerDivergence of outputs that are no softmax', activation: 'sigmoid', outputs: 3, targets: real(3, 0.1, 1), fit: 'kullbackLeiblerDivergence',
    rows: logitsOf, value: (f, y) => sum(y.map((yi, i) => yi * softplus(-f[i])))},
  {name: 'poisson of a sigmoid', activation: 'sigmoid', outputs: 2, targets: n => tf.tidy(() => real(2, 0, 4)(n).floor()), fit: 'poisson',
    value: (f, y) => mean(f.map((x, i) => x - y[i] * Math.log(x + 1e-7)))},
  {name: 'poisson', activation: 'softplus', outputs: 2, targets: n => tf.tidy(() => real(2, 0, 4)(n).floor()), fit: 'poisson',
    value: (f, y) => mean(f.map((x, i) => x - y[i] * Math.log(x + 1e-7)))},
  {name: 'poisson, in its logits', activation: 'softplus', outputs: 2, targets: n => tf.tidy(() => real(2, 0, 4)(n).floor()), rows: logitsOf,
    loop: (y, p, _, w) => byExample(p.sub(y.mul(p.log())).mean(1), w), value: (f, y) => mean(f.map((x, i) => softplus(x) - y[i] * Math.log(softplus(x))))},
];

type Weighted = (y: tf.Tensor, p: tf.Tensor, weights?: tf.Tensor) => tf.Tensor;

/** Ops of tf.losses with one weight for each example; their default reduction is by the number of weights that are not 0. */
export const byOp: readonly LossCase[] = ([
  {name: 'losses.absoluteDifference', activation: 'linear', outputs: 2, targets: real(2, -1, 1), rows: residual, op: tf.losses.absoluteDifference as Weighted,
    value: f => mean(f.map(Math.abs)), isResidual: true, curvature: 'majorized'},
  {name: 'losses.hingeLoss', activation: 'linear', outputs: 2, targets: n => tf.tidy(() => signs(2)(n).add(1).div(2)), op: tf.losses.hingeLoss as Weighted,
    rows: (y, p) => tf.sub(1, y.mul(2).sub(1).mul(p)), value: f => mean(f.map(x => Math.max(0, x))), isResidual: true, curvature: 'majorized'},
  {name: 'losses.huberLoss', activation: 'linear', outputs: 2, targets: real(2, -2, 2), rows: residual,
    op: (y, p, w) => tf.losses.huberLoss(y, p, w, 0.7), value: f => mean(f.map(x => huber(x, 0.7))), isResidual: true, curvature: 'majorized'},
  {name: 'losses.logLoss', activation: 'sigmoid', outputs: 2, targets: real(2, 0, 1), rows: logitsOf, op: tf.losses.logLoss as Weighted, value: sigmoidLoss},
  {name: 'losses.meanSquaredError', activation: 'linear', outputs: 2, targets: real(2, -1, 1), rows: residual, op: tf.losses.meanSquaredError as Weighted,
    value: f => mean(f.map(x => x * x))},
  {name: 'losses.sigmoidCrossEntropy', activation: 'sigmoid', outputs: 2, targets: n => tf.tidy(() => signs(2)(n).add(1).div(2)), rows: logitsOf,
    op: (y, p, w) => tf.losses.sigmoidCrossEntropy(y, p, w), value: sigmoidLoss},
  {name: 'losses.sigmoidCrossEntropy with smoothing', activation: 'sigmoid', outputs: 2, targets: n => tf.tidy(() => signs(2)(n).add(1).div(2)), rows: logitsOf,
    op: (y, p, w) => tf.losses.sigmoidCrossEntropy(y, p, w, 0.2), value: (f, y) => sigmoidLoss(f, y.map(yi => 0.8 * yi + 0.1))},
  {name: 'losses.softmaxCrossEntropy', activation: 'softmax', outputs: 4, targets: classes(4), rows: logitsOf, isPerExample: true,
    op: (y, p, w) => tf.losses.softmaxCrossEntropy(y, p, w), value: softmaxLoss},
  {name: 'losses.softmaxCrossEntropy with smoothing', activation: 'softmax', outputs: 4, targets: classes(4), rows: logitsOf, isPerExample: true,
    op: (y, p, w) => tf.losses.softmaxCrossEntropy(y, p, w, 0.2), value: (f, y) => softmaxLoss(f, y.map(yi => 0.8 * yi + 0.05))},
] as Array<Omit<LossCase, 'loop'> & {op: Weighted; isPerExample?: boolean}>).map(({op, isPerExample, ...one}): LossCase => ({...one,
  loop: (y, p, logits, w) => op(y, /Entropy/.test(one.name) ? logits : p, isPerExample === true ? w?.reshape([-1]) : w) as tf.Scalar}));
