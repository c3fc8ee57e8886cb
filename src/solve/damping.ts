import {traceOf} from '../arrays/symmetric';

/** Unit roundoff of float32, in which tfjs computes. */
export const FLOAT32_ROUNDOFF = 2 ** -24;

/**
 * λ is never below this multiple of |SᵀGS|. There the rounding errors of G alone make an error as
 * large as the step.
 */
export const FLOOR_RATIO = FLOAT32_ROUNDOFF;

/**
 * If λ is at least this multiple of |SᵀGS|, the rounding error of the step is below about one per
 * cent.
 *
 * Measured: an error of 5 · 2⁻²⁴ σ²max/λ for 200 rows and 11 parameters, and 5 · 2⁻⁹ = 0.0098.
 */
export const TRUSTED_RATIO = 2 ** -15;

/** Limits of λ for a system of float32 rows or of a float32 Gram matrix. */
export interface Float32Limits {
  /** λ is never below this: FLOOR_RATIO · |SᵀGS|. */
  readonly floor: number;
  /** If λ is below this, J d must be compared with the predicted change: TRUSTED_RATIO · |SᵀGS|. */
  readonly trusted: number;
}

/**
 * λ = τ · trace(SᵀGS) / min(n, m): τ times the mean of the eigenvalues that can differ from zero.
 *
 * With this λ a step does not depend on a common factor of outputs and targets, on a factor of the
 * loss, or on the width of the net.
 *
 * @param tau relative damping τ.
 * @param trace trace(SᵀGS), in units of the loss per squared parameter, without the regularizers.
 * @param rows n, rows whose weight is not 0. No rows count as one; the trace is then 0, and so is
 *   λ.
 * @param parameters m, trained parameters.
 */
export function relativeDamping(tau: number, trace: number, rows: number, parameters: number): number {
  return tau * trace / Math.max(1, Math.min(rows, parameters));
}

/**
 * Limits of λ for a step from a Gram matrix in float32. If z has a part outside the range of SᵀJ,
 * the error of the step grows like 2⁻²⁴ σ²max/λ, long before the float64 factorization breaks down.
 * σ²max of C = SᵀGS is bounded by min(trace C, |C|∞), which is at most sqrt(n) times as large.
 *
 * @param curvature C, n x n, row-major, symmetric positive semidefinite. One NaN in it makes all
 *   limits NaN.
 * @returns the limits, and as `norm` that bound of σ²max.
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

/**
 * λ is scaled by at least this share of the largest curvature that the loss can have. The curvature
 * of a cross-entropy falls to this share at probabilities of 2.4e-4.
 */
export const LEAST_CURVATURE = 2 ** -10;
