import type {PredictedDecrease} from '../model/local_model';

/**
 * The verdict on the step of an attempt.
 *
 * - `taken`: the weights become w + s.
 * - `rejected`: the weights stay, and more damping may help.
 * - `unresolved`: the step is taken, but its gain ratio says nothing of the quadratic model.
 */
export type Verdict = 'taken' | 'rejected' | 'unresolved';

/** The facts about a step s that its verdict follows from. Those that cost time are functions. */
export interface VerdictFacts {
  /** Whether the policy rejects steps that do not decrease the loss. */
  readonly rejects: boolean;
  /** The trust in the model of a guarded step, see `trustIn`; null if the step is not guarded. */
  readonly trust: number | null;
  /** p, the decrease of the loss that the quadratic model promises. */
  readonly predictedDecrease: number;
  /**
   * a = L(w) - L(w + s); null for a step that is not tried: the policy neither judges nor guards,
   * or s = 0.
   */
  readonly actualDecrease: number | null;
  /** Whether w + s is finite. */
  readonly isWritable: boolean;
  /** δ: two losses that differ by at most this are equal, as far as float32 can tell. */
  readonly resolvedLoss: () => number;
  /** Whether the step is beyond the bound of `isFlung`, if its policy has that bound. */
  readonly isFlung: () => boolean;
  /** Whether the loss has finite derivatives at w + s. */
  readonly isDifferentiable: () => boolean;
}

/**
 * |a/p - 1| up to which the loss falls as the quadratic model promises, as it does for linear
 * parameters. Such a step is not bounded.
 */
const TRUSTED_GAIN = 1e-3;

/**
 * The trust in the quadratic model of a step,
 *
 *     1 - max(0, p - a - δ) / (|gᵀs| + ½ sᵀ(JᵀHJ + 2ρ)s)        a = L(w) - L(w + s)
 *
 * It is 1 if the loss falls at least as the model promises, and 0 if it lies above the model by the
 * size of all terms of the model. A step with momentum may raise the loss of its batch, and be
 * trusted.
 */
export function trustIn({decrease, size}: PredictedDecrease, actual: number, resolvedLoss: number): number {
  const missing = decrease - actual - resolvedLoss;
  return missing <= 0 ? 1 : 1 - missing / size;
}

/**
 * The verdict, by the first line that holds:
 *
 * 1. not tried: taken.
 * 2. w + s or a is not finite: rejected, under any policy.
 * 3. The step is guarded, and the trust in its model is not above 0: rejected.
 * 4. The policy rejects, 0 ≤ p ≤ δ and a < -δ: rejected.
 * 5. The policy rejects, p is not in [0, δ], and not (p > 0 and a > 0): rejected.
 * 6. |a/p - 1| > 0.001 and s is beyond the bound: rejected.
 * 7. The loss has no finite derivatives at w + s: rejected.
 * 8. The policy rejects and 0 ≤ p ≤ δ: unresolved.
 * 9. Else: taken.
 *
 * A step with p ≤ δ cannot be judged by the loss. It is taken unless the loss rises by more than δ,
 * since its direction comes from the gradient, which is known better: the rounding of the loss is
 * of first order in the rounding of the residuals, the error of their minimiser of second order.
 */
export function verdict({rejects, trust, predictedDecrease: p, actualDecrease: a, ...facts}: VerdictFacts): Verdict {
  if (a === null) {
    return 'taken';
  }
  if (!facts.isWritable || !Number.isFinite(a)) {
    return 'rejected';
  }
  if (trust !== null && !(trust > 0)) {
    return 'rejected';
  }
  const isUnresolved = rejects && p >= 0 && p <= facts.resolvedLoss();
  const isLower = isUnresolved ? a >= -facts.resolvedLoss() : p > 0 && a > 0;
  if (rejects && !isLower) {
    return 'rejected';
  }
  if (Math.abs(a / p - 1) > TRUSTED_GAIN && facts.isFlung()) {
    return 'rejected';
  }
  if (!facts.isDifferentiable()) {
    return 'rejected';
  }
  return isUnresolved ? 'unresolved' : 'taken';
}
