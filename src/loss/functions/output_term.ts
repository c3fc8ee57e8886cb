import type {Tensor} from '@tensorflow/tfjs-core';
import type {RowBlock} from './row_block';
import type {ClosedForm} from './loss_derivatives';
import {sigmoidForm, type SigmoidTerm} from './sigmoid_cross_entropy';
import {softmaxForm, type SoftmaxTerm} from './softmax_cross_entropy';

/** A term of the loss whose derivatives have a closed form. */
export type ClosedTerm = SoftmaxTerm | SigmoidTerm;

/** The closed form of each kind of term. A new kind is one row of this table. */
const CLOSED_FORMS: {readonly [K in ClosedTerm['kind']]: ClosedForm<Extract<ClosedTerm, {kind: K}>>} = {
  softmax: softmaxForm,
  sigmoid: sigmoidForm,
};

/** The closed form of a term of some kind. */
export const closedFormOf = ({kind}: Pick<ClosedTerm, 'kind'>): ClosedForm<ClosedTerm> => CLOSED_FORMS[kind];

/**
 * A term of the loss that is a function of outputs of the network and not a sum of squares. It
 * holds its own weights, means included.
 */
export type OutputTerm = ClosedTerm | FunctionTerm;

/**
 * Whether the curvature of a term is known to couple the outputs of an example. The curvature of a
 * function without a closed form is not known before it is read.
 */
export const couplesOutputs = (term: OutputTerm): boolean => term.kind !== 'function' && closedFormOf(term).couples;

/**
 * A function of outputs without a closed form: Σ_t <weight_t, value_t>. The trace computes each
 * value from the outputs, data and constants only.
 */
export interface FunctionTerm {
  readonly kind: 'function';
  /** The outputs. */
  readonly blocks: readonly RowBlock[];
  /** (value_t, weight_t), the value by its index. */
  readonly terms: ReadonlyArray<readonly [number, Tensor]>;
  /**
   * Terms that are linear in the same outputs and not part of this function. The sum of both may
   * fall without end.
   */
  readonly beside: ReadonlyArray<readonly [number, Tensor]>;
  /**
   * Whether the outputs are residuals r: 0 is their target, and the majorizing curvature is
   * l'(r)/r.
   */
  readonly isResidual: boolean;
  /**
   * The block that holds the residuals, in the order of the outputs, if the outputs differ from
   * them by a sign and by added data. null if the outputs are the residuals themselves.
   */
  readonly residual: RowBlock | null;
  /**
   * Whether the outputs are logits of a cross-entropy among the terms. If so, their unit is known.
   */
  readonly areLogits: boolean;
}
