import type {UndampedDecrease} from '../solve/resolved_decrease';
import type {StepReport} from '../step/step_report';

/**
 * How far a training on the same data in every step has come; see {@link GramGaussNewton.convergence}.
 * @public
 */
export interface Convergence {
  /**
   * - `'improving'`: go on.
   * - `'converged'`: nothing is left to gain, as far as float32 can tell.
   * - `'stuck'`: further steps bring nothing, and it is no minimum, or nobody knows: a kink; parameters without an effect; columns of the Jacobian that depend on each
   *   other but for rounding (redundant parameters, also at a minimum, or some that have run away).
   */
  readonly status: 'improving' | 'converged' | 'stuck';
  /** The status in words. */
  readonly reason: string;
  /** {@link GramGaussNewton.remainingDecrease}. */
  readonly remaining: number;
}

/** What may be left to gain, as a share of the loss: about as many digits as float32 has; and where steps bring nothing more, since the rounding of the model is in the way. */
const REMAINING = {wanted: 1e-8, accepted: 1e-4};

/** Judged steps that must lower the least loss, by more than four units of float32. */
const PATIENCE = 20;
const RESOLUTION = 2 ** -22;

/** Follows the losses of steps that are judged. */
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

  /** @param left shares of the loss; NaN where they are not known, which ends nothing by itself. */
  judge({known: remaining, hidden, hideable, lost}: UndampedDecrease): Convergence {
    const left = Number.isNaN(remaining) ? 'what is left to gain is not known' : `${remaining.toExponential(1)} of the loss is left to gain`;
    const doubt = doubtOf(hideable, lost);
    // Where the model promises more than float32 knows, further steps may still lower the loss: they decide.
    if (remaining <= REMAINING.wanted && hidden <= REMAINING.wanted && (doubt === null || lost > 0)) {
      return doubt === null ? {status: 'converged', reason: `${left}, at most ${REMAINING.wanted}`, remaining} : {status: 'stuck', reason: `${left}, but ${doubt}`, remaining};
    }
    if (this.since < PATIENCE) {
      return {status: 'improving', reason: left, remaining};
    }
    const reason = `${PATIENCE} steps have not lowered the loss; ${left}${doubt === null ? '' : `, but ${doubt}`}`;
    return {status: remaining <= REMAINING.accepted && doubt === null ? 'converged' : 'stuck', reason, remaining};
  }
}

/** Why nothing left to gain is no minimum; null if it is. */
function doubtOf(hideable: number, lost: number): string | null {
  return lost > 0 ? `${lost === 1 ? 'a parameter has' : `${lost} parameters have`} no effect on the loss, which is flat there. Start nearer, or write the model with other parameters` :
    hideable > REMAINING.accepted ? 'rounding hides directions, where columns of the Jacobian depend on each other: parameters are redundant, or have run away' : null;
}
