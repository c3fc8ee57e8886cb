/**
 * The losses of the tasks, in two forms: as `model.compile` takes them, and in plain numbers.
 *
 * The figures of the benchmark are positive and near 1 for a constant prediction, so that their
 * ratios can be averaged: the squared error over the variance of the training targets, the Poisson
 * deviance over that of the mean, and exp(2(L - L₀)) of a negative log-likelihood L, which is a
 * variance: L₀ is the loss of a standard normal (Laplace) target without inputs.
 */
import * as tf from '@tensorflow/tfjs';

export interface TaskLoss {
  readonly name: string;
  /** Units of the last layer. */
  readonly outputs: 1 | 2;
  readonly activation: 'linear' | 'softplus';
  /**
   * Of a linear fit: counts have a linear logarithm of the rate. Targets of others are
   * standardised.
   */
  readonly link: 'identity' | 'log';
  readonly compiled: string | ((target: tf.Tensor, prediction: tf.Tensor) => tf.Tensor);
  /** The figure of an example, before the mean, from its outputs (after the activation). */
  value(outputs: readonly number[], target: number): number;
  /** From the mean of these values over a part, and over the training targets for their mean. */
  figure(mean: number, ofConstant: number): number;
  /** The gradient of an example's loss by its outputs before the activation. */
  gradient(outputs: readonly number[], target: number): number[];
  /**
   * The outputs of a linear fit, from its prediction before the link and the mean size of its
   * residuals.
   */
  linear(prediction: number, residual: {square: number; absolute: number}): number[];
}

/** What TensorFlow.js adds to the argument of a logarithm. */
const EPSILON = 1e-7;

const deviance = (rate: number, y: number): number => 2 * ((y === 0 ? 0 : y * Math.log(y / rate)) - (y - rate));

/** The columns of two outputs, and the first of the targets. */
const columns = (target: tf.Tensor, prediction: tf.Tensor): tf.Tensor[] =>
  [...tf.split(prediction, 2, -1), tf.split(target, 2, -1)[0]];

export const SQUARED: TaskLoss = {
  name: 'squared', outputs: 1, activation: 'linear', link: 'identity', compiled: 'meanSquaredError',
  value: ([p], y) => (p - y) ** 2,
  figure: (mean, ofConstant) => mean / ofConstant,
  gradient: ([p], y) => [2 * (p - y)],
  linear: mean => [mean],
};

/** The loss `poisson` of TensorFlow.js on a softplus output. */
export const SOFTPLUS_POISSON: TaskLoss = {
  name: 'Poisson, softplus', outputs: 1, activation: 'softplus', link: 'log', compiled: 'poisson',
  value: ([rate], y) => deviance(rate + EPSILON, y),
  figure: SQUARED.figure,
  gradient: ([rate], y) => [(1 - y / (rate + EPSILON)) * (1 - Math.exp(-rate))],
  linear: logRate => [Math.exp(logRate)],
};

/** The output is the logarithm of the rate. */
export const EXP_POISSON: TaskLoss = {
  name: 'Poisson, exp', outputs: 1, activation: 'linear', link: 'log',
  compiled: (target, prediction) => prediction.exp().sub(target.mul(prediction)).mean(),
  value: ([logRate], y) => deviance(Math.exp(logRate), y),
  figure: SQUARED.figure,
  gradient: ([logRate], y) => [Math.exp(logRate) - y],
  linear: logRate => [logRate],
};

/** Outputs are the mean and the logarithm of the variance. */
export const GAUSSIAN: TaskLoss = {
  name: 'Gaussian NLL', outputs: 2, activation: 'linear', link: 'identity',
  compiled: (target, prediction) => {
    const [mean, logVariance, y] = columns(target, prediction);
    return logVariance.add(y.sub(mean).square().mul(logVariance.neg().exp())).mul(0.5).mean();
  },
  value: ([mean, s], y) => 0.5 * (s + (y - mean) ** 2 * Math.exp(-s)),
  figure: mean => Math.exp(2 * mean - 1),
  gradient: ([mean, s], y) => [(mean - y) * Math.exp(-s), 0.5 * (1 - (y - mean) ** 2 * Math.exp(-s))],
  linear: (mean, {square}) => [mean, Math.log(square)],
};

/** Outputs are the median and the logarithm of the scale. */
export const LAPLACE: TaskLoss = {
  name: 'Laplace NLL', outputs: 2, activation: 'linear', link: 'identity',
  compiled: (target, prediction) => {
    const [median, logScale, y] = columns(target, prediction);
    return logScale.add(y.sub(median).abs().mul(logScale.neg().exp())).mean();
  },
  value: ([median, s], y) => s + Math.abs(y - median) * Math.exp(-s),
  figure: mean => Math.exp(2 * mean - 2),
  gradient: ([median, s], y) => [Math.sign(median - y) * Math.exp(-s), 1 - Math.abs(y - median) * Math.exp(-s)],
  linear: (median, {absolute}) => [median, Math.log(absolute)],
};
