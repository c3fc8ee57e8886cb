import type {Tensor} from '@tensorflow/tfjs-core';
import {areFinite} from '../../arrays/elementwise';
import {ChunkedJacobian} from './chunked_jacobian';
import type {JacobianOperator, Piece, PieceOperator} from './operator';

/** Some rows of the Jacobian, dense, [n', m] over all variables. */
export interface DenseRows {
  /** The rows in float32, as a tensor of the caller's scope. Its entries may be NaN or infinite. */
  tensor(): Tensor;
  /**
   * The rows read from the backend, row-major.
   *
   * @throws if an entry is NaN or infinite.
   */
  read(): Float32Array | Float64Array;
}

/** Shows the dense rows of J chunk by chunk: `count` rows from row `from` on. */
export type ForEachRows = (visit: (rows: DenseRows, from: number, count: number) => void) => void;

/**
 * The Jacobian J [n, m] of a step in the forms that the systems take. A form is made when a system
 * asks for it, so that a system pays for no form but its own.
 */
export interface Linearization {
  /** J as an operator. */
  readonly jacobian: JacobianOperator;
  /** J as operators on some of the rows each, for conjugate gradients. */
  readonly pieces: ReadonlyArray<Piece<PieceOperator>>;
  /**
   * Σ J_v J_vᵀ for the Gram system, by part of ρ, each n x n in float64, made by the first call.
   * Only the lower triangles count: a backend may add up an entry above the diagonal in another
   * order than its mirror image.
   */
  grams(): readonly Float64Array[];
  /** The rows of J for the normal equations, in chunks that are made one after the other. */
  forEachRows: ForEachRows;
  /** The error that says why a product with J is not finite though the vector is finite. */
  notFinite(): Error;
}

/** The rows of a step in pieces. */
export class RowsLinearization implements Linearization {
  readonly grams: () => readonly Float64Array[];

  /**
   * @param jacobian all pieces together.
   * @param readGrams reads the Gram matrices from the backend.
   */
  constructor(readonly jacobian: JacobianOperator, readonly pieces: readonly Piece[],
      readGrams: () => readonly Float64Array[], readonly notFinite: () => Error) {
    this.grams = once(readGrams);
  }

  readonly forEachRows: ForEachRows = visit => new ChunkedJacobian(this.pieces).forEach((part, from) => {
    const tensor = once(() => part.dense());
    const read = (): Float32Array => {
      const entries = tensor().dataSync() as Float32Array;
      if (!areFinite(entries)) {
        throw this.notFinite();
      }
      return entries;
    };
    visit({tensor, read}, from, part.rows);
  });
}

/** A function that calls f the first time and keeps its result. */
export function once<T extends object>(f: () => T): () => T {
  let known: T | undefined;
  return () => known ??= f();
}
