import {diagonalRoot} from '../../solve/curvature_root';
import type {OutputDerivatives} from './loss_derivatives';

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
