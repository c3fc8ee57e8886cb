import {cholesky} from '../arrays/cholesky';

/**
 * trace(C(C + λΣ)⁻¹), with Σ = I: Σ σ²/(σ² + λ) over the eigenvalues σ² of a symmetric positive semidefinite C (n x n, row-major, not changed): how many
 * directions the data determine at damping λ, between 0 and the rank of C. For C = SᵀJJᵀS and C = JᵀSSᵀJ it is the same number.
 *
 * Taken as n - λ trace(Σ(C + λΣ)⁻¹) in float64, n³ operations.
 *
 * @param scale Σ, as its diagonal (n); null for I.
 * @returns NaN where C + λΣ is not positive definite to working precision.
 */
export function effectiveDimension(curvature: Float64Array, n: number, lambda: number, scale: Float64Array | null = null): number {
  const matrix = curvature.slice();
  for (let i = 0; i < n; i++) {
    matrix[i * n + i] += lambda * (scale === null ? 1 : scale[i]);
  }
  const factor = cholesky(matrix, n);
  if (!factor.ok) {
    return NaN;
  }
  let trace = 0;
  for (let i = 0; i < n; i++) {
    const unit = new Float64Array(n);
    unit[i] = 1;
    trace += factor.solve(unit)[i] * (scale === null ? 1 : scale[i]);
  }
  return n - lambda * trace;
}
