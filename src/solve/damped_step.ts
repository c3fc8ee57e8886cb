/**
 * The bounded search for a damping that works: λ from τ, raised to the float32 floor, then ten times as much as often as the
 * factorization breaks down or the step is found wrong, eight attempts in all.
 */
import type {Float32Limits} from './damping';
import {relativeDamping} from './damping';
import type {Scaling} from './scaling';

/** A step at one λ, made of finite numbers only. Each kind of system has a representation of d of its own. */
export interface Solution {
  readonly ok: true;
  readonly lambda: number;
}

/** No step. */
export interface SolveFailure {
  readonly ok: false;
  /**
   * `singular`, `unconverged` (of an iteration), `overflow` (of a step from finite numbers): more damping may help. `nonfinite`: the input holds NaN or an infinity, so it
   * will not.
   */
  readonly cause: 'singular' | 'unconverged' | 'overflow' | 'nonfinite';
  /** Row of the system at which it showed; 0 where λ, ρ or μ is at fault. */
  readonly pivot: number;
}

/** The system of one step, in the space of the rows or of the parameters: whatever of it does not depend on λ is formed once. */
export interface DampedProblem<S extends Solution> {
  /** trace(SᵀGS), not weighted by regularizers. */
  readonly trace: number;
  /** What λ multiplies: with `marquardt` λ = τ. */
  readonly scaling: Scaling;
  /** The largest ρ of an L2 regularizer ρ|w|². */
  readonly rho: number;
  /** What rounding allows λ to be; NaN where the system holds NaN or an infinity. */
  limits(wanted: number): Float32Limits;
  /** First row of the system with a NaN or an infinity; 0 if there is none. */
  firstBadRow(): number;
  /** The step at damping λ. Never throws, and never returns a number that is not finite. */
  solve(lambda: number): S | SolveFailure;
  /** trace(C(C + λI)⁻¹) with C = SᵀGS, with Marquardt's scaling trace(A(A + λΣ)⁻¹) with A = JᵀHJ: the number of directions that the data determine at damping λ. */
  effectiveDimension(lambda: number): number;
}

/** Factor of λ between two attempts: four of them lead from the float32 floor to above the trusted level. */
export const RAISE = 10;

/** Seven raises are a factor 1e7, from the float32 floor to about |SᵀGS|: what is singular there stays singular. */
export const MAX_ATTEMPTS = 8;

/**
 * How the search ended.
 *
 * - `ok`: solved with λ = τ · trace(SᵀGS)/min(n, m), or λ = τ with Marquardt's scaling.
 * - `raised`: solved with a larger λ: the float32 floor, or after a failed attempt.
 * - `breakdown`: no factorization succeeded, or the input holds NaN or an infinity. Lower the learning rate, or look for
 *   overflow in the outputs.
 * - `precision`: the last step still did not change the outputs as predicted, or conjugate gradients did not converge. Raise the damping.
 * - `flat`: no output depends on a weight and nothing else can move one, so there is no step. Look for dead units, or for a batch
 *   whose weights are all 0.
 * - `noCurvature`: the gradient is not zero, but the loss has no curvature in any output, so there is no scale for λ and no step.
 */
export type SolveStatus = 'ok' | 'raised' | 'breakdown' | 'precision' | 'flat' | 'noCurvature';

export interface DampedStepOptions<S extends Solution> {
  /** τ, relative damping. */
  readonly damping: number;
  /** n of min(n, m): rows whose weight is not 0. */
  readonly rows: number;
  /** m of min(n, m): trainable parameters. */
  readonly parameters: number;
  /** What counts as the trace where it is less; by default 0. */
  readonly leastTrace?: number;
  /** Whether J d, computed from the step itself, agrees with what the solution predicts. */
  readonly verify?: (solution: S) => boolean;
}

export interface DampedStepResult<S extends Solution> {
  readonly status: SolveStatus;
  /** λ of the solution, or of the last attempt; 0 if `flat` or if C is not finite. */
  readonly lambda: number;
  /** λ as a relative damping: the τ that was used. */
  readonly damping: number;
  /** null unless the status is `ok` or `raised`. */
  readonly solution: S | null;
  /** Solves tried; 0 if `flat` or if C is not finite. */
  readonly attempts: number;
  /** Row at which the last attempt broke down; null if it did not. */
  readonly pivot: number | null;
}

/**
 * Solves the system with the least damping of the sequence λ, 10 λ, 100 λ, ... that gives a step to be trusted.
 *
 * A step below the trusted level of `float32Floor` is shown to `verify`, and once it was refused every later one is too: an error
 * that more damping does not cure is not rounding, and must not pass for being above the level.
 *
 * Without curvature (trace 0) λ = τ · 2ρmax, so that a batch which says nothing still leaves the regularizers their step.
 *
 * Never throws; calls `verify` at most eight times.
 */
export function dampedStep<S extends Solution>(problem: DampedProblem<S>, options: DampedStepOptions<S>): DampedStepResult<S> {
  const {damping, rows, parameters, verify} = options;
  const trace = Math.max(problem.trace, options.leastTrace ?? 0);
  const unit = trace === 0 ? 2 * problem.rho : problem.scaling === 'marquardt' ? 1 : relativeDamping(1, trace, rows, parameters);
  if (unit === 0) {
    return {status: 'flat', lambda: 0, damping, solution: null, attempts: 0, pivot: null};
  }
  const wanted = damping * unit;
  const {floor, trusted} = problem.limits(wanted);
  if (!Number.isFinite(floor)) {  // λ would not be a number either: name the row instead of solving
    return {status: 'breakdown', lambda: 0, damping, solution: null, attempts: 0, pivot: problem.firstBadRow()};
  }
  let lambda = Math.max(wanted, floor);
  let isDoubted = false;
  for (let attempts = 1;; attempts++) {
    const solution = problem.solve(lambda);
    const used = {lambda, damping: lambda === wanted ? damping : lambda / unit, attempts};
    if (solution.ok && (verify === undefined || !(isDoubted || lambda < trusted) || verify(solution))) {
      return {...used, status: lambda === wanted ? 'ok' : 'raised', solution, pivot: null};
    }
    // More damping never cures NaN: without this test a search that waits for success would not end.
    if (attempts === MAX_ATTEMPTS || (!solution.ok && solution.cause === 'nonfinite')) {
      return solution.ok || solution.cause === 'unconverged' ? {...used, status: 'precision', solution: null, pivot: null} :
                           {...used, status: 'breakdown', solution: null, pivot: solution.pivot};
    }
    isDoubted ||= solution.ok;
    lambda *= RAISE;
  }
}
