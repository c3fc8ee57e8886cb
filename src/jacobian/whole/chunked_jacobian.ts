import {concat, getBackend, slice, tidy} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import type {Trace} from '../../trace/trace';
import type {BatchRows} from '../sweep/batch_jacobian';
import {footprint} from '../plan/footprint';
import type {Footprint} from '../plan/footprint';
import {ComponentsJacobian} from './components_jacobian';
import type {JacobianOperator, PieceOperator, Piece, BatchPiece, Linearized} from './operator';
import {add} from '../../tfjs/fast_ops';
import {isJoint, jointLinearize} from '../sweep/joint_linearize';
import {linearize} from '../sweep/linearize';
import {blockFloats, checkLeast, inScope, mayBeWhole} from '../../tfjs/memory';
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
 * @throws where one example takes more than the limit, though its components are taken one by one.
 */
export function piecesWithin(trace: Trace, plan: Plan, least = 1): BatchPiece[] | null {
  const {batch} = plan.analysis;
  const floats = footprint(trace, plan);
  const count = Math.min(batch, mayBeWhole(floats.most / least) ? least : Math.max(least, Math.ceil(floats.most / (2 * blockFloats()))));
  const cut = count > 1 ? SubBatches.of(trace, plan) : null;
  if (cut === null) {
    return null;
  }
  checkLeast(Math.max(floats.kept / batch, floats.changes), () => '');
  const isWhole = count < batch || mayBeWhole(floats.most / batch);
  const parts = isWhole ? 1 : partsWithin(floats, plan.components, 1 / batch);
  return Array.from({length: count}, (_, i) => {
    const [from, to] = [i, i + 1].map(k => Math.floor(k * batch / count));
    return new Chunk(cut, plan, from, to, floats.most / batch, parts);
  });
}

/**
 * The rows of a batch of which no part of the examples can be taken, or need be; in parts of the components where the cotangents of all of them are too many.
 *
 * @throws where the cotangents of one component take more than the limit.
 */
export function linearizeWhole(trace: Trace, plan: Plan): BatchRows {
  const floats = footprint(trace, plan);
  const {components, forward} = plan;
  checkLeast(Math.max(floats.kept, floats.changes), () => {
    const obstacle = SubBatches.obstacle(trace, plan);
    return obstacle === null ? '' : `Its examples cannot be taken in parts: ${obstacle}. `;
  });
  const isWhole = forward !== undefined || mayBeWhole(2 * components * floats.kept + floats.swept);
  const parts = isWhole ? 1 : partsWithin(floats, components, 1);
  return parts === 1 ? linearize(trace, plan) : new ComponentsJacobian(trace, plan, parts, []);
}

/** In how many parts components are taken, each by sweeps of its own. @param share of the examples. */
function partsWithin({kept, swept}: Footprint, components: number, share: number): number {
  const together = Math.max(1, Math.floor((2 * blockFloats() - share * swept) / (2 * share * kept)));
  return Math.ceil(components / together);
}

/** The examples from..to-1 of a batch. */
class Chunk implements BatchPiece {
  readonly rows: number;

  /**
   * @param perExample floats that the linearization of an example may take.
   * @param parts of the components of an example.
   */
  constructor(private readonly cut: SubBatches, private readonly plan: Plan, private readonly from: number, private readonly to: number,
      private readonly perExample: number, private readonly parts: number) {
    this.rows = (to - from) * plan.components;
  }

  linearize(): Linearized {
    const {cut, plan, from, to, parts} = this;
    const part = cut.take(from, to);
    if (parts > 1) {
      return {...part, jacobian: new ComponentsJacobian(part.trace, part.plan, parts, part.trace.values.filter((_, value) => cut.has(value)))};
    }
    return {...part, jacobian: isJoint(plan) ? jointLinearize(cut, part) : linearize(part.trace, part.plan)};
  }

  head(rows: number): Piece {
    return new Chunk(this.cut, this.plan, this.from, Math.min(this.to, this.from + Math.max(1, Math.floor(rows / this.plan.components))), this.perExample, this.parts);
  }

  joined(next: Piece): Piece | null {
    const {cut, plan, from, to, perExample, parts} = this;
    const isOne = next instanceof Chunk && next.cut === cut && next.from === to && parts === 1 && mayBeWhole((next.to - from) * perExample);
    return isOne ? new Chunk(cut, plan, from, next.to, perExample, parts) : null;
  }
}

/** J as an operator that holds one piece at a time, beside those that are held anyway. Every product linearizes the others anew. */
export class ChunkedJacobian<J extends PieceOperator = BatchRows> implements JacobianOperator {
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
