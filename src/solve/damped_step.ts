/**
 * The bounded search for a damping that works: λ from τ, raised to the float32 floor, then ten times as much as often as the
 * factorization breaks down or the step is found wrong, eight attempts in all.
 */
import {curvature, groupCurvatures, solveDampedGram, type DampedGramStep, type DampedGramSystem} from './damped_gram';
import {float32Floor, relativeDamping, traceOf, TRUSTED_RATIO} from './damping';

/** Factor of λ between two attempts: four of them lead from the float32 floor to above the trusted level. */
export const RAISE = 10;

/** Seven raises are a factor 1e7, from the float32 floor to about |SᵀGS|: what is singular there stays singular. */
export const MAX_ATTEMPTS = 8;

/**
 * How the search ended.
 *
 * - `ok`: solved with λ = τ · trace(SᵀGS)/min(n, m).
 * - `raised`: solved with a larger λ: the float32 floor, or after a failed attempt.
 * - `breakdown`: no factorization succeeded, or the input holds NaN or an infinity. Lower the learning rate, or look for
 *   overflow in the outputs.
 * - `precision`: the last step still did not change the outputs as predicted. Raise the damping.
 * - `flat`: no output depends on a weight and nothing else can move one, so there is no step. Look for dead units, or for a batch
 *   whose weights are all 0.
 */
export type SolveStatus = 'ok' | 'raised' | 'breakdown' | 'precision' | 'flat';

export interface DampedStepOptions {
  /** τ, relative damping. */
  readonly damping: number;
  /** n of min(n, m): rows whose weight is not 0. */
  readonly rows: number;
  /** m of min(n, m): trainable parameters. */
  readonly parameters: number;
  /** Whether J d, computed from the step itself, agrees with `solution.change`. */
  readonly verify?: (solution: DampedGramStep) => boolean;
}

export interface DampedStepResult {
  readonly status: SolveStatus;
  /** λ of the solution, or of the last attempt; 0 if `flat` or if C is not finite. */
  readonly lambda: number;
  /** λ as a relative damping: the τ that was used. */
  readonly damping: number;
  /** null unless the status is `ok` or `raised`. */
  readonly solution: DampedGramStep | null;
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
export function dampedStep(system: DampedGramSystem, options: DampedStepOptions): DampedStepResult {
  const {damping, rows, parameters, verify} = options;
  const parts = groupCurvatures(system);
  const total = curvature(system, parts);
  const trace = traceOf(total, system.n);
  const unit = trace === 0 ? 2 * Math.max(0, ...system.groups.map(({rho}) => rho)) : relativeDamping(1, trace, rows, parameters);
  if (unit === 0) {
    return {status: 'flat', lambda: 0, damping, solution: null, attempts: 0, pivot: null};
  }
  const wanted = damping * unit;
  // The trace bounds the norm that the limits are taken from, and is free.
  const {floor, trusted} = Number.isFinite(trace) && wanted >= TRUSTED_RATIO * trace ? {floor: 0, trusted: 0} : float32Floor(total, system.n);
  if (!Number.isFinite(floor)) {  // λ would not be a number either: name the row instead of solving
    const badRow = Math.floor(total.findIndex(value => !Number.isFinite(value)) / system.n);
    return {status: 'breakdown', lambda: 0, damping, solution: null, attempts: 0, pivot: Math.max(0, badRow)};
  }
  let lambda = Math.max(wanted, floor);
  let isDoubted = false;
  for (let attempts = 1;; attempts++) {
    const solution = solveDampedGram(system, lambda, parts);
    const used = {lambda, damping: lambda === wanted ? damping : lambda / unit, attempts};
    if (solution.ok && (verify === undefined || !(isDoubted || lambda < trusted) || verify(solution))) {
      return {...used, status: lambda === wanted ? 'ok' : 'raised', solution, pivot: null};
    }
    // More damping never cures NaN: without this test a search that waits for success would not end.
    if (attempts === MAX_ATTEMPTS || (!solution.ok && solution.cause === 'nonfinite')) {
      return solution.ok ? {...used, status: 'precision', solution: null, pivot: null} :
                           {...used, status: 'breakdown', solution: null, pivot: solution.pivot};
    }
    isDoubted ||= solution.ok;
    lambda *= RAISE;
  }
}
