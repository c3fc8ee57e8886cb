import type {Tensor} from '@tensorflow/tfjs-core';
import type {RowBlock} from './row_block';
import type {ClosedForm} from './loss_derivatives';
import {sigmoidForm} from './sigmoid_cross_entropy';
import type {SigmoidLoss} from './sigmoid_cross_entropy';
import {softmaxForm} from './softmax_cross_entropy';
import type {SoftmaxLoss} from './softmax_cross_entropy';

/** A part of the loss with derivatives in closed form. */
export type ClosedLoss = SoftmaxLoss | SigmoidLoss;

/** The closed form of each kind of loss: a new loss of this kind is one row. */
const CLOSED_FORMS: {readonly [K in ClosedLoss['kind']]: ClosedForm<Extract<ClosedLoss, {kind: K}>>} = {
  softmax: softmaxForm,
  sigmoid: sigmoidForm,
};

/** The closed form of a loss. */
export const closedFormOf = (loss: ClosedLoss): ClosedForm<ClosedLoss> => CLOSED_FORMS[loss.kind];

/**
 * A part of the loss that is a function of outputs of the network and not a sum of squares. Its weights and means
 * are inside.
 */
export type OutputLoss = ClosedLoss | FunctionLoss;

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
