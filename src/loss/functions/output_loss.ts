import type {Tensor} from '@tensorflow/tfjs-core';
import type {RowBlock} from './row_block';

/** A part of the loss that is a function of outputs of the network and not a sum of squares, with all its weights and means inside. */
export type OutputLoss = SoftmaxLoss | SigmoidLoss | FunctionLoss;

/** Σ y_i (logsumexp(f) - f_i) over the last axis of the logits f. */
export interface SoftmaxLoss {
  readonly kind: 'softmax';
  readonly blocks: readonly [RowBlock];
  /** K. */
  readonly classes: number;
  /** y, weights included; of the size of the logits. */
  readonly target: Float64Array;
}

/** Σ a_i softplus(f_i) - y_i f_i: binary cross-entropy of logits, with a = weight and y = weight · target. */
export interface SigmoidLoss {
  readonly kind: 'sigmoid';
  readonly blocks: readonly [RowBlock];
  readonly weight: Float64Array;
  readonly target: Float64Array;
}

/** Any other: Σ_t <weight_t, value_t> of values that the trace computes from the outputs, with data and constants only. */
export interface FunctionLoss {
  readonly kind: 'function';
  readonly blocks: readonly RowBlock[];
  readonly terms: ReadonlyArray<readonly [number, Tensor]>;
  /** Terms that are linear in the same outputs and count beside this loss: together they may fall without end. */
  readonly beside: ReadonlyArray<readonly [number, Tensor]>;
  /** Whether the outputs are residuals: what the loss would have at 0, so that the majorizing curvature l'(r)/r is one. */
  readonly isResidual: boolean;
  /** Where these residuals are read, in the order of the outputs, if they are the outputs but for their sign and for data that are added; null where they are the outputs. */
  readonly residual: RowBlock | null;
  /** Whether the outputs are logits, of a cross-entropy among the terms: then their unit is known. */
  readonly areLogits: boolean;
}

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
