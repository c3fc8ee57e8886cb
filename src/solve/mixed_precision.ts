import {cholesky, type CholeskyBreakdown} from '../arrays/cholesky';
import {addProduct, plusDiagonal} from '../arrays/symmetric';
import {addInto, norm} from '../arrays/vectors';
import {conjugateGradient, type Product} from './conjugate_gradient';

/** A matrix A, n x n, symmetric positive definite, that systems can be solved with. */
interface Factored {
  readonly ok: true;
  /** x = A⁻¹ b, a new array (n); a breakdown if A is not positive definite to working precision. */
  solve(b: Float64Array): Float64Array | CholeskyBreakdown;
}

/**
 * Prepares A = C + shift·I for solves. C (n x n, row-major, symmetric) is not changed, and it is
 * copied only if the factorization needs it. Never throws.
 */
export type Factorize = (curvature: Float64Array, n: number, shift: number) => Factored | CholeskyBreakdown;

/**
 * Gives r ↦ z ≈ (C + shift·I)⁻¹r (n) from a factorization in float32; null if that breaks down,
 * which says nothing of float64. A wrong z costs time, and no accuracy.
 */
export type Precondition = (curvature: Float64Array, n: number, shift: number) => Product | null;

/**
 * For n below this, the float64 factorization takes less time than the float32 one with its
 * iterations.
 */
const SMALL = 384;

/**
 * |b - Ax| / |b| of a solution that is accepted. If |A||x| = |b|, it is a thousandth of the error
 * that the rounding of A to float32 has made.
 */
const TOLERANCE = 1e-10;

/**
 * Iterations of conjugate gradients, at most. An iteration takes n² products, and the factorization
 * n³/6 with better use of the caches. After this many iterations the factorization is tried.
 */
const ITERATIONS = 24;

/**
 * Refinement goes on if it divides the residual by this. Otherwise conjugate gradients need fewer
 * products.
 */
const QUICK = 100;

/**
 * Solves in float64 at the price of a float32 factorization. Iterative refinement with the float32
 * factor comes first. The factor has an error of about 2⁻²⁴ of |A||A⁻¹|, so that a few steps reach
 * 1e-10 with any damping of practical size. If refinement is slow, conjugate gradients go on from
 * there, with the factor as their preconditioner. If float32 breaks down, or b - Ax stays above the
 * tolerance, the float64 factorization takes over, and its breakdown is reported.
 *
 * Source: Higham 2002, chapter 12, for the idea; Golub & Van Loan, algorithm 11.5.1.
 *
 * Measured: two or three steps of refinement.
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
export const doublePrecision: Factorize = (curvature, n, shift) =>
  cholesky(plusDiagonal(curvature, new Float64Array(n).fill(shift)), n);

/** x (n) with |b - Ax| ≤ 1e-10 |b|; null if refinement and 24 iterations do not lead there. */
function solveWith(curvature: Float64Array, shift: number, precondition: Product, b: Float64Array):
    Float64Array | null {
  /** out + scale · A u, in `out`. */
  const addImage = (scale: number, u: Float64Array, out: Float64Array): Float64Array => {
    addProduct(scale, curvature, u, addInto(out, scale * shift, u));
    return out;
  };
  const residualOf = (y: Float64Array): Float64Array => addImage(-1, y, b.slice());
  let x: Float64Array = new Float64Array(b.length);
  let r = b;
  let left = norm(b);
  const enough = TOLERANCE * left;
  if (!(enough < Infinity)) {
    return null;
  }
  for (let isQuick = true; isQuick && left > enough;) {
    const next = addInto(precondition(r), 1, x);
    const residual = residualOf(next);
    const size = norm(residual);
    isQuick = size <= left / QUICK;
    if (size < left) {
      [x, r, left] = [next, residual, size];
    }
  }
  const product: Product = u => addImage(1, u, new Float64Array(u.length));
  for (let done = 0; !(left <= enough);) {
    const correction = conjugateGradient(
        {product, right: r, precondition, tolerance: enough / left, maxIterations: ITERATIONS - done});
    if (!correction.converged) {
      return null;
    }
    done += correction.iterations;
    // The residual of the recurrence drifts away from b - Ax: only the latter decides.
    addInto(x, 1, correction.x);
    r = residualOf(x);
    left = norm(r);
  }
  return x;
}
