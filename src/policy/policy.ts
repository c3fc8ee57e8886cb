import type {Scaling} from '../solve/scaling';

/** What a policy sets of a step; see {@link GgnOptions} for each. */
export interface Settings {
  readonly learningRate: number;
  readonly damping: number;
  readonly momentum: number;
}

/** What is known of a step before it is solved. */
export interface Observation {
  /**
   * a = -⟨z, SᵀJ d_prev⟩ / (|z| |SᵀJ d_prev|) in [-1, 1]: whether the last step, judged by the rows of this batch, should have been
   * longer (a > 0) or shorter (a < 0). null where there is no last step.
   */
  readonly agreement: number | null;
  /** Examples in the batch. */
  readonly examples: number;
  /**
   * How many times the curvature of these rows, trace(SᵀGS), the loss can have at most: 1 and more for cross-entropies, whose curvature goes to zero as
   * they fit. null for losses that keep theirs, as squares do.
   */
  readonly headroom?: number | null;
}

/**
 * A policy sets learning rate, damping and momentum from step to step: a state of plain numbers, and pure functions of it. So it can be saved
 * with the optimizer, tested without tfjs, and put back after a step that failed.
 */
export interface Policy<State> {
  readonly initial: State;
  /** Whether a step is judged by its gain ratio, which costs a forward pass. */
  readonly judges: boolean;
  /** Whether a step that does not decrease the loss is rejected and solved again, and not taken in the end. */
  readonly rejects: boolean;
  /** Solves of one step at most. */
  readonly attempts: number;
  settings(state: State): Settings;
  /** The state of a first step, once the metric of its damping is known; others as they are. */
  begin?(state: State, scaling: Scaling): State;
  /** The state at the beginning of a step. */
  observe?(state: State, observation: Observation): State;
  /** The state after a step was accepted (gain ratio above 0) or rejected. */
  judge?(state: State, gainRatio: number): State;
  /** The state after a step that was taken though it could not be judged: it promised less than the loss resolves. */
  unresolved?(state: State): State;
  /** The state where a step had to be solved with more damping than asked. */
  raise?(state: State, damping: number): State;
}
