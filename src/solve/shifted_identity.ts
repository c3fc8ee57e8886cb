import {cholesky} from '../arrays/cholesky';
import {inverseDiagonal} from '../arrays/inverse_diagonal';
import {total} from '../arrays/vectors';

/** The numbers of M = G/λ + I that the evidence of a linear model with n rows is made of. */
export interface ShiftedIdentity {
  /** trace(M⁻¹), in (0, n]: n less the number of directions that the data determine. */
  readonly trace: number;
  /** u = M⁻¹z (n). */
  readonly solved: Float64Array;
  /** ln det M, to an absolute error of about n · 2⁻⁵². */
  readonly logDeterminant: number;
}

/**
 * Factors M = G/λ + I in float64. The trace is a sum of squares, and keeps its digits also if it is
 * small. The function takes 2n³/3 operations, half of them for the factor and half for the trace.
 *
 * @param gram G, n x n, row-major, symmetric positive semidefinite; not changed. Only its lower
 *   triangle counts.
 * @param z (n).
 * @returns null if M is not positive definite to working precision, or not finite.
 */
export function shiftedIdentity(gram: Float64Array, n: number, lambda: number, z: Float64Array):
    ShiftedIdentity | null {
  const matrix = gram.map(x => x / lambda);
  for (let i = 0; i < n; i++) {
    matrix[i * n + i] += 1;
  }
  const factor = cholesky(matrix, n);
  if (!factor.ok) {
    return null;
  }
  let logDeterminant = 0;
  for (let i = 0; i < n; i++) {
    logDeterminant += 2 * Math.log(matrix[i * n + i]);
  }
  return {trace: total(inverseDiagonal(factor)), solved: factor.solve(z), logDeterminant};
}
