import {diagonalRoot} from '../../solve/curvature_root';
import type {CurvatureRoot} from '../../solve/curvature_root';

/** What the solver needs of a loss: its gradient and curvature in the rows. */
export interface OutputDerivatives {
  /** q = dL/dr, length n. */
  readonly q: Float64Array;
  /** S with d²L/dr² = S Sᵀ. */
  readonly root: CurvatureRoot;
  /** z with q = S z; null where S has no tame inverse, as behind a softmax. */
  readonly z: Float64Array | null;
  /** Rows of weight above zero that differ, see `countDistinct`. */
  readonly weighted: number;
  /** By row, what the curvature can reach where it goes to zero far from a minimum (cross-entropies, a quarter of the weight); null where it does not. */
  readonly most?: Float64Array | null;
}

/**
 * L = Σ w_i r_i², as tfjs reports it: w_i holds means, class weights and loss weights, and there is no ½.
 *
 *     q = 2 w r      S = diag(sqrt(2 w))      z = sqrt(2 w) r
 *
 * For a mean over n residuals w = 1/n, S = sqrt(2/n) I: the paper's (JJᵀ + αI)⁻¹(f - y) has α = λ n/2
 * (Cai et al., arXiv 1905.11675, which sums ½ r²).
 */
export function squaredError(residual: Float64Array, weight: Float64Array): Omit<OutputDerivatives, 'weighted'> & {readonly z: Float64Array} {
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
