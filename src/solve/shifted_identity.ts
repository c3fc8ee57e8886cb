import {cholesky, type CholeskyFactor} from '../arrays/cholesky';

/**
 * The Cholesky factor of M = G/λ + I, in float64. The evidence of a linear model is made of
 * trace(M⁻¹), M⁻¹z and ln det M.
 *
 * @param gram G, n x n, row-major, symmetric positive semidefinite; not changed. Only its lower
 *   triangle counts.
 * @returns null if M is not positive definite to working precision, or not finite.
 */
export function shiftedIdentity(gram: Float64Array, n: number, lambda: number): CholeskyFactor | null {
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let p = i * n; p <= i * n + i; p++) {
      matrix[p] = gram[p] / lambda;
    }
    matrix[i * n + i] += 1;
  }
  const factor = cholesky(matrix, n);
  return factor.ok ? factor : null;
}
