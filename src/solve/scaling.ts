/**
 * The metric of the damping term (λ/2) (d - μ d_prev)ᵀ Σ (d - μ d_prev).
 *
 * - `levenberg`: Σ = I, and λ = τ · trace(SᵀGS) / min(n, m). Steps are short in all directions alike.
 * - `marquardt`: Σ = diag(JᵀHJ), and λ = τ. The step is then the same in whatever units each parameter is given, also where these differ by ten orders of
 *   magnitude. It needs the diagonal of JᵀHJ, so the normal equations.
 *
 * @public
 */
export type Scaling = 'levenberg' | 'marquardt';

/**
 * A diagonal entry below this multiple of the largest has no scale of its own: columns may differ by the range of float32, 2¹²⁸, and still count. (In NIST's MGH10 they
 * come to differ by 2¹¹³.)
 */
export const SCALE_FLOOR_RATIO = 2 ** -256;

/**
 * Σ of Marquardt, as its diagonal: that of JᵀHJ. Where that is zero (a dead unit, a variable that only a regularizer reads), or nothing beside the largest,
 * the parameter has the mean of the diagonal, which is what it would have with Levenberg.
 *
 * Moré 1978 and Ceres put such floors at fixed numbers; this one depends on nothing but ratios, as λ does.
 *
 * @param diagonal of JᵀHJ (m); not changed.
 * @returns a new array (m), all entries positive; ones where the diagonal is zero or not finite.
 */
export function marquardtScale(diagonal: Float64Array): Float64Array {
  const largest = diagonal.reduce((a, b) => Math.max(a, b), 0);
  const mean = diagonal.reduce((a, b) => a + b, 0) / diagonal.length;
  if (!(mean > 0 && mean < Infinity)) {
    return new Float64Array(diagonal.length).fill(1);
  }
  return diagonal.map(x => x > SCALE_FLOOR_RATIO * largest ? x : mean);
}
