import {fill, tidy, type Tensor} from '@tensorflow/tfjs-core';
import type {BatchRows} from '../sweep/batch_jacobian';
import {ChunkedJacobian} from './chunked_jacobian';
import {crossGrams} from './cross_gram';
import {transposed} from '../../tfjs/fast_ops';
import {inScope} from '../../tfjs/memory';
import type {Jacobian, Piece} from './operator';

/**
 * Floats that the Gram matrix of stacked pieces takes while its blocks are joined: the blocks on
 * and below the diagonal, their transposes, all columns of each piece, and all rows. The transpose
 * of a row has the data of the row.
 *
 * @param sizes rows of the pieces.
 */
export function stackedFloats(sizes: readonly number[]): number {
  const total = (all: readonly number[]): number => all.reduce((sum, size) => sum + size, 0);
  const squares = (all: readonly number[]): number => total(all.map(size => size ** 2));
  const long = sizes.filter(size => size > 1);
  return 2 * total(sizes) ** 2 + (total(sizes) ** 2 + squares(sizes)) / 2 + (total(long) ** 2 - squares(long)) / 2;
}

/** The products of stacked pieces with themselves and with pieces before them. */
interface StackedProducts<J> {
  /** Number of matrices over the rows that the products are blocks of. */
  readonly matrices: number;
  readonly diagonal: (own: J) => unknown;
  readonly below: (own: J, other: J) => unknown;
}

/**
 * Takes the memory of symmetric matrices over the rows of stacked pieces, in a rehearsal that has
 * two of the pieces: the products of the last piece, beside the blocks of the pieces before it;
 * then the joining of the blocks.
 *
 * @param sizes rows and columns of the blocks, by piece.
 * @param taken the first piece, and another that stands for the last.
 */
export function rehearseStack<J extends BatchRows>(sizes: readonly number[], [first, last]: ReadonlyArray<Piece<J>>,
    {matrices, diagonal, below}: StackedProducts<J>): void {
  let [n, entries] = [0, 0];
  for (const size of sizes.slice(0, -1)) {
    n += size;
    entries += size * n;
  }
  const size = sizes.at(-1)!;
  inScope(() => {
    fill([matrices * entries], 0);
    const {jacobian} = last.linearize();
    inScope(() => {
      fill([matrices * size * (n - sizes[0])], 0);
      below(jacobian, first.linearize().jacobian);
    });
    fill([matrices * size * n], 0);
    diagonal(jacobian);
  });
  inScope(() => void fill([matrices * stackedFloats(sizes)], 0));
}

/**
 * Batches of different numbers of examples, one above the other: J = [J_1; J_2; ...], in the same
 * variables.
 *
 *     J Jᵀ = [J_p J_qᵀ]_pq      p = q: the Gram matrix of the batch;  p ≠ q: variable by variable,
 *     J_p J_qᵀ = (a a'ᵀ) ∘ (δ δ'ᵀ)      for a matrix that both batches use once;
 *                                       otherwise by pairs of positions or from dense rows
 *
 * If the batches are pieces of one batch, they are linearized when they are asked for. Two of them
 * at most exist at a time, beside the pieces that are held.
 */
export class StackedJacobian<J extends BatchRows = BatchRows> extends ChunkedJacobian<J> implements Jacobian {
  /** Gram matrices Σ_v J_v J_vᵀ over the variables of each part of ρ, each [n, n]. */
  gram(partOf: readonly number[]): Tensor[] {
    return tidy(() => {
      const blocks = this.blocksOf(own => own.gram(partOf), (own, other) => crossGrams(own, other, partOf));
      return blocks[0][0].map((_, g) => this.joinRows(blocks.map((_, p) =>
        this.joinColumns(blocks.map((_, q) => q <= p ? blocks[p][q][g] : transposed(blocks[q][p][g]))))));
    });
  }

  /** The dense Jacobian [n, m]: for small problems and tests. */
  dense(): Tensor {
    return tidy(() => this.joinRows(this.pieces.map(piece =>
      inScope(() => piece.linearize().jacobian.dense(), rows => [rows]))));
  }

  /**
   * The blocks of a symmetric matrix over the rows, by piece p, then by piece q ≤ p: the blocks
   * above the diagonal are their transposes.
   */
  protected blocksOf(diagonal: (own: J) => Tensor[], below: (own: J, other: J) => Tensor[]): Tensor[][][] {
    return this.pieces.map((piece, p) => inScope(() => {
      const {jacobian} = piece.linearize();
      const before = this.pieces.slice(0, p);
      return [...before.map(other => inScope(() => below(jacobian, other.linearize().jacobian), made => made)),
        diagonal(jacobian)];
    }, made => made.flat()));
  }
}
