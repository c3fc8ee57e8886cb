import {cholesky} from '../arrays/cholesky';
import type {CholeskyBreakdown} from '../arrays/cholesky';
import {addProduct} from '../arrays/symmetric';
import {addInto, dot} from '../arrays/vectors';

/** A symmetric positive definite matrix that can be solved with. */
export interface Factored {
  readonly ok: true;
  /** x = A⁻¹ b, a new array (n), or that A is not positive definite to working precision. */
  solve(b: Float64Array): Float64Array | CholeskyBreakdown;
}

/** Prepares A = C + shift·I to be solved with; C (n x n, row-major, symmetric) is neither changed nor copied without need. Never throws. */
export type Factorize = (curvature: Float64Array, n: number, shift: number) => Factored | CholeskyBreakdown;

/**
 * r => z ≈ (C + shift·I)⁻¹r from a factorization in float32, or null where that breaks down, which says nothing of float64. A wrong one
 * costs time only.
 */
export type Precondition = (curvature: Float64Array, n: number, shift: number) => ((r: Float64Array) => Float64Array) | null;

/** Below this size the float64 factorization takes less time than all that goes with the other. */
const SMALL = 384;

/** |b - Ax| / |b| of a solution that is accepted: a thousandth of what the rounding of A to float32 has cost where |A||x| = |b|. */
const TOLERANCE = 1e-10;

/** An iteration takes n² products and the factorization n³/6, but with better use of the caches: beyond these the latter is tried. */
const ITERATIONS = 24;

/**
 * A float64 solution at the price of a float32 factorization: iterative refinement with its factor, whose error is about 2⁻²⁴ of |A||A⁻¹|, so that
 * with any damping to speak of two or three steps reach 1e-10. Where it is slow, conjugate gradients preconditioned by the factor go on from there. Where float32
 * breaks down, or they do not converge (judged by b - Ax itself, not by the recurrence), the float64 factorization takes over, and with it all that it says of A.
 *
 * Source: Higham 2002, chapter 12, for the idea; Golub & Van Loan, algorithm 11.5.1.
 */
export function mixedPrecision(preconditioner: Precondition): Factorize {
  return (curvature, n, shift) => {
    const precondition = n < SMALL ? null : preconditioner(curvature, n, shift);
    if (precondition === null) {
      return doublePrecision(curvature, n, shift);
    }
    let exact: ReturnType<Factorize> | null = null;
    return {
      ok: true,
      solve(b) {
        const x = exact === null ? solveWith(curvature, shift, precondition, b) : null;
        if (x !== null) {
          return x;
        }
        exact ??= doublePrecision(curvature, n, shift);
        return exact.ok ? exact.solve(b) : exact;
      },
    };
  };
}

/** The float64 Cholesky factorization. */
export const doublePrecision: Factorize = (curvature, n, shift) => {
  const matrix = curvature.slice();
  for (let i = 0; i < n; i++) {
    matrix[i * n + i] += shift;
  }
  return cholesky(matrix, n);
};

/** Refinement goes on while it divides the residual by this: conjugate gradients would need a product more than it. */
const QUICK = 100;

/** x with |b - Ax| ≤ 1e-10 |b|; null where 24 iterations do not lead there. */
function solveWith(curvature: Float64Array, shift: number, precondition: (r: Float64Array) => Float64Array, b: Float64Array): Float64Array | null {
  const enough = TOLERANCE ** 2 * dot(b, b);
  if (!(enough < Infinity)) {
    return null;
  }
  let x: Float64Array = new Float64Array(b.length);
  let r = b;
  for (let left = dot(b, b); left > enough;) {
    const next = addInto(precondition(r), 1, x);
    const defect = defectOf(curvature, shift, next, b);
    const before = left;
    left = dot(defect, defect);
    if (!(left < before)) {
      return conjugateGradients(curvature, shift, precondition, b, x, r, enough);
    }
    [x, r] = [next, defect];
    if (left > enough && left > before / QUICK ** 2) {
      return conjugateGradients(curvature, shift, precondition, b, x, r, enough);
    }
  }
  return x;
}

/** b - Ax. */
function defectOf(curvature: Float64Array, shift: number, x: Float64Array, b: Float64Array): Float64Array {
  const r = addInto(b.slice(), -shift, x);
  addProduct(-1, curvature, x, r);
  return r;
}

/** The same by conjugate gradients, from x with the residual r on. */
function conjugateGradients(curvature: Float64Array, shift: number, precondition: (r: Float64Array) => Float64Array, b: Float64Array,
    from: Float64Array, residual: Float64Array, enough: number): Float64Array | null {
  const x = from.slice();
  const r = residual.slice();
  let direction: Float64Array | null = null;
  let before = 0;
  for (let i = 0; i < ITERATIONS; i++) {
    if (dot(r, r) <= enough) {
      // The recurrence drifts away from what it stands for.
      r.set(defectOf(curvature, shift, x, b));
      if (dot(r, r) <= enough) {
        return x;
      }
      direction = null;
    }
    const z = precondition(r);
    const slope = dot(r, z);
    direction = direction === null ? z : addInto(z, slope / before, direction);
    const image = direction.map(value => shift * value);
    addProduct(1, curvature, direction, image);
    const bend = dot(direction, image);
    if (!(slope > 0 && bend > 0)) {
      return null;
    }
    addInto(x, slope / bend, direction);
    addInto(r, -slope / bend, image);
    before = slope;
  }
  return null;
}
