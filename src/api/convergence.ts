import type {UndampedDecrease} from '../solve/resolved_decrease';
import type {StepReport} from '../step/step_report';

/**
 * How far a training on the same data in every step has come; see {@link
 * GramGaussNewton.convergence}.
 * @public
 */
export interface Convergence {
  /**
   * - `'converged'`: nothing is left to gain, as far as float32 can tell. {@link
   *   GramGaussNewton.remainingDecrease} is at most 1e-8, and so is the decrease that may be
   *   rounding; or it is at most 1e-4 after 20 judged steps that did not lower the loss by more
   *   than four units of float32.
   * - `'stuck'`: further steps bring nothing, and the point is no minimum, or the optimizer cannot
   *   tell. After 20 such steps more is left (a kink), or the rest is not known (conjugate
   *   gradients). Or rounding of the Jacobian may hide more than 1e-4 of the loss, since columns
   *   depend on each other: redundant parameters, also at a minimum, or parameters that have run
   *   away. Or a parameter has no effect, or has lost its effect: a change by its whole size
   *   changes the residuals by less than their rounding. The last two need normal equations in
   *   float64.
   * - `'improving'`: go on. Also before the first step. Steps that are not judged (mini-batches)
   *   count for nothing.
   */
  readonly status: 'improving' | 'converged' | 'stuck';
  /** The status in words. */
  readonly reason: string;
  /** {@link GramGaussNewton.remainingDecrease}. */
  readonly remaining: number;
}

/**
 * Shares of the loss that may be left to gain. The wanted share is about the digits of float32. The
 * accepted share counts after steps that bring nothing more, since the rounding of the model is
 * then in the way.
 */
const REMAINING = {wanted: 1e-8, accepted: 1e-4};

/** So many judged steps must lower the least loss, or the training is at its end. */
const PATIENCE = 20;

/** Share of the loss that counts as lower: four units of float32. */
const RESOLUTION = 2 ** -22;

/** Follows the losses of judged steps, and says when the training is at its end. */
export class Patience {
  private least = Infinity;
  private since = 0;

  note({loss, policy}: StepReport): void {
    if (policy !== 'levenbergMarquardt') {
      this.least = Infinity;
      this.since = 0;
    } else if (this.least === Infinity || loss < this.least - RESOLUTION * Math.abs(this.least)) {
      this.least = loss;
      this.since = 0;
    } else {
      this.since++;
    }
  }

  /**
   * @param left shares of the loss. A share that is not known is NaN, and ends nothing by itself.
   */
  judge({known: remaining, hidden, hideable, lost}: UndampedDecrease): Convergence {
    const left = Number.isNaN(remaining) ? 'what is left to gain is not known' :
      `${remaining.toExponential(1)} of the loss is left to gain`;
    const doubt = doubtOf(hideable, lost);
    // If the model promises more than float32 knows, then further steps may still lower the loss:
    // they decide.
    if (remaining <= REMAINING.wanted && hidden <= REMAINING.wanted && (doubt === null || lost > 0)) {
      return doubt === null ? {status: 'converged', reason: `${left}, at most ${REMAINING.wanted}`, remaining} :
        {status: 'stuck', reason: `${left}, but ${doubt}`, remaining};
    }
    if (this.since < PATIENCE) {
      return {status: 'improving', reason: left, remaining};
    }
    const reason = `${PATIENCE} steps have not lowered the loss; ${left}${doubt === null ? '' : `, but ${doubt}`}`;
    return {status: remaining <= REMAINING.accepted && doubt === null ? 'converged' : 'stuck', reason, remaining};
  }
}

/**
 * The reason to doubt that a point with nothing left to gain is a minimum; null without a doubt.
 */
function doubtOf(hideable: number, lost: number): string | null {
  if (lost > 0) {
    const parameters = lost === 1 ? 'a parameter has' : `${lost} parameters have`;
    return `${parameters} no effect on the loss, which is flat there. Start nearer, or write the model with other parameters`;
  }
  return hideable <= REMAINING.accepted ? null :
    'rounding hides directions, where columns of the Jacobian depend on each other: parameters are redundant, or have run away';
}
