import {blockFloats, inScope, mayKeep} from '../../tfjs/memory';
import type {BatchPiece, Linearized, Piece, PieceOperator} from './operator';

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
