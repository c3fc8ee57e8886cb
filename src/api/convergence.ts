import {EVIDENCE_PATIENCE, type Evidence} from '../policy/evidence';
import type {UndampedDecrease} from '../solve/resolved_decrease';
import {RESOLUTION} from '../step/judge/resolution';
import type {StepReport} from '../step/step_report';

/**
 * How far a training on the same data in every step has come; see {@link
 * GramGaussNewton.convergence}.
 * @public
 */
export interface Convergence {
  /**
   * - `'converged'`: nothing is left to gain, as far as float32 can tell. Either `remaining` ≤
   *   1e-8, and so is the share that may be rounding. Or `remaining` ≤ 1e-4 after 20 judged steps
   *   that did not lower the loss by more than four units of float32, 2⁻²² of it, or after 20 that
   *   together lowered it by at most 1e-4 of it.
   * - `'stuck'`: further steps bring nothing, and the point is no minimum, or the optimizer cannot
   *   tell. Either `remaining` > 1e-4 (a kink) or is NaN (conjugate gradients) after 20 such steps;
   *   after 100 if the damping alone is in the way, and falls from step to step.
   *   Or rounding of the Jacobian may hide more than 1e-4 of the loss, since columns depend on each
   *   other: redundant parameters, also at a minimum, or parameters that have run away. Or a
   *   parameter has no effect, or has lost its effect: a change by its whole size changes the
   *   residuals by less than their rounding. Dependent columns and such parameters are only seen in
   *   normal equations that are summed in float64.
   * - `'improving'`: training may go on. It is also the status before the first step. Steps that
   *   are not judged (mini-batches) count for nothing.
   *
   * With the regularization `'bayesian'` the status is `'converged'` if the evidence has had no new
   * maximum for ten steps, and the weights are those of the maximum; else `'improving'`.
   */
  readonly status: 'improving' | 'converged' | 'stuck';
  /** The status in words. */
  readonly reason: string;
  /**
   * The share of the loss that is left to gain from the point at which the last step began: the
   * decrease that the quadratic model promises for a step without damping,
   *
   *     ½ gᵀ(JᵀHJ + 2ρ)⁻¹g / |L|        in [0, 1] for squares
   *
   * For squares it is cos² of the angle between the residuals and the plane that the model can move
   * them in, the square of the relative offset of Bates & Watts (1981). The share depends on no
   * unit, no damping and no step length. So it tells a minimum from a point at which training has
   * only become slow.
   *
   * Under policies that judge their steps, the share is 0 if it is below the rounding of the
   * float32 residuals. If the rows are no more than the parameters, then it stays near 1 until
   * everything is fitted. On mini-batches it says nothing of the other data.
   *
   * The share is NaN, which is neither above nor below any bound: before the first step, if the
   * system cannot be solved, after a step by conjugate gradients, in the Gram system with
   * regularizers, and if the Gram system promises less than a hundredth of all residuals with the
   * least damping that float32 allows.
   */
  readonly remaining: number;
}

/**
 * Shares of the loss that may be left to gain. The wanted share is about the digits of float32. The
 * accepted share counts after steps that bring nothing more, since the rounding of the model is
 * then in the way.
 */
const REMAINING = {wanted: 1e-8, accepted: 1e-4};

/** Judged steps in a row that do not lower the least loss, after which a training is at its end. */
const PATIENCE = 20;

/**
 * Factor of `PATIENCE` while the damping alone holds a training back: the last step promised next
 * to nothing of the decrease without damping, and its damping was the least so far.
 *
 * Measured: exponentials and powers that begin five times too steep come to a diagonal of JᵀHJ that
 * is 10¹⁶ times as small as at first. Their damping falls for 60 steps until it lets them go on.
 */
const HELD = 5;

/** Follows the losses of judged steps, and tells whether the training is at its end. */
export class Patience {
  private least = Infinity;
  private since = 0;
  /** The losses of the last judged steps, 20 at most. */
  private losses: readonly number[] = [];
  /** The least damping since then. */
  private damping = Infinity;
  /** The share of the loss that the last step promised; NaN if its damping does not fall. */
  private promised = NaN;

  /** The evidence of the last step; null without regularization `'bayesian'`. */
  private evidence: Evidence | null = null;

  /** Notes a step. A loss counts as lower if it is lower by more than float32 resolves. */
  note({loss, policy, evidence, status, damping, predictedDecrease}: StepReport): void {
    this.evidence = evidence;
    if (policy !== 'levenbergMarquardt' && policy !== 'evidenceDamping') {
      this.least = Infinity;
      this.since = 0;
      this.losses = [];
    } else if (this.least === Infinity || loss < this.least - RESOLUTION * Math.abs(this.least)) {
      this.least = loss;
      this.since = 0;
      this.damping = Infinity;
    } else {
      this.since++;
    }
    if (this.least < Infinity) {
      this.losses = [...this.losses.slice(1 - PATIENCE), loss];
    }
    const falls = damping <= this.damping && status !== 'rejected' && predictedDecrease !== null;
    this.promised = falls ? predictedDecrease / Math.abs(loss) : NaN;
    this.damping = Math.min(this.damping, damping);
  }

  /**
   * @param left shares of the loss. A share that is not known is NaN, and ends nothing by itself.
   */
  judge({known: remaining, hidden, hideable, lost}: UndampedDecrease): Convergence {
    const left = Number.isNaN(remaining) ? 'the share of the loss that is left to gain is not known' :
      `${remaining.toExponential(1)} of the loss is left to gain`;
    if (this.evidence !== null) {
      return {...ofEvidence(this.evidence), remaining};
    }
    const doubt = doubtOf(hideable, lost);
    // If the model promises more than float32 knows, then further steps may still lower the loss,
    // and their losses decide.
    if (remaining <= REMAINING.wanted && hidden <= REMAINING.wanted && (doubt === null || lost > 0)) {
      return doubt === null ? {status: 'converged', reason: `${left}, at most ${REMAINING.wanted}`, remaining} :
        {status: 'stuck', reason: `${left}, but ${doubt}`, remaining};
    }
    const [first, last] = [this.losses[0], this.losses.at(-1)!];
    const isSlow = this.losses.length === PATIENCE && first - last <= REMAINING.accepted * Math.abs(first) &&
      remaining <= REMAINING.accepted;
    const isHeld = remaining > REMAINING.accepted && this.promised <= REMAINING.accepted * remaining;
    const isOver = this.since >= (isHeld ? HELD : 1) * PATIENCE;
    if (!isOver && !isSlow) {
      return {status: 'improving', reason: left, remaining};
    }
    const reason = `${PATIENCE} steps have ${isOver ? 'not lowered the loss' : 'hardly lowered the loss'}; ${left}` +
      (doubt === null ? '' : `, but ${doubt}`);
    return {status: remaining <= REMAINING.accepted && doubt === null ? 'converged' : 'stuck', reason, remaining};
  }
}

/** Training with the regularization `'bayesian'` is at its end after the maximum. */
function ofEvidence({stepsSinceMaximum: since}: Evidence): Pick<Convergence, 'status' | 'reason'> {
  const reason = since === 0 ? 'the evidence is at its maximum so far' :
    `the evidence has had no new maximum for ${since} ${since === 1 ? 'step' : 'steps'}`;
  return since < EVIDENCE_PATIENCE ? {status: 'improving', reason} :
    {status: 'converged', reason: `${reason}; the weights are those of the maximum`};
}

/**
 * The reason to doubt that a point with nothing left to gain is a minimum; null without a doubt.
 */
function doubtOf(hideable: number, lost: number): string | null {
  if (lost > 0) {
    const parameters = lost === 1 ? 'a parameter has' : `${lost} parameters have`;
    return `${parameters} no effect on the loss, which is flat there. Start nearer, or write the model with other ` +
        'parameters';
  }
  return hideable <= REMAINING.accepted ? null :
    'rounding hides directions, since columns of the Jacobian depend on each other: parameters are redundant, or ' +
        'have run away';
}
