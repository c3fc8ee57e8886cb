import {concat, getBackend, slice, tidy} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import type {Trace} from '../capture/trace';
import type {BatchJacobian} from './batch_jacobian';
import type {JacobianOperator} from './frozen_statistics';
import {add} from './kernels';
import {isJoint, jointLinearize} from './joint_linearize';
import {linearize} from './linearize';
import {blockFloats} from './memory';
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

/** The same where a kernel costs 50 microseconds before it begins. */
const CHUNK_ROWS_NATIVE = 2560;

/**
 * The rows of a batch in chunks of examples that are linearized one after the other; null where they are few enough to be one, or cannot be cut.
 *
 * @param width m, where dense rows are wanted; 0 where only products are.
 */
export function piecesOf(trace: Trace, plan: Plan, width: number): Piece[] | null {
  const {analysis: {batch}, components} = plan;
  const rows = Math.min(getBackend() === 'tensorflow' ? CHUNK_ROWS_NATIVE : CHUNK_ROWS, Math.max(1, Math.floor(blockFloats() / Math.max(1, width))));
  const count = Math.min(batch, Math.ceil(batch * components / rows));
  const cut = count > 1 ? SubBatches.of(trace, plan) : null;
  const joint = isJoint(plan);
  return cut === null ? null : Array.from({length: count}, (_, i): Piece => {
    const [from, to] = [i, i + 1].map(k => Math.floor(k * batch / count));
    return {rows: (to - from) * components, linearize: () => {
      const part = cut.take(from, to);
      return {...part, jacobian: joint ? jointLinearize(cut, part) : linearize(part.trace, part.plan)};
    }};
  });
}

/** J as an operator that holds one piece at a time. Every product linearizes all of them anew. */
export class ChunkedJacobian implements JacobianOperator {
  readonly rows: number;

  constructor(private readonly pieces: readonly Piece[]) {
    this.rows = pieces.reduce((rows, piece) => rows + piece.rows, 0);
  }

  /** J d, shape [n]; d by variable, null for no change. */
  apply(d: ReadonlyArray<Tensor | null>): Tensor {
    return tidy(() => concat(this.pieces.map(piece => tidy(() => piece.linearize().jacobian.apply(d)))));
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
      }));
      own.dispose();
      before.forEach((sum, v) => sum !== sums[v] && sum?.dispose());
    }
    return sums;
  }

  /** Shows the pieces one after the other, each with its first row. */
  forEach(visit: (part: BatchJacobian, from: number) => void): void {
    let from = 0;
    for (const piece of this.pieces) {
      tidy(() => visit(piece.linearize().jacobian, from));
      from += piece.rows;
    }
  }
}

/** The tensors that run() returns, without what it made on the way. */
function inScope(run: () => Array<Tensor | null>): Array<Tensor | null> {
  let result: Array<Tensor | null> = [];
  tidy(() => {
    result = run();
    return result.filter(t => t !== null);
  });
  return result;
}
