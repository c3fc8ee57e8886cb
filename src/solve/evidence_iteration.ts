import {inverseDiagonal} from '../arrays/inverse_diagonal';
import {addProduct, traceOf} from '../arrays/symmetric';
import {dot, total} from '../arrays/vectors';
import {shiftedIdentity} from './shifted_identity';

/** Share of trace(C) below which λ means nothing, since C is known to float32. */
const LEAST = 2 ** -22;

/**
 * Rows up to which 'auto' takes the evidence, whose 2n³/3 operations are in float64: 640 examples
 * of a mean and a variance.
 */
export const EVIDENCE_ROWS = 1280;

/**
 * One step of the iteration for the damping λ = α/β of the largest evidence. The linear model of n
 * rows is -z = SᵀJd + noise, with a noise of variance 1/β in each row and a prior of d of variance
 * 1/α in each parameter. With C = SᵀJJᵀS,
 *
 *     M = C/λ + I        u = M⁻¹z        t = trace(M⁻¹)        γ = n - t
 *     β = t/|u|²         α = γ λ²/(uᵀCu)                       λ ← α/β
 *
 * γ is the number of directions that the data determine, |u|² the square of the residuals that are
 * left, and uᵀCu/λ² = |d|². C, z² and λ have the scale of the loss, so that the result does not
 * depend on whether the loss is a mean or a sum.
 *
 * Source: MacKay 1992, Bayesian interpolation, equations 4.8 to 4.10.
 *
 * @param curvature C, n x n, row-major, symmetric positive semidefinite; not changed.
 * @param lambda λ; raised to 2⁻²² of trace(C).
 * @param z (n). Rows with z = 0 that no parameter moves, such as rows of weight 0, do not count.
 * @returns at least 2⁻²² of trace(C), or infinity; null if the numbers are not finite, or there is
 *   nothing to explain or to explain it with.
 */
export function evidenceIteration(curvature: Float64Array, n: number, lambda: number, z: Float64Array): number | null {
  const least = LEAST * traceOf(curvature, n);
  const from = Math.max(least, lambda);
  const factor = shiftedIdentity(curvature, n, from);
  if (factor === null) {
    return null;
  }
  const [trace, solved] = [total(inverseDiagonal(factor)), factor.solve(z)];
  const unseen = z.reduce((count, value, i) => count + (value === 0 && curvature[i * (n + 1)] === 0 ? 1 : 0), 0);
  const image = new Float64Array(n);  // C u
  addProduct(1, curvature, solved, image);
  const found = (n - trace) * (from * dot(solved, solved) / dot(solved, image)) * (from / (trace - unseen));
  return Number.isNaN(found) ? null : Math.max(least, found);
}
