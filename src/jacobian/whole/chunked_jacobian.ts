import {concat, getBackend, slice, tidy} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import type {Trace} from '../../trace/trace';
import type {BatchJacobian} from '../sweep/batch_jacobian';
import {footprint} from '../plan/footprint';
import type {JacobianOperator, PieceOperator, Piece, BatchPiece, Linearized} from './operator';
import {add} from '../../tfjs/fast_ops';
import {isJoint, jointLinearize} from '../sweep/joint_linearize';
import {linearize} from '../sweep/linearize';
import {blockFloats, checkLeast, inScope, mayBeWhole, mayKeep} from '../../tfjs/memory';
import type {Plan} from '../plan/plan';
import {SubBatches} from '../sweep/sub_batch';

/** Rows in a chunk. Products with a thousand run at full speed already, and what is made of them stays at some ten megabytes. */
const CHUNK_ROWS = 1024;

/** The same of dense rows where a kernel costs 50 microseconds before it begins. */
const CHUNK_ROWS_NATIVE = 2560;

/**
 * The rows of a batch in chunks of examples that are linearized one after the other; null where they are few enough to be one, or cannot be cut.
 *
 * @param width m, where dense rows are wanted; 0 where only products are.
 */
export function piecesOf(trace: Trace, plan: Plan, width: number): BatchPiece[] | null {
  const {analysis: {batch}, components} = plan;
  // The Gram matrix of a chunk is a block, too.
  const most = width > 0 && getBackend() === 'tensorflow' ? CHUNK_ROWS_NATIVE : CHUNK_ROWS;
  const rows = Math.min(most, Math.max(1, Math.floor(Math.min(Math.sqrt(blockFloats()), blockFloats() / Math.max(1, width)))));
  return piecesWithin(trace, plan, Math.ceil(batch * components / rows));
}

/**
 * The rows of a batch in pieces of as many examples as the memory allows to linearize at once; null where that is the whole batch, or it cannot be cut.
 *
 * @param least pieces at least.
 * @throws where one example, or the batch that cannot be cut, takes more than the limit.
 */
export function piecesWithin(trace: Trace, plan: Plan, least = 1): BatchPiece[] | null {
  const {batch} = plan.analysis;
  const floats = footprint(trace, plan);
  const count = Math.min(batch, mayBeWhole(floats.most / least) ? least : Math.max(least, Math.ceil(floats.most / (2 * blockFloats()))));
  const pieces = cutInto(count, trace, plan, floats.most / batch);
  checkLeast(pieces === null ? floats.least : floats.least / batch);
  return pieces;
}

function cutInto(count: number, trace: Trace, plan: Plan, perExample: number): BatchPiece[] | null {
  const {batch} = plan.analysis;
  const cut = count > 1 ? SubBatches.of(trace, plan) : null;
  return cut === null ? null : Array.from({length: count}, (_, i) => {
    const [from, to] = [i, i + 1].map(k => Math.floor(k * batch / count));
    return new Chunk(cut, plan, from, to, perExample);
  });
}

/** The examples from..to-1 of a batch. */
class Chunk implements BatchPiece {
  readonly rows: number;

  /** @param perExample floats that the linearization of an example may take. */
  constructor(private readonly cut: SubBatches, private readonly plan: Plan, private readonly from: number, private readonly to: number, private readonly perExample: number) {
    this.rows = (to - from) * plan.components;
  }

  linearize(): Linearized {
    const part = this.cut.take(this.from, this.to);
    return {...part, jacobian: isJoint(this.plan) ? jointLinearize(this.cut, part) : linearize(part.trace, part.plan)};
  }

  head(rows: number): Piece {
    return new Chunk(this.cut, this.plan, this.from, Math.min(this.to, this.from + Math.max(1, Math.floor(rows / this.plan.components))), this.perExample);
  }

  joined(next: Piece): Piece | null {
    const {cut, plan, from, to, perExample} = this;
    return next instanceof Chunk && next.cut === cut && next.from === to && mayBeWhole((next.to - from) * perExample) ? new Chunk(cut, plan, from, next.to, perExample) : null;
  }
}

/** What is linearized already. */
export function linearizedPiece<J extends PieceOperator>(linearized: Linearized<J>): BatchPiece<J> {
  const piece: BatchPiece<J> = {rows: linearized.jacobian.rows, linearize: () => linearized, head: () => piece, joined: () => null};
  return piece;
}

/** Rows of a piece that is held: products take fewer kernels then, which on devices and tfjs-node cost more than their arithmetic. */
const HELD_ROWS = 8192;

/**
 * The rows with their linearizations held for the rest of the step, as many as may be kept: a product with those is the products of their uses alone. The others are
 * linearized anew for each product. The first piece is held in any case, and as it is.
 *
 * What is held are activations and cotangents, B in + B C out floats for each dense layer; it belongs to the caller's scope.
 */
export function heldPieces<J extends PieceOperator>(pieces: ReadonlyArray<Piece<J>>): Array<Piece<J>> {
  const first = held(pieces[0]);
  mayKeep(floatsOf(first));
  return [first, ...heldWhereMay(joinedPieces(pieces.slice(1), Math.min(HELD_ROWS, blockFloats() * first.rows / floatsOf(first))), floatsOf(first) / first.rows)];
}

/**
 * The pieces as they are, those held that may be kept.
 *
 * @param perRow floats that a row is expected to take; by default what the first piece says.
 */
export function heldWhereMay<J extends PieceOperator>(pieces: ReadonlyArray<Piece<J>>, perRow = 0): Array<Piece<J>> {
  return pieces.map(piece => {
    if (!mayKeep(perRow * piece.rows)) {
      return piece;
    }
    const kept = held(piece);
    perRow = floatsOf(kept) / kept.rows;
    return kept;
  });
}

const held = <J extends PieceOperator>(piece: Piece<J>): Piece<J> => linearizedPiece(inScope(() => piece.linearize(), ({jacobian}) => jacobian.tensors));

function floatsOf<J extends PieceOperator>(piece: Piece<J>): number {
  const sizes = new Map(piece.linearize().jacobian.tensors.map(t => [t.dataId, t.size]));
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

/** Neighbours as one, up to this many rows. */
function joinedPieces<J extends PieceOperator>(pieces: ReadonlyArray<Piece<J>>, rows: number): Array<Piece<J>> {
  const joined: Array<Piece<J>> = [];
  for (const piece of pieces) {
    const last = joined.pop();
    const both = last === undefined || last.rows + piece.rows > rows ? null : last.joined(piece);
    joined.push(...both !== null ? [both] : last === undefined ? [piece] : [last, piece]);
  }
  return joined;
}

/** J as an operator that holds one piece at a time, beside those that are held anyway. Every product linearizes the others anew. */
export class ChunkedJacobian<J extends PieceOperator = BatchJacobian> implements JacobianOperator {
  readonly rows: number;

  constructor(readonly pieces: ReadonlyArray<Piece<J>>) {
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
  forEach(visit: (part: J, from: number) => void): void {
    let from = 0;
    for (const piece of this.pieces) {
      inScope(() => visit(piece.linearize().jacobian, from));
      from += piece.rows;
    }
  }
}
