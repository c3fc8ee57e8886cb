/**
 * The generalized Gauss-Newton step from a loss written down in float64, slow and obvious: its derivatives in the outputs by finite
 * differences, the Jacobian of the outputs by tfjs's own autodiff. Nothing of src/ is used here, on purpose.
 */
import {solveByElimination} from './dense_jacobian';

/** The loss of one example, all weights inside, as a function of its rows: L = Σ_b loss(b, f_b). */
export type ExampleLoss = (example: number, f: readonly number[]) => number;

export interface OutputDerivatives {
  /** n. */
  q: Float64Array;
  /** n x n, row-major, block diagonal. */
  h: Float64Array;
}

/**
 * Step of the differences: fourth order, so the error is about h⁴ + 2⁻⁵²/h for the gradient, and a thousand times as much for the
 * curvature.
 */
const STEP = 1e-3;

/** Derivative of a function of one number at 0, by fourth-order central differences. */
function slope(f: (h: number) => number): number {
  return (8 * (f(STEP) - f(-STEP)) - (f(2 * STEP) - f(-2 * STEP))) / (12 * STEP);
}

/** q = dL/df and H = d²L/df² at the rows f, `components` for each example. */
export function outputDerivatives(loss: ExampleLoss, f: ArrayLike<number>, components: number): OutputDerivatives {
  const n = f.length;
  const q = new Float64Array(n);
  const h = new Float64Array(n * n);
  for (let first = 0; first < n; first += components) {
    const at = Array.from({length: components}, (_, i) => f[first + i]);
    const moved = (from: readonly number[], i: number, by: number): number[] => from.map((x, k) => k === i ? x + by : x);
    const gradient = (from: readonly number[], i: number): number => slope(by => loss(first / components, moved(from, i, by)));
    for (let i = 0; i < components; i++) {
      q[first + i] = gradient(at, i);
      for (let j = 0; j < components; j++) {
        h[(first + i) * n + first + j] = slope(by => gradient(moved(at, j, by), i));
      }
    }
  }
  return {q, h};
}

export interface GaussNewtonInput {
  /** J, n x m row-major. */
  jacobian: Float64Array;
  n: number;
  m: number;
  q: Float64Array;
  h: Float64Array;
  /** Rows that count: τ times trace(JᵀHJ) over the smaller of this and m is λ. */
  weighted: number;
  damping: number;
  /** Gradient beyond the rows; null where there is none. */
  extra?: Float64Array | null;
}

/** d = -(JᵀHJ + λI)⁻¹ g with g = Jᵀq + e. */
export function gaussNewtonStep({jacobian, n, m, q, h, weighted, damping, extra}: GaussNewtonInput): {step: Float64Array; lambda: number; gradient: Float64Array} {
  const hj = new Float64Array(n * m);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < n; k++) {
      for (let j = 0; h[i * n + k] !== 0 && j < m; j++) {
        hj[i * m + j] += h[i * n + k] * jacobian[k * m + j];
      }
    }
  }
  const matrix = new Float64Array(m * m);
  const gradient = new Float64Array(m);
  for (let a = 0; a < m; a++) {
    for (let i = 0; i < n; i++) {
      gradient[a] += jacobian[i * m + a] * q[i];
      for (let b = 0; b < m; b++) {
        matrix[a * m + b] += jacobian[i * m + a] * hj[i * m + b];
      }
    }
    gradient[a] += extra?.[a] ?? 0;
  }
  let trace = 0;
  for (let a = 0; a < m; a++) {
    trace += matrix[a * m + a];
  }
  const lambda = damping * trace / Math.min(weighted, m);
  for (let a = 0; a < m; a++) {
    matrix[a * m + a] += lambda;
  }
  return {step: solveByElimination(matrix, gradient.map(x => -x)), lambda, gradient};
}
