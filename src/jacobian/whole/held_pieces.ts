import {fill, type Tensor} from '@tensorflow/tfjs-core';
import {linearizeByComponent} from '../sweep/linearize';
import {blockFloats, inScope, mayKeep, usedFloats} from '../../tfjs/memory';
import type {BatchPiece, Linearized, Piece, PieceOperator} from './operator';

const firstComponents = ({trace, plan}: Linearized<PieceOperator>): Piece['components'] =>
  count => linearizeByComponent(trace, plan, 0, count);

/**
 * Rows that are linearized already, as a piece.
 *
 * @param components see {@link Piece.components}; by default from the trace, which then outlives
 * the piece.
 */
export function linearizedPiece<J extends PieceOperator>(linearized: Linearized<J>,
    components = firstComponents(linearized)): BatchPiece<J> {
  const piece: BatchPiece<J> =
    {rows: linearized.jacobian.rows, isSwept: linearized.plan.products !== undefined, linearize: () => linearized,
      components, head: () => piece, joined: () => null};
  return piece;
}

/**
 * Rows of a piece that is held. Products with large pieces take fewer kernels, which on devices and
 * on tfjs-node cost more than their arithmetic.
 */
const HELD_ROWS = 8192;

/**
 * The rows in pieces, of which as many as may be kept are held: their linearizations last for the
 * rest of the step, and a product with them is a product with their uses alone. The other pieces
 * are linearized anew for each product. The first piece is held in any case, and is not joined to
 * others.
 *
 * A held piece is activations and cotangents, B in + B C out floats for each dense layer. Its
 * tensors belong to the caller's scope.
 */
export function heldPieces<J extends PieceOperator>(pieces: ReadonlyArray<Piece<J>>): Array<Piece<J>> {
  const {first, others, perRow} = heldFirst(pieces);
  return [first, ...heldWhereMay(others, perRow)];
}

/**
 * The pieces of `heldPieces` that a rehearsal runs: the first, the last, and the largest of the
 * pieces between them that may not be held. For each piece between them that may be held, a tensor
 * takes its memory.
 */
export function heldEnds<J extends PieceOperator>(pieces: ReadonlyArray<Piece<J>>): Array<Piece<J>> {
  const from = usedFloats();
  const {first, others, perRow} = heldFirst(pieces);
  const newPerRow = (usedFloats() - from) / first.rows;
  const open = others.slice(0, -1).filter(({rows}) => standIn(perRow * rows, newPerRow * rows) === null);
  const last = heldWhereMay(others.slice(-1), perRow);
  return [first, ...last, ...open.sort((a, b) => b.rows - a.rows).slice(0, 1)];
}

/** The first piece, held; the others, joined; and the floats that a row takes. */
function heldFirst<J extends PieceOperator>(pieces: ReadonlyArray<Piece<J>>):
    {first: Piece<J>; others: Array<Piece<J>>; perRow: number} {
  const first = held(pieces[0]);
  mayKeep(floatsOf(first));
  const perRow = floatsOf(first) / first.rows;
  return {first, perRow, others: joinedPieces(pieces.slice(1), Math.min(HELD_ROWS, blockFloats() / perRow))};
}

/**
 * Memory in the place of a piece, in a rehearsal; null if the piece may not be kept.
 *
 * @param floats of its tensors.
 * @param own those of them that it does not share with the trace.
 */
const standIn = (floats: number, own: number): Tensor | null => mayKeep(floats) ? fill([Math.floor(own)], 0) : null;

/**
 * The same pieces, of which those are held that may be kept.
 *
 * @param perRow floats that a row is expected to take; by default those of a row of the first
 * piece, which is linearized to see.
 */
export function heldWhereMay<J extends PieceOperator>(pieces: ReadonlyArray<Piece<J>>, perRow?: number):
    Array<Piece<J>> {
  return pieces.map(piece => {
    if (perRow !== undefined && !mayKeep(perRow * piece.rows)) {
      return piece;
    }
    let floats = 0;
    let isKept = perRow !== undefined;
    const linearized = inScope(() => piece.linearize(), ({jacobian: {tensors}}) => {
      floats = floatsIn(tensors);
      isKept ||= mayKeep(floats);
      return isKept ? tensors : [];
    });
    if (perRow === undefined && isKept) {
      mayKeep(floats);  // the end of the scope has forgotten that it was counted
    }
    perRow = floats / piece.rows;
    return isKept ? linearizedPiece(linearized, count => piece.components(count)) : piece;
  });
}

/**
 * Two of the pieces of a rehearsal, each held if it may be kept: the first, and one that stands for
 * the last of all pieces. If the first is held, memory is taken for the other pieces as far as
 * those may be kept, each with the floats of a row of the first.
 */
export function heldInRehearsal<J extends PieceOperator>(all: ReadonlyArray<Piece<J>>, last: Piece<J>):
    {readonly pieces: Array<Piece<J>>; readonly between: readonly Tensor[]} {
  const [first, ...others] = all;
  const from = usedFloats();
  const [before] = heldWhereMay([first]);
  if (before === first) {
    return {pieces: [first, last], between: []};
  }
  const [perRow, newPerRow] = [floatsOf(before), usedFloats() - from].map(floats => floats / first.rows);
  const between = others.filter(piece => piece !== last).map(({rows}) => standIn(perRow * rows, newPerRow * rows));
  return {pieces: [before, ...heldWhereMay([last], perRow)], between: between.filter(t => t !== null)};
}

const held = <J extends PieceOperator>(piece: Piece<J>): Piece<J> =>
  linearizedPiece(inScope(() => piece.linearize(), ({jacobian}) => jacobian.tensors), count => piece.components(count));

const floatsOf = <J extends PieceOperator>(piece: Piece<J>): number => floatsIn(piece.linearize().jacobian.tensors);

/** Floats of the data of some tensors. */
const floatsIn = (tensors: readonly Tensor[]): number =>
  [...new Map(tensors.map(t => [t.dataId, t.size])).values()].reduce((sum, size) => sum + size, 0);

/** Neighbouring pieces as one piece, up to this many rows. */
function joinedPieces<J extends PieceOperator>(pieces: ReadonlyArray<Piece<J>>, rows: number): Array<Piece<J>> {
  const joined: Array<Piece<J>> = [];
  for (const piece of pieces) {
    const last = joined.pop();
    const both = last === undefined || last.rows + piece.rows > rows ? null : last.joined(piece);
    joined.push(...both !== null ? [both] : last === undefined ? [piece] : [last, piece]);
  }
  return joined;
}
