/**
 * The bounded search for a damping that works. λ comes from τ and is raised to the float32 floor.
 * Each time that the factorization breaks down or the step is found wrong, λ is raised by a factor
 * 10, at most seven times.
 */
import {relativeDamping, type Float32Limits} from './damping';
import type {Scaling} from './scaling';

/**
 * A step at one λ, made of finite numbers only. Each kind of system represents d in its own way.
 */
export interface Solution {
  readonly ok: true;
  readonly lambda: number;
}

/** The reason why a solve gave no step. */
export interface SolveFailure {
  readonly ok: false;
  /**
   * - `singular`: the system is not positive definite to working precision. More damping may help.
   * - `unconverged`: an iteration did not converge. More damping may help.
   * - `overflow`: the numbers of the system are finite, and those of the step are not. More damping
   *   may help.
   * - `nonfinite`: the system holds NaN or an infinity. More damping does not help.
   */
  readonly cause: 'singular' | 'unconverged' | 'overflow' | 'nonfinite';
  /** Row of the system at which the solve failed; 0 if λ, ρ or μ is at fault. */
  readonly pivot: number;
}

/**
 * The system of one step, in the space of the rows (n x n) or of the parameters (m x m). All that
 * does not depend on λ is formed once.
 */
export interface DampedProblem<S extends Solution> {
  /** trace(SᵀGS) = trace(JᵀHJ), without the regularizers. */
  readonly trace: number;
  /** The metric Σ that λ multiplies. With `marquardt`, λ = τ. */
  readonly scaling: Scaling;
  /** The largest ρ of an L2 regularizer ρ|w|². */
  readonly rho: number;
  /** Limits that rounding sets to λ; NaN if the system holds NaN or an infinity. */
  limits(wanted: number): Float32Limits;
  /** First row of the system with a NaN or an infinity; 0 if there is none. */
  firstBadRow(): number;
  /** The step at damping λ. Never throws, and never returns a number that is not finite. */
  solve(lambda: number): S | SolveFailure;
  /**
   * The number of directions that the data determine at damping λ: trace(C(C + λI)⁻¹) with C =
   * SᵀGS; with Marquardt's scaling trace(A(A + λΣ)⁻¹) with A = JᵀHJ.
   */
  effectiveDimension(lambda: number): number;
  /**
   * The damping λ of the evidence after one step of its iteration, see `evidenceIteration`; null if
   * it has none. Systems without a trace of (SᵀGS + λI)⁻¹ leave the function out.
   *
   * @param moved J c (n): the prior is centred at w - c; null if it is centred at w.
   */
  dampingByEvidence?(lambda: number, moved: Float64Array | null): number | null;
}

/** Factor of λ of one raise. Four raises lead from the float32 floor to above the trusted level. */
const RAISE = 10;

/**
 * Raises of λ, at most. They are a factor 1e7 and lead from the float32 floor to about |SᵀGS|. A
 * matrix that is singular there stays singular with any λ.
 */
export const MAX_RAISES = 7;

/**
 * How the search ended.
 *
 * - `ok`: solved with λ = τ · trace(SᵀGS) / min(n, m), or with λ = τ under Marquardt's scaling.
 * - `raised`: solved with a larger λ: the float32 floor, or a λ that was raised after a failed
 *   solve.
 * - `breakdown`: no factorization succeeded, or the input holds NaN or an infinity. Lower the
 *   learning rate, or look for overflow in the outputs.
 * - `precision`: J d of the last step still differed from its prediction by more than 2 % of it, or
 *   conjugate gradients did not converge. Raise the damping.
 * - `flat`: trace(SᵀGS) = 0 and ρ = 0: no output depends on a weight, and no regularizer moves one,
 *   so there is no step. Look for dead units, or for a batch whose weights are all 0.
 * - `noCurvature`: the gradient is not zero, but the loss has no curvature in any output. So λ has
 *   no scale, and there is no step.
 */
export type SolveStatus = 'ok' | 'raised' | 'breakdown' | 'precision' | 'flat' | 'noCurvature';

interface DampedStepOptions<S extends Solution> {
  /** τ, relative damping. */
  readonly damping: number;
  /** n of min(n, m), the rows whose weight is not 0. */
  readonly rows: number;
  /** m of min(n, m), the trained parameters. */
  readonly parameters: number;
  /** The trace counts as this at least. Default 0. */
  readonly leastTrace?: number;
  /**
   * Whether J d, computed from the step itself, agrees with the change that the solution predicts.
   */
  readonly verify?: (solution: S) => boolean;
}

export interface DampedStepResult<S extends Solution> {
  readonly status: SolveStatus;
  /** λ of the last solve; 0 if `flat`, or if the system is not finite. */
  readonly lambda: number;
  /** λ as a relative damping: the τ of the last solve. */
  readonly damping: number;
  /** The step; null unless the status is `ok` or `raised`. */
  readonly solution: S | null;
  /** Solves: one more than the raises of λ; 0 if `flat`, or if the system is not finite. */
  readonly solves: number;
  /** Row at which the last solve broke down; null if it did not. */
  readonly pivot: number | null;
}

/**
 * Solves the system with the least damping of the sequence λ, 10 λ, 100 λ, ... that gives a step to
 * be trusted.
 *
 * A step is shown to `verify` if its λ is below the trusted level of `float32Floor`. After one
 * refusal every later step is shown to it, too: an error that more damping does not cure is not
 * rounding, and must not pass because its λ is above that level.
 *
 * If there is no curvature (trace 0), λ = τ · 2ρmax, so that the regularizers still have their
 * step.
 *
 * The function never throws, and calls `verify` at most eight times.
 */
export function dampedStep<S extends Solution>(problem: DampedProblem<S>, options: DampedStepOptions<S>):
    DampedStepResult<S> {
  const {damping, rows, parameters, verify} = options;
  const trace = Math.max(problem.trace, options.leastTrace ?? 0);
  const unit = trace === 0 ? 2 * problem.rho :
    problem.scaling === 'marquardt' ? 1 : relativeDamping(1, trace, rows, parameters);
  if (unit === 0) {
    return {status: 'flat', lambda: 0, damping, solution: null, solves: 0, pivot: null};
  }
  const wanted = damping * unit;
  const {floor, trusted} = problem.limits(wanted);
  if (!Number.isFinite(floor)) {  // no λ is a number then, so that no solve can name the row
    return {status: 'breakdown', lambda: 0, damping, solution: null, solves: 0, pivot: problem.firstBadRow()};
  }
  let lambda = Math.max(wanted, floor);
  let isDoubted = false;
  for (let raises = 0;; raises++) {
    const solution = problem.solve(lambda);
    const used = {lambda, damping: lambda === wanted ? damping : lambda / unit, solves: raises + 1};
    if (solution.ok && (verify === undefined || !(isDoubted || lambda < trusted) || verify(solution))) {
      return {...used, status: lambda === wanted ? 'ok' : 'raised', solution, pivot: null};
    }
    // More damping never cures NaN.
    if (raises === MAX_RAISES || (!solution.ok && solution.cause === 'nonfinite')) {
      return solution.ok || solution.cause === 'unconverged' ?
        {...used, status: 'precision', solution: null, pivot: null} :
        {...used, status: 'breakdown', solution: null, pivot: solution.pivot};
    }
    isDoubted ||= solution.ok;
    lambda *= RAISE;
  }
}
