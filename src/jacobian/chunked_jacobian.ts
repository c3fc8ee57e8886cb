import {concat, slice, tidy} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import type {Trace} from '../capture/trace';
import type {BatchJacobian} from './batch_jacobian';
import type {JacobianOperator} from './frozen_statistics';
import {add} from './kernels';
import {linearize} from './linearize';
import {blockFloats, inScope, mayKeep} from './memory';
import type {Plan} from './plan';
import {SubBatches} from './sub_batch';

/** Some rows of J, one behind the other. */
export interface Piece {
  readonly rows: number;
  /** Linearizes them; what it makes belongs to the caller's scope. */
  linearize(): Linearized;
}

export interface Linearized {
  readonly trace: Trace;
  readonly plan: Plan;
  readonly jacobian: BatchJacobian;
}

/** Rows in a chunk. Products with a thousand run at full speed already, and what is made of them stays at some ten megabytes. */
const CHUNK_ROWS = 1024;

/**
 * The rows of a batch in chunks of examples that are linearized one after the other; null where they are few enough to be one, or cannot be cut.
 *
 * @param width m, where dense rows are wanted; 0 where only products are.
 */
export function piecesOf(trace: Trace, plan: Plan, width: number): Piece[] | null {
  const {analysis: {batch}, components} = plan;
  const rows = Math.min(CHUNK_ROWS, Math.max(1, Math.floor(blockFloats() / Math.max(1, width))));
  const count = Math.min(batch, Math.ceil(batch * components / rows));
  const cut = count > 1 ? SubBatches.of(trace, plan) : null;
  return cut === null ? null : Array.from({length: count}, (_, i): Piece => {
    const [from, to] = [i, i + 1].map(k => Math.floor(k * batch / count));
    return {rows: (to - from) * components, linearize: () => {
      const part = cut.take(from, to);
      return {...part, jacobian: linearize(part.trace, part.plan)};
    }};
  });
}

/**
 * The pieces with their linearizations held for the rest of the step, as many as may be kept: a product with those is the products of their uses alone. The others are
 * linearized anew for each product. The first is held in any case.
 *
 * What is held are activations and cotangents, B in + B C out floats for each dense layer; it belongs to the caller's scope.
 */
export function heldPieces(pieces: readonly Piece[]): Piece[] {
  let perRow: number | null = null;
  return pieces.map((piece): Piece => {
    if (perRow !== null && !mayKeep(perRow * piece.rows)) {
      return piece;
    }
    const held = inScope(() => piece.linearize(), ({jacobian}) => jacobian.tensors);
    const floats = [...new Map(held.jacobian.tensors.map(t => [t.dataId, t.size])).values()].reduce((sum, size) => sum + size, 0);
    if (perRow === null) {
      mayKeep(floats);
    }
    perRow = floats / piece.rows;
    return {rows: piece.rows, linearize: () => held};
  });
}

/** J as an operator that holds one piece at a time, beside those that are held anyway. Every product linearizes the others anew. */
export class ChunkedJacobian implements JacobianOperator {
  readonly rows: number;

  constructor(readonly pieces: readonly Piece[]) {
    this.rows = pieces.reduce((rows, piece) => rows + piece.rows, 0);
  }

  /** J d, shape [n]; d by variable, null for no change. */
  apply(d: ReadonlyArray<Tensor | null>): Tensor {
    return tidy(() => concat(this.pieces.map(piece => inScope(() => piece.linearize().jacobian.apply(d), change => [change]))));
  }

  /** Jᵀ u for u of shape [n]: by variable, of the variable's shape; null where a variable is not wanted or not used. */
  applyTranspose(u: Tensor, wanted: (variable: number) => boolean = () => true): Array<Tensor | null> {
    let from = 0;
    let sums: Array<Tensor | null> = [];
    for (const piece of this.pieces) {
      const own = slice(u, [from], [piece.rows]);
      from += piece.rows;
      const before = sums;
      sums = inScope(() => piece.linearize().jacobian.applyTranspose(own, wanted).map((part, v) => {
        const sum = before[v] ?? null;
        return part === null || sum === null ? part ?? sum : add(sum, part);
      }), result => result.filter(t => t !== null));
      own.dispose();
      before.forEach((sum, v) => sum !== sums[v] && sum?.dispose());
    }
    return sums;
  }

  /** Shows the pieces one after the other, each with its first row. */
  forEach(visit: (part: BatchJacobian, from: number) => void): void {
    let from = 0;
    for (const piece of this.pieces) {
      inScope(() => visit(piece.linearize().jacobian, from));
      from += piece.rows;
    }
  }
}
