import {diagonalRoot} from '../../solve/curvature_root';
import type {CurvatureRoot} from '../../solve/curvature_root';

/** Gradient and curvature of the loss in the n rows of a step: all that the solver needs of it. */
export interface OutputDerivatives {
  /** q = dL/dr (n). */
  readonly q: Float64Array;
  /** S with d²L/dr² = S Sᵀ (n x n). */
  readonly root: CurvatureRoot;
  /** z with q = S z (n); null if the inverse of S can be large, as behind a softmax. */
  readonly z: Float64Array | null;
  /** Number of distinct rows of weight above zero, see `countDistinct`. */
  readonly weighted: number;
  /**
   * The largest curvature that each row can reach (n), if its curvature goes to zero far from a
   * minimum: for cross-entropies a quarter of the weight. null if no curvature does so.
   */
  readonly most?: Float64Array | null;
}

/**
 * The derivatives of L = Σ w_i r_i² over n rows. This is the loss that tfjs reports: w_i holds
 * means, class weights and loss weights, and there is no ½.
 *
 *     q = 2 w r      S = diag(sqrt(2 w))      z = sqrt(2 w) r
 *
 * For a mean over n residuals, w = 1/n and S = sqrt(2/n) I. Then the paper's (JJᵀ + αI)⁻¹(f - y)
 * has α = λ n/2.
 *
 * Source: Cai et al., arXiv 1905.11675, with the sum of ½ r².
 */
export function squaredError(residual: Float64Array,
    weight: Float64Array): Omit<OutputDerivatives, 'weighted'> & {readonly z: Float64Array} {
  const q = new Float64Array(residual.length);
  const z = new Float64Array(residual.length);
  const s = new Float64Array(residual.length);
  for (let i = 0; i < residual.length; i++) {
    s[i] = Math.sqrt(2 * weight[i]);
    z[i] = s[i] * residual[i];
    q[i] = s[i] * z[i];
  }
  return {q, root: diagonalRoot(s), z};
}
