/**
 * The damped Gauss-Newton step in the space of the parameters, in float64: n rows, m parameters, m
 * < n.
 *
 *     minimise  ½|SᵀJd + z|² + eᵀd + Σ_j ρ_j d_j² + (λ/2)|d - μ d_prev|²_Σ      over d in R^m
 *
 *     (JᵀHJ + λΣ + diag(2ρ)) d = λμ Σ d_prev - e - Jᵀq,      H = S Sᵀ,      |x|²_Σ = xᵀΣx
 *
 * Σ = I (Levenberg) or diag(JᵀHJ), not below `leastDiagonal` (Marquardt, see `scaling`). With Σ = I
 * the step is that of `damped_gram` at the same λ.
 *
 * JᵀHJ is summed in float64 from float32 rows, whose products are exact there. So the squared
 * condition number costs nothing: float32 rows lose a direction at σmin/σmax = 2⁻²⁴, and the normal
 * equations at 2⁻²⁶. The floor of λ is therefore far below that of a Gram matrix in float32. If the
 * products inside a chunk of rows are taken in float32 (see `NormalSums`), this advantage is lost,
 * and λ has the floor of float32.
 *
 * Source: Levenberg 1944; Marquardt 1963; Madsen, Nielsen & Tingleff 2004, section 3.2.
 */
import {addProduct, plusDiagonal} from '../arrays/symmetric';
import {dot, firstNonFinite, largest, total} from '../arrays/vectors';
import type {DampedProblem, Solution, SolveFailure} from './damped_step';
import {float32Floor} from './damping';
import {effectiveDimension} from './effective_dimension';
import {doublePrecision, type Factorize} from './mixed_precision';
import {marquardtScale, type Scaling} from './scaling';

/** The normal equations of a step without their λ. */
interface NormalEquations {
  /** Parameters. */
  readonly m: number;
  /** JᵀHJ, m x m, row-major, symmetric. */
  readonly matrix: Float64Array;
  /** g = Jᵀq + e (m). */
  readonly gradient: Float64Array;
  /** ρ_j (m). */
  readonly rho: Float64Array;
  /** d_prev (m); null if it is zero. */
  readonly previous: ArrayLike<number> | null;
  /** μ. */
  readonly momentum: number;
  /** The kind of Σ. Default `'levenberg'`. */
  readonly scaling?: Scaling;
  /** Least values of the diagonal of JᵀHJ in Marquardt's Σ (m). Default null: zeros. */
  readonly leastDiagonal?: ArrayLike<number> | null;
  /** Whether the matrix was summed from products in float32. Default false. */
  readonly isFloat32?: boolean;
  /**
   * The factorization of the damped matrix; by default in float64. Others bound the residual of the
   * equations and not the error of the step, which suffices only if `isFloat32`.
   */
  readonly factorize?: Factorize;
}

/** A step made of finite numbers only. */
export interface NormalStep extends Solution {
  /** d (m). */
  readonly step: Float64Array;
  /** dᵀJᵀHJd = |SᵀJd|². */
  readonly curvature: number;
}

/**
 * λ is never below this multiple of trace(JᵀHJ); with Marquardt's scaling, of m, which is the trace
 * of the scaled matrix. Then sqrt(λ) is 2⁻²⁴ of the largest singular value of the rows, which is
 * their rounding.
 */
export const NORMAL_FLOOR_RATIO = 2 ** -48;

/**
 * The same ratio for products in float32. It multiplies the bound of |JᵀHJ| that `float32Floor`
 * gives; with Marquardt's scaling, m. The sums of a chunk are good to about 2⁻²⁴ of |JᵀHJ|, which
 * changes d by 2⁻²⁴ |JᵀHJ|/λ of itself: a sixteenth at the floor. The step d is a descent direction
 * all the same, since the gradient does not come from this matrix. (Some backends sum the gradient
 * of a chunk in float32, too, as tfjs does.)
 */
export const NORMAL_FLOAT32_FLOOR_RATIO = 2 ** -20;

export interface NormalProblem extends DampedProblem<NormalStep> {
  /**
   * The step without momentum, with the least damping that float32 rows allow. It has Marquardt's
   * scaling, so that it does not depend on the units of the parameters.
   */
  undamped(): NormalStep | SolveFailure;
}

/** The normal equations as a problem for `dampedStep`. */
export function normalProblem(equations: NormalEquations): NormalProblem {
  const {m, matrix, gradient, rho, previous, momentum, leastDiagonal = null, isFloat32 = false} = equations;
  const {scaling = 'levenberg'} = equations;
  const isMarquardt = scaling === 'marquardt';
  const diagonal = Float64Array.from({length: m}, (_, j) => matrix[j * m + j]);
  const trace = total(diagonal);
  const kept = leastDiagonal === null ? diagonal : diagonal.map((x, j) => Math.max(x, leastDiagonal[j]));
  const scale = isMarquardt ? marquardtScale(kept) : new Float64Array(m).fill(1);
  const floorRatio = isFloat32 ? NORMAL_FLOAT32_FLOOR_RATIO : NORMAL_FLOOR_RATIO;
  const bad = firstNonFinite(matrix);
  return {
    trace,
    scaling,
    rho: largest(rho),
    limits: () => {
      const norm = bad >= 0 ? NaN : trace === 0 ? 0 :
        isMarquardt ? m : isFloat32 ? float32Floor(matrix, m).norm : trace;
      return {floor: floorRatio * norm, trusted: 0};
    },
    firstBadRow: () => Math.max(0, Math.floor(bad / m)),
    solve: lambda => {
      const pull = (j: number): number => previous === null ? 0 : lambda * momentum * scale[j] * previous[j];
      return solveNormal(equations, gradient.map((g, j) => pull(j) - g), lambda, scale);
    },
    undamped: () => solveNormal(equations, gradient.map(g => -g), floorRatio * m, marquardtScale(diagonal)),
    effectiveDimension: lambda => effectiveDimension(matrix, m, lambda, scale),
  };
}

/**
 * d with (JᵀHJ + λΣ + diag(2ρ)) d = right.
 *
 * @param right (m).
 * @param scale diagonal of Σ (m).
 */
function solveNormal({m, matrix, rho, factorize = doublePrecision}: NormalEquations, right: Float64Array,
    lambda: number, scale: Float64Array): NormalStep | SolveFailure {
  const bad = firstNonFinite(right);
  if (bad >= 0 || !Number.isFinite(lambda)) {
    return {ok: false, cause: 'nonfinite', pivot: Math.max(0, bad)};
  }
  const factor = factorize(plusDiagonal(matrix, scale.map((s, j) => lambda * s + 2 * rho[j])), m, 0);
  const step = factor.ok ? factor.solve(right) : factor;
  if ('ok' in step) {
    return {ok: false, cause: matrix.every(Number.isFinite) ? 'singular' : 'nonfinite', pivot: step.pivot};
  }
  const product = new Float64Array(m);
  addProduct(1, matrix, step, product);
  const overflow = firstNonFinite(product);
  return overflow >= 0 ? {ok: false, cause: 'overflow', pivot: overflow} :
    {ok: true, lambda, step, curvature: Math.max(0, dot(step, product))};
}
