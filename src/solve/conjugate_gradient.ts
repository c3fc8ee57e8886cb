import {addInto, dot} from '../arrays/vectors';

/** A product with a symmetric positive definite matrix. */
export type Product = (x: Float64Array) => Float64Array;

export interface ConjugateGradientOptions {
  /** M x. */
  readonly product: Product;
  /** b. */
  readonly right: Float64Array;
  /** P⁻¹ x with P ≈ M, symmetric positive definite. */
  readonly precondition: Product;
  /** Where to start: multiplied by the factor that is best in the energy norm, so never worse than 0. */
  readonly start?: Float64Array | null;
  /** |b - M x| / |b| at which x counts as solved. */
  readonly tolerance?: number;
  readonly maxIterations?: number;
}

export interface ConjugateGradientResult {
  readonly x: Float64Array;
  /** |b - M x| / |b|, as the recursion has it. */
  readonly residual: number;
  readonly iterations: number;
  /** Whether the residual came below the tolerance. */
  readonly converged: boolean;
}

/** Products in float32 are good to about 1e-7. */
export const TOLERANCE = 1e-6;

/** Each takes a product. What needs more is better damped more. */
export const MAX_ITERATIONS = 200;

/**
 * M x = b by preconditioned conjugate gradients in float64 (Hestenes & Stiefel 1952; Golub & Van Loan, section 11.5.2). The direction's β is that of Polak and Ribière, which
 * for an exact M is the same, and forgives products that are rounded.
 *
 * Never throws; where a number is not finite, or M is not positive along a direction, it ends unconverged with the last finite x.
 */
export function conjugateGradient({product, right, precondition, start = null, tolerance = TOLERANCE, maxIterations = MAX_ITERATIONS}: ConjugateGradientOptions):
    ConjugateGradientResult {
  const m = right.length;
  const x = new Float64Array(m);
  const r = right.slice();
  const size = Math.sqrt(dot(right, right));
  let iterations = 0;
  const ended = (): ConjugateGradientResult => {
    const residual = size === 0 ? 0 : Math.sqrt(dot(r, r)) / size;
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
  let z = precondition(r);
  let rz = dot(r, z);
  const p = z.slice();
  while (iterations < maxIterations && Math.sqrt(dot(r, r)) > tolerance * size) {
    const image = product(p);
    iterations++;
    const step = rz / dot(p, image);
    if (!(step > 0 && step < Infinity)) {
      break;
    }
    addInto(x, step, p);
    const before = r.slice();
    addInto(r, -step, image);
    z = precondition(r);
    const next = dot(r, z);
    const beta = Math.max(0, (next - dot(before, z)) / rz);
    rz = next;
    for (let i = 0; i < m; i++) {
      p[i] = z[i] + beta * p[i];
    }
  }
  return ended();
}
