/** The step that a case must take, from dense Jacobians by tfjs's own autodiff on the cpu backend. */
import * as tf from '@tensorflow/tfjs';
import type {Batch} from '../cases/case';
import {rowWeights} from '../cases/rows';
import {denseJacobian, gradientsOrNone, referenceStep} from './dense_jacobian';
import type {ReferenceStep} from './dense_jacobian';
import {withFrozenStatistics} from '../support/frozen_statistics';
import {referenceRows} from './rows';

export interface WholeStep extends ReferenceStep {
  /** Whether no row depends on any weight. */
  flat: boolean;
  /** Whether statistics of the batch count as constants in J. */
  frozen: boolean;
  /** Tolerance of the square of the gradient norm, if it is qᵀGq with a Gram matrix in float32: a few 2⁻²⁴ of trace(SᵀGS) |z|². */
  rounding: number;
  /** Gradient of the loss as it is: through the statistics, and with the regularizers. */
  gradient: Float64Array;
}

/** Larger than the rounding of two ways to one Jacobian, smaller than the effect of any statistic of a batch. */
const SAME = 1e-4;

/** @param previous d_prev, all variables side by side. */
export function referenceWholeStep(model: tf.LayersModel, batch: Batch, variables: tf.Variable[],
    {damping, momentum, previous}: {damping: number; momentum: number; previous: Float64Array | null}): WholeStep {
  const rowsOf = (): tf.Tensor => referenceRows(model, batch);
  const weights = rowWeights(model, batch);
  const {jacobian: exact, rows, n, m} = denseJacobian(rowsOf, variables);
  const isNormalised = hasNormalisation(model);
  const jacobian = isNormalised ? denseJacobian(withFrozenStatistics(rowsOf), variables).jacobian : exact;
  const largest = jacobian.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
  const frozen = jacobian.some((x, i) => Math.abs(x - exact[i]) > SAME * largest);
  const extraGradient = penaltyGradient(model, variables);
  const gradient = extraGradient.slice();
  exact.forEach((x, i) => gradient[i % m] += 2 * weights[Math.floor(i / m)] * rows[Math.floor(i / m)] * x);
  if (frozen) {
    throughStatistics(jacobian, exact, rows, weights);
  }
  const trace = jacobian.reduce((sum, x, i) => sum + 2 * weights[Math.floor(i / m)] * x * x, 0);
  const rounding = 1e-6 * trace * rows.reduce((sum, r, i) => sum + 2 * weights[i] * r * r, 0);
  if (trace === 0) {
    return {flat: true, frozen, gradient, rounding, step: new Float64Array(m), lambda: 0, gradientNorm: Math.hypot(...gradient)};
  }
  const step = referenceStep({jacobian, n, m, residual: rows, weights, damping, momentum, previous, ridge: ridgeOf(model, variables), extraGradient});
  return {flat: false, frozen, gradient, rounding, ...step};
}

/** Also inside of a model that is a layer of this one. */
function hasNormalisation(model: tf.LayersModel): boolean {
  return model.layers.some(layer => layer.getClassName() === 'BatchNormalization' || (layer instanceof tf.LayersModel && hasNormalisation(layer)));
}

/** J + r fᵀ / Σ 2wr² in the place of J with frozen statistics: f is the exact gradient minus Jᵀq, q = 2wr. */
function throughStatistics(jacobian: Float64Array, exact: Float64Array, rows: Float64Array, weights: Float64Array): void {
  const m = jacobian.length / rows.length;
  const f = new Float64Array(m);
  exact.forEach((x, i) => f[i % m] += (x - jacobian[i]) * 2 * weights[Math.floor(i / m)] * rows[Math.floor(i / m)]);
  const size = rows.reduce((sum, r, i) => sum + 2 * weights[i] * r * r, 0);
  jacobian.forEach((_, i) => jacobian[i] += rows[Math.floor(i / m)] / size * f[i % m]);
}

/** Gradient of the regularizers. */
function penaltyGradient(model: tf.LayersModel, variables: tf.Variable[]): Float64Array {
  const gradient = tf.tidy(() => {
    if (model.calculateLosses().length === 0) {
      return tf.zeros([variables.reduce((m, v) => m + v.size, 0)]);
    }
    const grads = gradientsOrNone(() => model.calculateLosses().reduce((a, b) => tf.add(a, b)) as tf.Scalar, variables);
    return tf.concat(variables.map(v => tf.reshape(grads[v.name] ?? tf.zerosLike(v), [v.size])));
  });
  const values = Float64Array.from(gradient.dataSync());
  gradient.dispose();
  return values;
}

/**
 * ρ of every parameter: the penalties are Σ ρ w² + ρ₁ |w|, with gradient 2ρw + ρ₁ sign(w), which grows by 2ρ(k - 1)w from w to kw. No
 * weight of a case is zero. Exact to float32; the strength of a regularizer is the same for all entries of a variable, so the largest
 * weight tells it.
 */
function ridgeOf(model: tf.LayersModel, variables: tf.Variable[]): Float64Array {
  const here = penaltyGradient(model, variables);
  if (here.every(x => x === 0)) {
    return here;
  }
  const values = variables.map(variable => Array.from(variable.dataSync()));
  const k = 16;
  const scale = (factor: number): void => tf.tidy(() =>
    variables.forEach((variable, v) => variable.assign(tf.tensor(values[v].map(x => factor * x), variable.shape))));
  scale(k);
  const there = penaltyGradient(model, variables);
  scale(1);
  let offset = 0;
  return Float64Array.from(values.flatMap(entries => {
    const largest = entries.reduce((best, x, i) => Math.abs(x) > Math.abs(entries[best]) ? i : best, 0);
    const rho = (there[offset + largest] - here[offset + largest]) / (2 * (k - 1) * entries[largest]);
    offset += entries.length;
    return new Array<number>(entries.length).fill(rho);
  }));
}
