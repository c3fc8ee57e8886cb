import type {Tensor} from '@tensorflow/tfjs-core';
import type {RowBlock} from '../functions/row_block';
import type {OutputTerm} from '../functions/output_term';
import type {LogProbability} from './log_probability';

/** A coefficient of the loss: one number for all elements of a value, or a tensor of its shape. */
export type Weight = number | Tensor;

/**
 * The terms of a loss: Σ w_i r_i² over rows + functions of outputs + Σ ρ_v |v|² + terms that are
 * linear in outputs + all other functions of the weights alone.
 */
export interface LossHead {
  /** Squares of the residual rows r and their weights w. */
  readonly squares: readonly WeightedSquare[];
  /** Terms that depend on data and are no sums of squares. */
  readonly outputTerms: readonly OutputTerm[];
  /** ρ of the L2 regularizers: index of the variable -> ρ. */
  readonly ridge: ReadonlyMap<number, number>;
  /**
   * Cotangents by value index. A reverse sweep from them gives the gradient of all terms that are
   * no rows (ridge included).
   */
  readonly extra: ReadonlyMap<number, Tensor>;
  /** The squares of `ridge`, as they stand in the loss: Σ w_i r_i². */
  readonly penalties: readonly WeightedSquare[];
  /**
   * Σ w_i x_i of values x, as they stand in the loss: other functions of the weights alone, and
   * terms that are linear in outputs beside others that curve.
   */
  readonly others: ReadonlyArray<readonly [number, Weight]>;
  /**
   * Monotone functions of sums of squares, as they stand in the loss, see `FunctionsOfSums`. Their
   * squares are among `squares` and `penalties`, with f' in their weights.
   */
  readonly functions: ReadonlyArray<readonly [number, Weight]>;
}

/** Σ w_i r_i² with the values r of a block. */
interface WeightedSquare {
  readonly block: RowBlock;
  readonly weight: Weight;
  /**
   * The part of the weight that functions of sums contribute by their derivative, at the weights of
   * the network.
   */
  readonly inner: Weight;
}

/** A term of the loss that is no square: weight times a value, or times log p of some logits. */
export interface OtherTerm {
  readonly value: number;
  readonly weight: Weight;
  readonly log: LogProbability | null;
}

/**
 * Thrown for a term of the loss that is no square, no function of outputs without variables behind
 * them, and no regularizer. `kernel` made the term.
 */
export class UnknownTerm extends Error {
  constructor(readonly kernel: string) {
    super(kernel);
  }
}

/** Squares of the loss, with one weight or a weight for each entry. */
export interface Square {
  /** Value that holds the squares. */
  readonly value: number;
  readonly block: RowBlock;
  /**
   * The value that is squared, or the two values whose difference is. Equal squares have equal
   * `of`.
   */
  readonly of: readonly number[];
  weight: Weight;
  inner: Weight;
}
