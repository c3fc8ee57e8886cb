import type {Variable} from '@tensorflow/tfjs-core';
import {conjugateGradient, TOLERANCE, type Product} from '../solve/conjugate_gradient';
import type {DampedProblem, SolveFailure} from '../solve/damped_step';
import {NORMAL_FLOAT32_FLOOR_RATIO, type NormalStep} from '../solve/normal_equations';
import {addInto, dot, norm as lengthOf} from '../arrays/vectors';
import type {Ridge} from './ridge';
import {spread} from './variable_vector';

/** The facts of JᵀHJ that are known beside products with it. */
export interface Approximation {
  /** trace(JᵀHJ). */
  readonly trace: number;
  /** |JᵀHJ|, about. */
  readonly norm: number;
  /** x ↦ P⁻¹x with P ≈ JᵀHJ + λI + diag(2ρ); null if P cannot be factored. */
  preconditioner(lambda: number): Product | null;
}

/** The system of a step without λ. */
export interface ConjugateSystem {
  readonly variables: readonly Variable[];
  /** x ↦ JᵀHJ x. */
  readonly curvature: Product;
  /** The tensors that it uses outlive the solve. */
  readonly approximation: Approximation;
  /** g = Jᵀq + e (m). */
  readonly gradient: Float64Array;
  /** The L2 regularizers. */
  readonly ridge: Ridge;
  /** d_prev by parameter (m); null if it is zero. */
  readonly previous: Float64Array | null;
  /** μ. */
  readonly momentum: number;
  /** The step to start from: the last step, for every μ; null for zero. */
  readonly start: Float64Array | null;
}

/**
 * The largest |b - Mx| / (|b| + |M||x|) of a step that is accepted: ten times the tolerance, which
 * is itself the rounding of products in float32.
 */
const BACKWARD_ERROR = 10 * TOLERANCE;

/**
 * The damped step in the space of the parameters by conjugate gradients, for more rows than a Gram
 * matrix can have and more parameters than normal equations can have:
 *
 *     (JᵀHJ + D) d = λμ d_prev - g,      D = λI + diag(2ρ)
 *
 * The preconditioner P is an approximation of the same matrix.
 *
 * Measured: numbers of products for 12,000 rows and 4,810 parameters at τ = 0.1, 0.01, 0.001.
 * Inputs of 16 dimensions take 36, 77, 190 (with a sample that is scaled up 48, 74, 131; without P
 * 191 at τ = 0.1). Inputs of noise in 64 dimensions take 54, 136 (with a sample that is scaled up
 * 127, and then not converged in 200; without P 74, 184).
 */
export function conjugateProblem(system: ConjugateSystem): DampedProblem<NormalStep> {
  const {variables, curvature, approximation, gradient, ridge, previous, momentum, start} = system;
  const {trace, norm} = approximation;
  const rhoOf = spread(ridge.rhos, variables);
  return {
    trace,
    scaling: 'levenberg',
    rho: Math.max(0, ...ridge.rhos),
    limits: () => ({floor: Number.isFinite(trace) ? NORMAL_FLOAT32_FLOOR_RATIO * norm : NaN, trusted: 0}),
    firstBadRow: () => 0,
    solve: (lambda): NormalStep | SolveFailure => {
      const diagonal = rhoOf.map(rho => lambda + 2 * rho);
      const right = gradient.map((g, j) => (previous === null ? 0 : lambda * momentum * previous[j]) - g);
      const bad = right.findIndex(x => !Number.isFinite(x));
      if (bad >= 0 || !Number.isFinite(lambda)) {
        return {ok: false, cause: 'nonfinite', pivot: Math.max(0, bad)};
      }
      const precondition = approximation.preconditioner(lambda);
      if (precondition === null) {
        return {ok: false, cause: 'singular', pivot: 0};
      }
      const product: Product = x => addInto(x.map((value, j) => diagonal[j] * value), 1, curvature(x));
      const {x, converged} = conjugateGradient({product, right, precondition, start, tolerance: TOLERANCE});
      if (!converged) {
        return {ok: false, cause: x.every(Number.isFinite) ? 'unconverged' : 'nonfinite', pivot: 0};
      }
      // The residual that conjugate gradients carry along drifts away from the true residual.
      const curved = curvature(x);
      const rest = right.map((b, j) => b - curved[j] - diagonal[j] * x[j]);
      const scale = norm + diagonal.reduce((a, b) => Math.max(a, b), 0);
      if (!(lengthOf(rest) <= BACKWARD_ERROR * (lengthOf(right) + scale * lengthOf(x)))) {
        return {ok: false, cause: rest.every(Number.isFinite) ? 'unconverged' : 'nonfinite', pivot: 0};
      }
      return {ok: true, lambda, step: x, curvature: Math.max(0, dot(x, curved))};
    },
    effectiveDimension: () => NaN,
  };
}
