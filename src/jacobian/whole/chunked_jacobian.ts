import {concat, reshape, slice, tidy, type Tensor} from '@tensorflow/tfjs-core';
import type {BatchRows} from '../sweep/batch_jacobian';
import {plus} from '../../tfjs/accumulate';
import {shaped} from '../../tfjs/fast_ops';
import {inScope} from '../../tfjs/memory';
import type {JacobianOperator, Piece, PieceOperator} from './operator';

/**
 * J [n, m] as an operator that holds one piece at a time, beside the pieces that are held anyway.
 * Every product linearizes the other pieces anew.
 */
export class ChunkedJacobian<J extends PieceOperator = BatchRows> implements JacobianOperator {
  readonly rows: number;

  /**
   * @param examples B if each piece has some components of all examples; its rows are then spread
   * over the rows of J, example by example. 1 if the rows of the pieces lie one behind the other.
   */
  constructor(readonly pieces: ReadonlyArray<Piece<J>>, protected readonly examples = 1) {
    this.rows = pieces.reduce((rows, piece) => rows + piece.rows, 0);
  }

  /** J d, shape [n]; d by variable, null for no change. */
  apply(d: ReadonlyArray<Tensor | null>): Tensor {
    return tidy(() => this.joinRows(this.pieces.map(piece =>
      inScope(() => piece.linearize().jacobian.apply(d), change => [change]))));
  }

  /**
   * Jᵀ u for u of shape [n]: by variable, of the variable's shape; null if a variable is not wanted
   * or not used.
   */
  applyTranspose(u: Tensor, wanted: (variable: number) => boolean = () => true): Array<Tensor | null> {
    let from = 0;
    let sums: Array<Tensor | null> = [];
    for (const piece of this.pieces) {
      const own = this.entriesOf(u, from, piece.rows);
      from += piece.rows;
      const before = sums;
      sums = inScope(() => piece.linearize().jacobian.applyTranspose(own, wanted).map((part, v) => {
        const sum = before[v] ?? null;
        return part === null ? sum : plus(sum, part);
      }), result => result.filter(t => t !== null));
      own.dispose();
      before.forEach((sum, v) => sum !== sums[v] && sum?.dispose());
    }
    return sums;
  }

  /** Shows the pieces one after the other, each with its first row. */
  forEach(visit: (part: J, from: number) => void): void {
    let from = 0;
    for (const piece of this.pieces) {
      inScope(() => visit(piece.linearize().jacobian, from));
      from += piece.rows;
    }
  }

  /** The rows [n'] or [n', columns] of all pieces in the order of the rows of J. */
  protected joinRows(parts: readonly Tensor[]): Tensor {
    const {examples} = this;
    return examples === 1 ? concat([...parts], 0) :
      reshape(concat(parts.map(part => reshape(part, [examples, part.size / examples])), 1),
          [this.rows, ...parts[0].shape.slice(1)]);
  }

  /** The columns [rows, n'] of all pieces in the order of the rows of J. */
  protected joinColumns(parts: readonly Tensor[]): Tensor {
    const {examples} = this;
    const [rows] = parts[0].shape;
    return examples === 1 ? concat([...parts], 1) :
      reshape(concat(parts.map(part => reshape(part, [rows * examples, part.shape[1]! / examples])), 1),
          [rows, this.rows]);
  }

  /**
   * The entries of a vector [n] that belong to a piece; `from` rows belong to the pieces before.
   */
  private entriesOf(u: Tensor, from: number, rows: number): Tensor {
    const {examples} = this;
    return examples === 1 ? slice(u, [from], [rows]) :
      tidy(() => reshape(slice(shaped(u, [examples, this.rows / examples]), [0, from / examples],
          [examples, rows / examples]), [rows]));
  }
}
