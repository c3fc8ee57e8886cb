/**
 * The damped Gauss-Newton step in the space of the parameters, for fewer parameters than rows (m < n), in float64.
 *
 *     minimise  ½|SᵀJd + z|² + eᵀd + Σ_j ρ_j d_j² + (λ/2)|d - μ d_prev|²_Σ          over d in R^m,   |x|²_Σ = xᵀΣx
 *
 *     (JᵀHJ + λΣ + diag(2ρ)) d = λμ Σ d_prev - e - Jᵀq,      H = S Sᵀ
 *
 * Σ = I (Levenberg) or diag(JᵀHJ) (Marquardt, see `scaling`). The first is the same step as that of `damped_gram` at the same λ. JᵀHJ is summed in float64 from float32 rows, whose products are exact there. So the
 * squared condition number costs nothing: float32 rows lose a direction at σmin/σmax = 2⁻²⁴, and the normal equations at 2⁻²⁶. That is why this
 * form takes a damping far below the floor of the dual form, which is solved from a Gram matrix in float32.
 *
 * Source: Levenberg 1944; Marquardt 1963; Madsen, Nielsen & Tingleff 2004, section 3.2.
 */
import {cholesky} from './cholesky';
import type {CurvatureRoot} from './curvature_root';
import type {DampedProblem, Solution, SolveFailure} from './damped_step';
import {effectiveDimension} from './effective_dimension';
import {marquardtScale} from './scaling';
import type {Scaling} from './scaling';

/** What the step is solved from: everything of it but λ. */
export interface NormalSystem {
  readonly n: number;
  readonly m: number;
  /** J, n x m, row-major: dr/dw without weights. */
  readonly rows: ArrayLike<number>;
  readonly root: CurvatureRoot;
  /** q = dL/dr (n). */
  readonly q: Float64Array;
  /** ρ by parameter (m). */
  readonly rho: Float64Array;
  /** e by parameter (m); null where it is zero. */
  readonly extra: ArrayLike<number> | null;
  /** d_prev by parameter (m); null where it is zero. */
  readonly previous: ArrayLike<number> | null;
  /** μ. */
  readonly momentum: number;
  /** Σ; by default Levenberg's. */
  readonly scaling?: Scaling;
}

export interface NormalStep extends Solution {
  /** d (m). */
  readonly step: Float64Array;
}

/** λ is never below this multiple of trace(JᵀHJ), with Marquardt's scaling of m, the trace of the scaled matrix: sqrt(λ) is then 2⁻²⁴ of the largest singular value, the rounding of the rows. */
export const NORMAL_FLOOR_RATIO = 2 ** -48;

export interface NormalProblem extends DampedProblem<NormalStep> {
  /** The step without damping and momentum, or with as little damping as float32 rows allow: with Marquardt's scaling, so that it does not depend on the units of the parameters. */
  undamped(): NormalStep | SolveFailure;
}

/** The system as a problem for `dampedStep`: JᵀHJ is formed once, for any number of λ. */
export function normalProblem(system: NormalSystem): NormalProblem {
  const {m, rho, extra, previous, momentum, scaling = 'levenberg'} = system;
  const matrix = normalMatrix(system);
  const gradient = transposeTimes(system, system.q);
  for (let j = 0; extra !== null && j < m; j++) {
    gradient[j] += extra[j];
  }
  const diagonal = Float64Array.from({length: m}, (_, j) => matrix[j * m + j]);
  const trace = diagonal.reduce((sum, x) => sum + x, 0);
  const scale = scaling === 'marquardt' ? marquardtScale(diagonal) : null;
  const badRow = matrix.findIndex(x => !Number.isFinite(x));
  return {
    trace,
    scaling,
    rho: rho.reduce((a, b) => Math.max(a, b), 0),
    limits: () => ({floor: NORMAL_FLOOR_RATIO * (scale === null || !Number.isFinite(trace) ? trace : trace === 0 ? 0 : m), trusted: 0}),
    firstBadRow: () => Math.max(0, Math.floor(badRow / m)),
    solve: lambda => {
      const right = gradient.map((g, j) => (previous === null ? 0 : lambda * momentum * (scale === null ? 1 : scale[j]) * previous[j]) - g);
      return solveNormal(system, matrix, right, lambda, scale);
    },
    undamped: () => solveNormal(system, matrix, gradient.map(g => -g), NORMAL_FLOOR_RATIO * m, scale ?? marquardtScale(diagonal)),
    effectiveDimension: lambda => effectiveDimension(matrix, m, lambda, scale),
  };
}

function solveNormal(system: NormalSystem, matrix: Float64Array, right: Float64Array, lambda: number, scale: Float64Array | null): NormalStep | SolveFailure {
  const {n, m, rows, rho} = system;
  const bad = right.findIndex(x => !Number.isFinite(x));
  if (bad >= 0 || !Number.isFinite(lambda)) {
    return {ok: false, cause: 'nonfinite', pivot: Math.max(0, bad)};
  }
  const damped = matrix.slice();
  for (let j = 0; j < m; j++) {
    damped[j * m + j] += lambda * (scale === null ? 1 : scale[j]) + 2 * rho[j];
  }
  const factor = cholesky(damped, m);
  if (!factor.ok) {
    return {ok: false, cause: matrix.every(Number.isFinite) ? 'singular' : 'nonfinite', pivot: factor.pivot};
  }
  const step = factor.solve(right);
  const change = new Float64Array(n);
  for (let i = 0, p = 0; i < n; i++) {
    let sum = 0;
    for (let j = 0; j < m; j++, p++) {
      sum += rows[p] * step[j];
    }
    change[i] = sum;
  }
  const overflow = change.findIndex(x => !Number.isFinite(x));
  return overflow < 0 ? {ok: true, lambda, step, change} : {ok: false, cause: 'nonfinite', pivot: overflow};
}

/** JᵀHJ, m x m: products of the columns of SᵀJ, three by three, so that nine sums share six loads. */
function normalMatrix({n, m, rows, root}: NormalSystem): Float64Array {
  const padded = m + (3 - m % 3) % 3;
  const columns = new Float64Array(padded * n);
  const column = new Float64Array(n);
  for (let j = 0; j < m; j++) {
    for (let i = 0; i < n; i++) {
      column[i] = rows[i * m + j];
    }
    columns.set(root.applyTranspose(column), j * n);
  }
  const matrix = new Float64Array(m * m);
  const sums = new Float64Array(9);
  for (let i = 0; i < padded; i += 3) {
    for (let j = 0; j <= i; j += 3) {
      products(columns, n, i * n, j * n, sums);
      for (let a = 0; a < 3; a++) {
        for (let b = 0; b < 3; b++) {
          if (i + a < m && j + b < m) {
            matrix[(i + a) * m + j + b] = matrix[(j + b) * m + i + a] = sums[3 * a + b];
          }
        }
      }
    }
  }
  return matrix;
}

/** The nine inner products of three columns from p and three from q. */
function products(columns: Float64Array, n: number, p: number, q: number, sums: Float64Array): void {
  let s00 = 0, s01 = 0, s02 = 0, s10 = 0, s11 = 0, s12 = 0, s20 = 0, s21 = 0, s22 = 0;
  for (let i = 0; i < n; i++) {
    const x0 = columns[p + i], x1 = columns[p + n + i], x2 = columns[p + 2 * n + i];
    const y0 = columns[q + i], y1 = columns[q + n + i], y2 = columns[q + 2 * n + i];
    s00 += x0 * y0; s01 += x0 * y1; s02 += x0 * y2;
    s10 += x1 * y0; s11 += x1 * y1; s12 += x1 * y2;
    s20 += x2 * y0; s21 += x2 * y1; s22 += x2 * y2;
  }
  sums[0] = s00; sums[1] = s01; sums[2] = s02;
  sums[3] = s10; sums[4] = s11; sums[5] = s12;
  sums[6] = s20; sums[7] = s21; sums[8] = s22;
}

/** Jᵀq. */
export function transposeTimes({n, m, rows}: Pick<NormalSystem, 'n' | 'm' | 'rows'>, q: Float64Array): Float64Array {
  const product = new Float64Array(m);
  for (let i = 0, p = 0; i < n; i++) {
    const qi = q[i];
    for (let j = 0; j < m; j++, p++) {
      product[j] += qi * rows[p];
    }
  }
  return product;
}
