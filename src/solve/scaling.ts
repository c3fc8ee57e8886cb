import {largest, total} from '../arrays/vectors';

/**
 * The metric Σ (m x m, diagonal) of the damping term (λ/2) (d - μ d_prev)ᵀ Σ (d - μ d_prev), for
 * steps d (m):
 *
 * - `levenberg`: Σ = I, and λ = τ · trace(SᵀGS) / min(n, m). All directions are damped alike.
 * - `marquardt`: Σ = diag(JᵀHJ), and λ = τ. The step does not depend on the unit of each parameter,
 *   even if the units differ by ten orders of magnitude. This metric takes the diagonal of JᵀHJ,
 *   and so the normal equations.
 *
 * Source: Levenberg 1944; Marquardt 1963.
 *
 * @public
 */
export type Scaling = 'levenberg' | 'marquardt';

/**
 * A diagonal entry below this multiple of the largest has no scale of its own. Columns of J may
 * differ by the range of float32, 2¹²⁸, and still have one.
 *
 * Measured: the columns of NIST's MGH10 come to differ by 2¹¹³.
 */
export const SCALE_FLOOR_RATIO = 2 ** -256;

/**
 * The diagonal of Marquardt's Σ: the diagonal of JᵀHJ. An entry of zero (a dead neuron, a variable
 * that only a regularizer reads), or one below `SCALE_FLOOR_RATIO` of the largest, is replaced by
 * the mean of the diagonal. Levenberg's metric gives that parameter the same damping.
 *
 * Moré 1978 and Ceres put such floors at fixed numbers. This floor depends on ratios only, as λ
 * does.
 *
 * @param diagonal diagonal of JᵀHJ (m); not changed.
 * @returns a new array (m) of positive entries; all ones if the mean of the diagonal is not
 *   positive or not finite.
 */
export function marquardtScale(diagonal: Float64Array): Float64Array {
  const floor = SCALE_FLOOR_RATIO * largest(diagonal);
  const mean = total(diagonal) / diagonal.length;
  if (!(mean > 0 && mean < Infinity)) {
    return new Float64Array(diagonal.length).fill(1);
  }
  return diagonal.map(x => x > floor ? x : mean);
}
