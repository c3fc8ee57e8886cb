import {traceOf} from '../arrays/symmetric';

/** Unit roundoff of float32, in which J and the Gram matrix were computed. */
const FLOAT32_ROUNDOFF = 2 ** -24;

/** λ is never below this multiple of |SᵀGS|: there the rounding errors of G alone are as large as the step. */
export const FLOOR_RATIO = FLOAT32_ROUNDOFF;

/**
 * From this multiple of |SᵀGS| upwards the rounding error of the step stays below about one per cent: it was measured as
 * 5 · 2⁻²⁴ σ²max/λ for 200 rows and 11 parameters, and 5 · 2⁻⁹ = 0.0098.
 */
export const TRUSTED_RATIO = 2 ** -15;

/** What float32 rows and a float32 Gram matrix allow λ to be. */
export interface Float32Limits {
  /** λ is never below: FLOOR_RATIO · |SᵀGS|. */
  readonly floor: number;
  /** Below it a step must be verified, J d against the predicted change: TRUSTED_RATIO · |SᵀGS|. */
  readonly trusted: number;
}

/**
 * λ = τ · trace(SᵀGS) / min(n, m): τ times the mean of the eigenvalues that can differ from zero.
 *
 * A step then depends neither on a common factor of outputs and targets, nor on a factor of the loss, nor on the width of the net.
 *
 * @param tau Relative damping τ, set by the user.
 * @param trace trace(SᵀGS), in units of loss per squared parameter; not weighted by regularizers.
 * @param rows n, rows whose weight is not 0. No rows count as one: the trace is then 0 and so is λ.
 * @param parameters m, trainable parameters.
 */
export function relativeDamping(tau: number, trace: number, rows: number, parameters: number): number {
  return tau * trace / Math.max(1, Math.min(rows, parameters));
}

/**
 * Limits of λ for a dual step from float32 data. Where z has a part outside the range of SᵀJ, the error of the step grows like
 * 2⁻²⁴ σ²max/λ, long before the float64 factorization breaks down. σ²max of C = SᵀGS is bounded by min(trace C, |C|∞), which
 * exceeds it by at most sqrt(n).
 *
 * @param curvature C, n x n, symmetric positive semidefinite. One NaN in it makes all limits NaN.
 * @returns `norm` is that bound.
 */
export function float32Floor(curvature: Float64Array, n: number): Float32Limits & {readonly norm: number} {
  let infinityNorm = 0;
  for (let i = 0; i < n; i++) {
    let rowSum = 0;
    for (let j = 0; j < n; j++) {
      rowSum += Math.abs(curvature[i * n + j]);
    }
    infinityNorm = Math.max(infinityNorm, rowSum);
  }
  const norm = Math.min(traceOf(curvature, n), infinityNorm);
  return {floor: FLOOR_RATIO * norm, trusted: TRUSTED_RATIO * norm, norm};
}

/** Share of the curvature that a loss could have, by which λ is scaled at least: cross-entropies come to it at probabilities of 2.4e-4. */
export const LEAST_CURVATURE = 2 ** -10;
