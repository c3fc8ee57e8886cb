import type {CurvatureRoot} from '../../solve/curvature_root';

/**
 * Curvature used in place of the second derivative, see {@link StepReport.curvature}.
 * @public
 */
export type Curvature = 'exact' | 'projected' | 'majorized' | 'unbounded';

/**
 * The derivatives of a term of the loss in its outputs, in the order (example, component): B
 * examples with C components each.
 */
export interface LossDerivatives {
  /** q (B·C). */
  readonly q: Float64Array;
  /**
   * S with H = S Sᵀ: the diagonal of S (B·C), or its k x k blocks, one after the other (B·C·k,
   * row-major).
   */
  readonly root: {readonly diagonal: Float64Array} | {readonly blocks: Float64Array; readonly k: number};
  readonly curvature: Curvature;
  /**
   * The largest diagonal entry of H in each row over all values of the outputs (B·C). It is given
   * only if H vanishes far from the minimum.
   */
  readonly most?: Float64Array;
}

/**
 * A function of outputs with derivatives in closed form. `Term` holds its weights and targets. An
 * output whose weight and target are 0 lies behind a mask: it may be NaN, and adds 0.
 */
export interface ClosedForm<Term> {
  /**
   * Whether the outputs are logits. If so, their unit is known, and the trace clips their
   * probabilities, which the closed form does not.
   */
  readonly areLogits: boolean;
  /** Whether S has a block for each example; else S is diagonal. */
  readonly couples: boolean;
  /** q and S at the outputs f. */
  derivatives(term: Term, f: ArrayLike<number>): LossDerivatives;
  /** L(f) - L(f̃), in float64. */
  decrease(term: Term, before: ArrayLike<number>, after: ArrayLike<number>): number;
}

/** Gradient and curvature of the loss in the n rows of a step: all that the solver needs of it. */
export interface OutputDerivatives {
  /** q = dL/dr (n). */
  readonly q: Float64Array;
  /** S with d²L/dr² = S Sᵀ (n x n). */
  readonly root: CurvatureRoot;
  /** z with q = S z (n); null if the inverse of S can be large, as behind a softmax. */
  readonly z: Float64Array | null;
  /** Number of distinct rows of weight above zero, see `countDistinct`. */
  readonly weighted: number;
  /**
   * The largest curvature that each row can reach (n), if its curvature goes to zero far from a
   * minimum: for cross-entropies a quarter of the weight. null if no curvature does so.
   */
  readonly most?: Float64Array | null;
}
