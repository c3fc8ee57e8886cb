import type {CholeskyFactor} from '../arrays/cholesky';
import {inverseDiagonal} from '../arrays/inverse_diagonal';
import {traceOf} from '../arrays/symmetric';
import {total} from '../arrays/vectors';
import {shiftedIdentity} from './shifted_identity';

/**
 * The curvature of the n rows of a step relative to that of a prior Λ: R = SᵀJΛ⁻¹JᵀS (n x n), or
 * Λ^-½ JᵀHJ Λ^-½ (m x m), which has the same eigenvalues but for zeros.
 */
export interface RelativeCurvature {
  /** R, k x k, row-major, symmetric positive semidefinite; only its lower triangle counts. */
  readonly matrix: Float64Array;
  /** k. */
  readonly size: number;
  /** Whether R has the rounding of float32 or of float64. */
  readonly isFloat32: boolean;
}

/** The numbers of M = R/λ + I for the prior λΛ. */
export interface OfPrior {
  /** The λ of M: the given one, or more if R does not resolve it. */
  readonly lambda: number;
  readonly value: number;
}

/**
 * The largest trace(R/λ) with which the rounding of R leaves the identity in M. In float64 R is
 * made of rows in float32.
 */
const LARGEST_TRACE = {float32: 2 ** 22, float64: 2 ** 44};

/** Factor of λ after M was not positive definite, and the largest number of such raises. */
const [RAISE, MAX_RAISES] = [16, 5];

/**
 * t = trace(M⁻¹) of n rows, the number of directions that the prior determines, above 0. With R of
 * k rows it is n - k + trace((R/λ + I)⁻¹).
 *
 * @returns null if no λ makes M positive definite, or if R is not finite.
 */
export const directionsOfPrior = (relative: RelativeCurvature, rows: number, lambda: number):
    OfPrior | null => factored(relative, lambda, factor =>
  Math.max(rows - relative.size + total(inverseDiagonal(factor)), rows * Number.EPSILON));

/** ln det M, which is the same for both forms of R; null as in `directionsOfPrior`. */
export const logDeterminant = (relative: RelativeCurvature, lambda: number): OfPrior | null =>
  factored(relative, lambda, ({lower, n}) => {
    let sum = 0;
    for (let i = 0; i < n; i++) {
      sum += 2 * Math.log(lower[i * n + i]);
    }
    return sum;
  });

/** A number from the factor of M, at the wanted λ or the least that R resolves. */
function factored(relative: RelativeCurvature, wanted: number, value: (factor: CholeskyFactor) => number):
    OfPrior | null {
  const {matrix, size: k, isFloat32} = relative;
  const most = LARGEST_TRACE[isFloat32 ? 'float32' : 'float64'];
  let lambda = Math.max(wanted, traceOf(matrix, k) / most);
  for (let raises = 0; raises <= MAX_RAISES && lambda < Infinity; raises++, lambda *= RAISE) {
    const factor = shiftedIdentity(matrix, k, lambda);
    if (factor !== null) {
      return {lambda, value: value(factor)};
    }
  }
  return null;
}
