import {addInto, dot, norm} from '../arrays/vectors';

/** x ↦ A x (m) for a symmetric positive definite A, m x m. The result is a new array. */
export type Product = (x: Float64Array) => Float64Array;

interface ConjugateGradientOptions {
  /** x ↦ M x (m). */
  readonly product: Product;
  /** b (m). */
  readonly right: Float64Array;
  /** x ↦ P⁻¹ x (m) for a symmetric positive definite P ≈ M. */
  readonly precondition: Product;
  /**
   * First x (m). It is multiplied by the factor that is best in the energy norm, so that it is
   * never worse than zeros. The default is null: zeros.
   */
  readonly start?: Float64Array | null;
  /** x counts as solved if |b - M x| ≤ tolerance · |b|. Default 1e-6. */
  readonly tolerance?: number;
  /** Products with M, at most. Default 200. */
  readonly maxIterations?: number;
}

interface ConjugateGradientResult {
  /** (m). */
  readonly x: Float64Array;
  /** |b - M x| / |b|, taken from the recurrence of the residual. */
  readonly residual: number;
  /** Products with M. */
  readonly iterations: number;
  /** Whether the residual fell to the tolerance. */
  readonly converged: boolean;
}

/** Default tolerance: products in float32 are good to about 1e-7. */
export const TOLERANCE = 1e-6;

/** Default bound of the products. A system that needs more of them is better damped more. */
const MAX_ITERATIONS = 200;

/**
 * M x = b, m x m, by preconditioned conjugate gradients in float64.
 *
 * β of the direction is that of Polak and Ribière. For an exact M it is the usual one; it also
 * forgives products that are rounded.
 *
 * The function never throws. If a number is not finite, or M or P is not positive along a
 * direction, it ends unconverged, with the last finite x.
 *
 * Source: Hestenes & Stiefel 1952; Golub & Van Loan, section 11.5.2.
 */
export function conjugateGradient(options: ConjugateGradientOptions): ConjugateGradientResult {
  const {product, right, precondition, start = null, tolerance = TOLERANCE, maxIterations = MAX_ITERATIONS} = options;
  const x = new Float64Array(right.length);
  const r = right.slice();
  const size = norm(right);
  let iterations = 0;
  const ended = (): ConjugateGradientResult => {
    const residual = size === 0 ? 0 : norm(r) / size;
    return {x, residual, iterations, converged: residual <= tolerance};
  };
  if (size === 0 || !Number.isFinite(size)) {
    return ended();
  }
  if (start !== null && start.some(v => v !== 0)) {
    const image = product(start);
    iterations++;
    const factor = dot(start, right) / dot(start, image);
    if (Number.isFinite(factor)) {
      addInto(x, factor, start);
      addInto(r, -factor, image);
    }
  }
  let last: {readonly r: Float64Array; readonly slope: number; readonly direction: Float64Array} | null = null;
  while (iterations < maxIterations && norm(r) > tolerance * size) {
    const z = precondition(r);
    const slope = dot(r, z);
    const direction: Float64Array = last === null ? z :
      addInto(z, Math.max(0, (slope - dot(last.r, z)) / last.slope), last.direction);
    const image = product(direction);
    iterations++;
    const bend = dot(direction, image);
    const step = slope / bend;
    if (!(slope > 0 && bend > 0 && step < Infinity)) {
      break;
    }
    last = {r: r.slice(), slope, direction};
    addInto(x, step, direction);
    addInto(r, -step, image);
  }
  return ended();
}
