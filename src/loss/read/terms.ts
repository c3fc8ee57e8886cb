import type {Tensor} from '@tensorflow/tfjs-core';
import type {RowBlock} from '../functions/row_block';
import type {OutputLoss} from '../functions/output_loss';
import type {LogProbability} from './log_probability';

/** A coefficient of the loss: one number for all elements of a value, or a tensor of its shape. */
export type Weight = number | Tensor;

/** The loss as Σ w_i r_i² over rows + functions of outputs + Σ ρ_v |v|² + what is linear in outputs + whatever else depends on the weights alone. */
export interface LossHead {
  /** Residual rows r and their weights w. */
  readonly squares: readonly WeightedSquare[];
  /** What depends on data and is no sum of squares. */
  readonly losses: readonly OutputLoss[];
  /** ρ by index of the variable: L2 regularizers. */
  readonly ridge: ReadonlyMap<number, number>;
  /** Cotangents that give, by a reverse sweep, the gradient of everything that is not a row (ridge included). */
  readonly extra: ReadonlyMap<number, Tensor>;
  /** The squares of `ridge`, as they stand in the loss: Σ w_i r_i². */
  readonly penalties: ReadonlyArray<WeightedSquare>;
  /** What else depends on the weights alone, and terms that are linear in outputs beside others that curve: as they stand in the loss, Σ w_i x_i of values x. */
  readonly others: ReadonlyArray<readonly [number, Weight]>;
  /** Monotone functions of sums of squares, as they stand in the loss, see `functions_of_sums.ts`. Their squares are among the others, with f' in their weights. */
  readonly functions: ReadonlyArray<readonly [number, Weight]>;
}

/** Σ w_i r_i² with the values r of a block. */
export interface WeightedSquare {
  readonly block: RowBlock;
  readonly weight: Weight;
  /** The part of the weight that functions of sums have: by their derivative, at the weights of the network. */
  readonly inner: Weight;
}

/** A term of the loss that is no square: weight times a value, or times log p of some logits. */
export interface OtherTerm {
  readonly value: number;
  readonly weight: Weight;
  readonly log: LogProbability | null;
}

/** Thrown when a term of the loss (made by `kernel`) is no square, no function of outputs without variables behind them, and no regularizer. */
export class UnknownTerm extends Error {
  constructor(readonly kernel: string) {
    super(kernel);
  }
}

/** Squares of the loss, uniformly or entry by entry weighted. */
export interface Square {
  /** Value that holds the squares. */
  readonly value: number;
  readonly block: RowBlock;
  /** Values whose squares (or the square of whose difference) it is: equal for equal squares. */
  readonly of: readonly number[];
  weight: Weight;
  inner: Weight;
}
