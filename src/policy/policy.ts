import type {Scaling} from '../solve/scaling';
import {SHARE, NOT_NEGATIVE, BELOW_ONE, type RangesOf, type Range} from './ranges';

/** The settings of a step that a policy chooses; see {@link GgnOptions} for each. */
export interface Settings {
  /** Learning rate η: the weights change by η d. */
  readonly learningRate: number;
  /** Relative damping τ. */
  readonly damping: number;
  /** Momentum μ. */
  readonly momentum: number;
}

/** Facts of a batch that a policy sees before the step is solved. */
export interface Observation {
  /**
   * a = -⟨z, SᵀJ d_prev⟩ / (|z| |SᵀJ d_prev|) in [-1, 1]. By the rows of this batch, the last step
   * should have been longer if a > 0, and shorter if a < 0. null if there is no last step.
   */
  readonly agreement: number | null;
  /** Examples in the batch. */
  readonly examples: number;
  /**
   * h ≥ 1: the largest curvature that the loss can have in these rows over the present one,
   * trace(SᵀGS). Cross-entropies have one, since their curvature goes to zero as they fit. null for
   * losses with a constant curvature, as squares have.
   */
  readonly headroom?: number | null;
  /**
   * Whether the loss is one of residuals: squares, absolute errors, Huber's loss. Default true.
   * Others are cross-entropies, and likelihoods with an output that is no error.
   */
  readonly areResiduals?: boolean;
  /**
   * For squares: the loss of this batch, and the loss it would have if a constant were added to
   * each output that fits the batch best. null for other losses.
   */
  readonly squares?: {readonly loss: number; readonly spread: number} | null;
  /**
   * Whether the data are new. A full batch repeats itself, and says nothing of noise. Default true.
   */
  readonly isNew?: boolean;
}

/**
 * Squares are losses whose rows are residuals. Likelihoods have a term of outputs that are no
 * residuals, and no cross-entropy. Others are cross-entropies, absolute errors, Huber's loss.
 */
export type LossKind = 'squares' | 'likelihood' | 'other';

/**
 * The relative damping that the evidence of the rows asks for, after one step of its iteration from
 * another; null if the step has no evidence. See `evidenceIteration`.
 */
export type EvidenceAt = (damping: number) => number | null;

/**
 * A policy sets learning rate, damping and momentum from step to step. It has a state of plain
 * numbers, and pure functions of that state. So the state can be saved with the optimizer, and put
 * back after a step that failed, and the policy can be tested without tfjs.
 */
export interface Policy<State> {
  /** The state before the first step. */
  readonly initial: State;
  /** The values that the state may have; a saved state is checked against them. */
  readonly ranges: RangesOf<State>;
  /** Whether a step is judged by its gain ratio, which takes a forward pass. */
  readonly judges: boolean;
  /**
   * Whether a step that does not decrease the loss is rejected. It is solved again while attempts
   * are left, and otherwise not taken.
   */
  readonly rejects: boolean;
  /** Attempts of one step, at most. */
  readonly attempts: number;
  /** The settings of the coming attempt. */
  settings(state: State): Settings;
  /** κ of the coming attempt, if the option `weightDecay` is `'auto'`. Without it, κ = 0. */
  weightDecay?(state: State): number;
  /** The state once the metric of the damping is known. It changes before the first step only. */
  begin?(state: State, scaling: Scaling): State;
  /** Share of d_prev that stays in a step: d_prev ← carry · d_prev + d. Without it, d_prev ← d. */
  readonly carry?: number;
  /** The state at the beginning of a step. */
  observe?(state: State, observation: Observation): State;
  /** The state once the evidence of the rows is known, before the first attempt. */
  estimate?(state: State, at: EvidenceAt): State;
  /**
   * Whether the coming step is guarded: a forward pass compares the loss at w + s with the
   * quadratic model, and the step is rejected if the model errs by more than its own size, see
   * `trustIn`.
   */
  guards?(state: State, kind: LossKind): boolean;
  /** The state after a guarded attempt was accepted (trust above 0) or rejected. */
  trust?(state: State, trust: number): State;
  /** The state after an attempt was accepted (gain ratio above 0) or rejected. */
  judge?(state: State, gainRatio: number): State;
  /** The state after a step was taken unjudged, since it promised less than the loss resolves. */
  unresolved?(state: State): State;
  /** The state after a solve took more damping than asked: that damping. */
  raise?(state: State, damping: number): State;
}

/** Ranges of the settings of a step. */
export const SETTINGS: Record<keyof Settings, Range> =
  {learningRate: SHARE, damping: NOT_NEGATIVE, momentum: BELOW_ONE};
