/** What becomes of a step that was tried. */
export type Verdict = 'taken' | 'rejected' | 'unresolved';

/** What is known of a step that was tried. */
export interface Evidence {
  /** Whether the policy rejects steps that do not decrease the loss. */
  readonly rejects: boolean;
  /** What the quadratic model promised. */
  readonly predictedDecrease: number;
  /** What the loss decreased by; not finite where the loss would not be. */
  readonly actualDecrease: number;
  /** Two losses that differ by less are equal, as far as float32 can tell. */
  readonly resolvedLoss: () => number;
}

/**
 * - A loss that is not finite is never accepted, under any policy.
 * - A policy that does not reject takes every other step.
 * - A step that promises less than the loss can resolve cannot be judged by it. It is taken unless the loss rises by more than that: its direction comes from the
 *   gradient, which is known better, since the rounding of the loss is of first order in that of the residuals and the error of their minimiser of second.
 * - Any other step is taken if it decreases the loss, as it promised to.
 */
export function verdict({rejects, predictedDecrease, actualDecrease, resolvedLoss}: Evidence): Verdict {
  if (!Number.isFinite(actualDecrease)) {
    return 'rejected';
  }
  if (!rejects) {
    return 'taken';
  }
  if (predictedDecrease >= 0 && predictedDecrease <= resolvedLoss()) {
    return actualDecrease >= -resolvedLoss() ? 'unresolved' : 'rejected';
  }
  return actualDecrease > 0 && predictedDecrease > 0 ? 'taken' : 'rejected';
}
