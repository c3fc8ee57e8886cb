/**
 * The damped Gauss-Newton step in the space of the parameters, for fewer parameters than rows (m < n), in float64.
 *
 *     minimise  ½|SᵀJd + z|² + eᵀd + Σ_j ρ_j d_j² + (λ/2)|d - μ d_prev|²_Σ          over d in R^m,   |x|²_Σ = xᵀΣx
 *
 *     (JᵀHJ + λΣ + diag(2ρ)) d = λμ Σ d_prev - e - Jᵀq,      H = S Sᵀ
 *
 * Σ = I (Levenberg) or diag(JᵀHJ) (Marquardt, see `scaling`; never below `leastDiagonal`). The first is the same step as that of `damped_gram` at the same λ. JᵀHJ is summed in float64 from float32 rows, whose products are exact there. So the
 * squared condition number costs nothing: float32 rows lose a direction at σmin/σmax = 2⁻²⁴, and the normal equations at 2⁻²⁶. That is why this
 * form takes a damping far below the floor of the dual form, which is solved from a Gram matrix in float32. Where the products inside a chunk of rows are
 * taken in float32 (see `NormalSums`), that is lost: λ then has the floor of float32, too.
 *
 * Source: Levenberg 1944; Marquardt 1963; Madsen, Nielsen & Tingleff 2004, section 3.2.
 */
import type {DampedProblem, Solution, SolveFailure} from './damped_step';
import {float32Floor} from './damping';
import {effectiveDimension} from './effective_dimension';
import {doublePrecision} from './mixed_precision';
import type {Factorize} from './mixed_precision';
import {addProduct} from '../arrays/symmetric';
import {marquardtScale} from './scaling';
import type {Scaling} from './scaling';

/** What the step is solved from: everything of it but λ. */
export interface NormalSystem {
  readonly m: number;
  /** JᵀHJ, m x m, symmetric. */
  readonly matrix: Float64Array;
  /** g = Jᵀq + e (m). */
  readonly gradient: Float64Array;
  /** ρ by parameter (m). */
  readonly rho: Float64Array;
  /** d_prev by parameter (m); null where it is zero. */
  readonly previous: ArrayLike<number> | null;
  /** μ. */
  readonly momentum: number;
  /** Σ; by default Levenberg's. */
  readonly scaling?: Scaling;
  /** What counts as the diagonal of JᵀHJ in Marquardt's Σ where it is less (m). */
  readonly leastDiagonal?: ArrayLike<number> | null;
  /** Whether the matrix was taken from products in float32. */
  readonly isFloat32?: boolean;
  /** How the damped matrix is factored; by default in float64. Others are good enough for a matrix of float32 only: their residuals are, and not the step itself. */
  readonly factorize?: Factorize;
}

export interface NormalStep extends Solution {
  /** d (m). */
  readonly step: Float64Array;
  /** dᵀJᵀHJd = |SᵀJd|². */
  readonly curvature: number;
}

/** λ is never below this multiple of trace(JᵀHJ), with Marquardt's scaling of m, the trace of the scaled matrix: sqrt(λ) is then 2⁻²⁴ of the largest singular value, the rounding of the rows. */
export const NORMAL_FLOOR_RATIO = 2 ** -48;

/**
 * The same for products in float32, of the bound of |JᵀHJ| that `float32Floor` takes (of m with Marquardt's scaling). Sums of a chunk are good to about 2⁻²⁴ of that norm,
 * which changes d by 2⁻²⁴ |JᵀHJ|/λ of itself, a sixteenth at the floor. Since the gradient is not of that matrix (on backends
 * whose tensors are better left there its sums inside a chunk are of float32, too, as those of tfjs are), d is a descent direction all the same.
 */
export const NORMAL_FLOAT32_FLOOR_RATIO = 2 ** -20;

export interface NormalProblem extends DampedProblem<NormalStep> {
  /** The step without damping and momentum, or with as little damping as float32 rows allow: with Marquardt's scaling, so that it does not depend on the units of the parameters. */
  undamped(): NormalStep | SolveFailure;
}

/** The system as a problem for `dampedStep`. */
export function normalProblem(system: NormalSystem): NormalProblem {
  const {m, matrix, gradient, rho, previous, momentum, scaling = 'levenberg', leastDiagonal = null, isFloat32 = false} = system;
  const diagonal = Float64Array.from({length: m}, (_, j) => matrix[j * m + j]);
  const trace = diagonal.reduce((sum, x) => sum + x, 0);
  const scale = scaling === 'marquardt' ? marquardtScale(leastDiagonal === null ? diagonal : diagonal.map((x, j) => Math.max(x, leastDiagonal[j]))) : null;
  const badRow = matrix.findIndex(x => !Number.isFinite(x));
  return {
    trace,
    scaling,
    rho: rho.reduce((a, b) => Math.max(a, b), 0),
    limits: () => {
      const norm = badRow >= 0 ? NaN : trace === 0 ? 0 : scale !== null ? m : isFloat32 ? float32Floor(matrix, m).norm : trace;
      return {floor: (isFloat32 ? NORMAL_FLOAT32_FLOOR_RATIO : NORMAL_FLOOR_RATIO) * norm, trusted: 0};
    },
    firstBadRow: () => Math.max(0, Math.floor(badRow / m)),
    solve: lambda => {
      const right = gradient.map((g, j) => (previous === null ? 0 : lambda * momentum * (scale === null ? 1 : scale[j]) * previous[j]) - g);
      return solveNormal(system, right, lambda, scale);
    },
    undamped: () => solveNormal(system, gradient.map(g => -g), (isFloat32 ? NORMAL_FLOAT32_FLOOR_RATIO : NORMAL_FLOOR_RATIO) * m, marquardtScale(diagonal)),
    effectiveDimension: lambda => effectiveDimension(matrix, m, lambda, scale),
  };
}

function solveNormal({m, matrix, rho, factorize = doublePrecision}: NormalSystem, right: Float64Array, lambda: number, scale: Float64Array | null): NormalStep | SolveFailure {
  const bad = right.findIndex(x => !Number.isFinite(x));
  if (bad >= 0 || !Number.isFinite(lambda)) {
    return {ok: false, cause: 'nonfinite', pivot: Math.max(0, bad)};
  }
  const damped = matrix.slice();
  for (let j = 0; j < m; j++) {
    damped[j * m + j] += lambda * (scale === null ? 1 : scale[j]) + 2 * rho[j];
  }
  const factor = factorize(damped, m, 0);
  const step = factor.ok ? factor.solve(right) : factor;
  if ('ok' in step) {
    return {ok: false, cause: matrix.every(Number.isFinite) ? 'singular' : 'nonfinite', pivot: step.pivot};
  }
  const product = new Float64Array(m);
  addProduct(1, matrix, step, product);
  const overflow = product.findIndex(x => !Number.isFinite(x));
  return overflow >= 0 ? {ok: false, cause: 'overflow', pivot: overflow} :
    {ok: true, lambda, step, curvature: Math.max(0, step.reduce((sum, x, j) => sum + x * product[j], 0))};
}
