import {cholesky} from '../arrays/cholesky';
import {inverseDiagonal} from '../arrays/inverse_diagonal';
import {plusDiagonal} from '../arrays/symmetric';
import {dot} from '../arrays/vectors';

/**
 * trace(C(C + λΣ)⁻¹): the number of directions that the data determine at damping λ, between 0 and
 * the rank of C. With Σ = I it is the sum of σ²/(σ² + λ) over the eigenvalues σ² of C. C = SᵀJJᵀS
 * and C = JᵀSSᵀJ give the same number.
 *
 * It is computed as n - λ trace(Σ(C + λΣ)⁻¹) in float64, in 2n³/3 operations.
 *
 * @param curvature C, n x n, row-major, symmetric positive semidefinite; not changed.
 * @param scale diagonal of Σ (n).
 * @returns NaN if C + λΣ is not positive definite to working precision.
 */
export function effectiveDimension(curvature: Float64Array, n: number, lambda: number,
    scale: Float64Array = new Float64Array(n).fill(1)): number {
  const factor = cholesky(plusDiagonal(curvature, scale.map(s => lambda * s)), n);
  if (!factor.ok) {
    return NaN;
  }
  return n - lambda * dot(scale, inverseDiagonal(factor));
}
