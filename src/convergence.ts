import type {StepReport} from './step_report';

/**
 * How far a training on the same data in every step has come; see {@link GramGaussNewton.convergence}.
 * @public
 */
export interface Convergence {
  /**
   * - `'improving'`: go on.
   * - `'converged'`: nothing is left to gain, as far as float32 can tell.
   * - `'stuck'`: 20 judged steps have not lowered the loss, though something is left to gain or nobody knows: a kink, a parameter without effect, or rounding.
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

  note({loss, gainRatio, policy}: StepReport): void {
    if (policy !== 'levenbergMarquardt') {
      this.least = Infinity;
      this.since = 0;
    } else if (loss < this.least * (1 - RESOLUTION) || gainRatio === null) {
      this.least = Math.min(this.least, loss);
      this.since = 0;
    } else {
      this.since++;
    }
  }

  /** @param remaining NaN where it is not known, which ends nothing by itself. */
  judge(remaining: number): Convergence {
    const left = Number.isNaN(remaining) ? 'what is left to gain is not known' : `${remaining.toExponential(1)} of the loss is left to gain`;
    if (remaining <= REMAINING.wanted) {
      return {status: 'converged', reason: `${left}, at most ${REMAINING.wanted}`, remaining};
    }
    if (this.since < PATIENCE) {
      return {status: 'improving', reason: left, remaining};
    }
    return {status: remaining <= REMAINING.accepted ? 'converged' : 'stuck', reason: `${PATIENCE} steps have not lowered the loss; ${left}`, remaining};
  }
}
