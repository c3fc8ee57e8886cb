import {getBackend} from '@tensorflow/tfjs-core';
import type {Trace} from '../../trace/trace';
import type {BatchRows} from '../sweep/batch_jacobian';
import {footprint, type Footprint} from '../plan/footprint';
import {ComponentsJacobian} from './components_jacobian';
import type {BatchPiece, Linearized, Piece} from './operator';
import {isJoint, jointLinearize} from '../sweep/joint_linearize';
import {linearize, linearizeByComponent} from '../sweep/linearize';
import {blockFloats, checkLeast, mayBeWhole} from '../../tfjs/memory';
import type {Plan} from '../plan/plan';
import {SubBatches} from '../sweep/sub_batch';

/**
 * Rows of a chunk. Products with a thousand rows run at full speed already, and the tensors made
 * of a thousand rows stay at some ten megabytes.
 */
const CHUNK_ROWS = 1024;

/**
 * Dense rows of a chunk on tfjs-node, on which kernels take long to begin.
 *
 * Measured: a kernel costs 50 microseconds there before it begins.
 */
const CHUNK_ROWS_NATIVE = 2560;

/**
 * Words of errors for the floats that every division of a batch needs: those of a linearization,
 * and those of a pass through the whole batch.
 */
export const [LEAST, PASS] = ['cotangents or changes of weights', 'tensors in a pass through the whole batch'];

/**
 * The rows of a batch in chunks of examples, which are linearized one after the other. The result
 * is null if the rows are few enough for one chunk, or if the batch cannot be cut.
 *
 * @param width m if dense rows are wanted, 0 if only products are.
 * @param onePass floats that a pass through the whole batch holds at once, later in the step.
 */
export function piecesOf(trace: Trace, plan: Plan, width: number, onePass = 0): BatchPiece[] | null {
  const {analysis: {examples}, components} = plan;
  // The Gram matrix of a chunk is a block, too.
  const most = width > 0 && getBackend() === 'tensorflow' ? CHUNK_ROWS_NATIVE : CHUNK_ROWS;
  const fitting = Math.min(Math.sqrt(blockFloats()), blockFloats() / Math.max(1, width));
  const rows = Math.min(most, Math.max(1, Math.floor(fitting)));
  return piecesWithin(trace, plan, {onePass, least: Math.ceil(examples * components / rows)});
}

/** The use of the pieces of a batch. */
interface PiecesFor {
  /** Floats that a pass through the whole batch holds at once, later in the step. */
  readonly onePass: number;
  /** Number of pieces at least; 1 by default. */
  readonly least?: number;
}

/**
 * The rows of a batch in pieces. A piece holds as many examples as the memory allows to linearize
 * at once. The result is null if the whole batch is one piece, or if the batch cannot be cut.
 *
 * @throws if one example takes more than the limit though its components are taken one by one.
 */
export function piecesWithin(trace: Trace, plan: Plan, {onePass, least = 1}: PiecesFor): BatchPiece[] | null {
  const {examples} = plan.analysis;
  const floats = footprint(trace, plan);
  const count = Math.min(examples, mayBeWhole(floats.most / least) ? least :
    Math.max(least, Math.ceil(floats.most / (2 * blockFloats()))));
  const cut = count > 1 ? SubBatches.of(trace, plan) : null;
  if (cut === null) {
    return null;
  }
  checkLeast(Math.max(floats.kept / examples, floats.changes), LEAST);
  checkLeast(onePass, PASS);
  const isWhole = count < examples || mayBeWhole(floats.most / examples);
  const parts = isWhole ? 1 : partsWithin(floats, plan.components, 1 / examples);
  return Array.from({length: count}, (_, i) => {
    const [from, to] = [i, i + 1].map(k => Math.floor(k * examples / count));
    return new Chunk(cut, plan, from, to, floats.most / examples, parts);
  });
}

/**
 * Linearizes all examples of a batch at once. If the cotangents of all components are too many,
 * the components are taken in parts.
 *
 * @param onePass floats that a pass through the whole batch holds at once, later in the step.
 * @throws if the cotangents of one component take more than the limit.
 */
export function linearizeWhole(trace: Trace, plan: Plan, onePass = 0): BatchRows {
  const floats = footprint(trace, plan);
  const {components, forward} = plan;
  checkLeast(Math.max(floats.kept, floats.changes), LEAST, () => {
    const obstacle = SubBatches.obstacle(trace, plan);
    return obstacle === null ? '' : `Its examples cannot be taken in parts: ${obstacle}. `;
  });
  checkLeast(onePass, PASS);
  const isWhole = forward !== undefined || mayBeWhole(2 * components * floats.kept + floats.swept);
  const parts = isWhole ? 1 : partsWithin(floats, components, 1);
  return parts === 1 ? linearize(trace, plan) : new ComponentsJacobian(trace, plan, parts, []);
}

/**
 * The number of parts in which the components are taken, each part by sweeps of its own.
 *
 * @param share of the examples.
 */
function partsWithin({kept, swept}: Footprint, components: number, share: number): number {
  const together = Math.max(1, Math.floor((2 * blockFloats() - share * swept) / (2 * share * kept)));
  return Math.ceil(components / together);
}

/** The examples from..to-1 of a batch. */
class Chunk implements BatchPiece {
  readonly rows: number;

  /**
   * @param perExample floats that the linearization of an example may take.
   * @param parts number of parts of the components of an example.
   */
  constructor(private readonly cut: SubBatches, private readonly plan: Plan, private readonly from: number,
      private readonly to: number, private readonly perExample: number, private readonly parts: number) {
    this.rows = (to - from) * plan.components;
  }

  linearize(): Linearized {
    const {cut, plan, from, to, parts} = this;
    const piece = cut.take(from, to);
    if (parts > 1) {
      const sliced = piece.trace.values.filter((_, value) => cut.has(value));
      return {...piece, jacobian: new ComponentsJacobian(piece.trace, piece.plan, parts, sliced)};
    }
    return {...piece, jacobian: isJoint(plan) ? jointLinearize(cut, piece) : linearize(piece.trace, piece.plan)};
  }

  components(count: number): BatchRows {
    const piece = this.cut.take(this.from, this.to);
    return linearizeByComponent(piece.trace, piece.plan, 0, count);
  }

  head(rows: number): Piece {
    const {from, to, plan} = this;
    return this.examples(from, Math.min(to, from + Math.max(1, Math.floor(rows / plan.components))));
  }

  joined(next: Piece): Piece | null {
    const {cut, from, to, perExample, parts} = this;
    const isOne = next instanceof Chunk && next.cut === cut && next.from === to && parts === 1 &&
        mayBeWhole((next.to - from) * perExample);
    return isOne ? this.examples(from, next.to) : null;
  }

  private examples(from: number, to: number): Chunk {
    return new Chunk(this.cut, this.plan, from, to, this.perExample, this.parts);
  }
}
