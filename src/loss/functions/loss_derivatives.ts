/**
 * Curvature used in place of the second derivative, see {@link StepReport.curvature}.
 * @public
 */
export type Curvature = 'exact' | 'projected' | 'majorized' | 'unbounded';

/** The derivatives of a part of the loss in its outputs, ordered as these are (example, component). */
export interface LossDerivatives {
  /** q. */
  readonly q: Float64Array;
  /** S with H = S Sᵀ: its diagonal, or one k x k block after the other. */
  readonly root: {readonly diagonal: Float64Array} | {readonly blocks: Float64Array; readonly k: number};
  readonly curvature: Curvature;
  /** By row, what the curvature is at most, over all outputs; only where it vanishes far from the minimum. */
  readonly most?: Float64Array;
}

/** A function of outputs with derivatives in closed form; `loss` holds its weights and targets. */
export interface ClosedForm<Loss> {
  /** q and S at the outputs f. */
  derivatives(loss: Loss, f: ArrayLike<number>): LossDerivatives;
  /** L(f) - L(f̃), in float64. */
  decrease(loss: Loss, before: ArrayLike<number>, after: ArrayLike<number>): number;
}
