import type {SolveStatus} from './solve/damped_step';

/**
 * What one step did; see {@link GramGaussNewton.lastStep}.
 * @public
 */
export interface StepReport {
  /** Number of this step, counted from 1. */
  readonly iteration: number;
  /** The loss that f() returned, at the weights before the step; regularizers included. */
  readonly loss: number;
  /** Rows n of the batch Jacobian: examples times outputs. */
  readonly rows: number;
  /** Trained parameters m that the rows depend on. */
  readonly parameters: number;
  /** Relative damping τ that was used: the option, or more where `status` is `'raised'`. */
  readonly damping: number;
  /** Levenberg damping λ = τ · trace(SᵀGS) / min(n, m), in units of the loss. */
  readonly lambda: number;
  /** Euclidean norm of the gradient of the whole loss. */
  readonly gradientNorm: number;
  /** Euclidean norm of the change of the weights, learning rate included; 0 for a step not taken. */
  readonly stepNorm: number;
  /**
   * - `'ok'`: the step was taken as asked.
   * - `'raised'`: taken, with more damping than asked, since float32 does not resolve less.
   * - `'flat'`: not taken; no residual depends on the weights at this point (dead units, or every row has weight 0).
   * - `'breakdown'`: not taken; the Gram matrix could not be factored with any damping tried.
   * - `'precision'`: not taken; the step could not be computed accurately in float32. Use more damping.
   */
  readonly status: SolveStatus;
  /**
   * How the Jacobian was taken:
   *
   * - `'batch'`: exact, with one reverse sweep per output.
   * - `'rowByRow'`: exact, with one reverse sweep for every row of a term whose examples cannot be told apart. Slow.
   * - `'frozenStatistics'`: with the statistics of the batch (means, variances, ... over the examples, as batch normalisation takes
   *   them) held constant, since through them every output depends on every example; then changed by the least that makes the
   *   gradient exact, what flows through the statistics included.
   */
  readonly jacobian: 'batch' | 'rowByRow' | 'frozenStatistics';
  /** Milliseconds spent in each part of the step. */
  readonly milliseconds: {
    readonly capture: number;
    readonly linearize: number;
    readonly gram: number;
    readonly solve: number;
    readonly update: number;
  };
}
