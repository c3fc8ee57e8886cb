import {concat, fill, matMul as batchMatMul, reshape, tidy, transpose, zeros, type Rank,
  type Tensor} from '@tensorflow/tfjs-core';
import {add} from '../../tfjs/fast_ops';
import {inScope} from '../../tfjs/memory';
import {isRehearsal} from '../../tfjs/rehearsal';
import type {Trace} from '../../trace/trace';
import type {Plan} from '../plan/plan';
import type {BatchJacobian, BatchRows} from '../sweep/batch_jacobian';
import {linearizeByComponent} from '../sweep/linearize';
import {blocksOf} from '../uses/row_blocks';
import {crossGrams} from './cross_gram';
import {heldInRehearsal, heldWhereMay} from './held_pieces';
import type {Piece} from './operator';
import {rehearseStack, StackedJacobian} from './stacked_jacobian';

/** Every cotangent counts as large: the memory is short, and the sweeps hold none without need. */
const ALL = 0;

/**
 * The Jacobian of a batch of which no fewer examples can be taken, and whose cotangents of all
 * components do not fit into the memory at once. The components are taken in parts, each part by
 * sweeps of its own through all examples. Rows are ordered (example, component), so that the rows
 * of a part are not neighbours.
 *
 * A product linearizes anew the parts that are not held. The Gram matrix takes two parts at once.
 *
 * The parts take the same memory one after the other. So a rehearsal does with the first and the
 * last of them, and takes the memory that the results of the others would have.
 */
export class ComponentsJacobian extends StackedJacobian<BatchJacobian> implements BatchRows {
  override readonly rows: number;
  /**
   * The tensors that products read: those of the held parts, and the origins of the other parts.
   */
  readonly tensors: Tensor[];
  /** All parts, of which `pieces` are those that products take. */
  private readonly parts: ReadonlyArray<Piece<BatchJacobian>>;

  /**
   * The tensors that it holds belong to the caller's scope.
   *
   * @param count number of parts.
   * @param made tensors of the trace that were made for this Jacobian.
   */
  constructor(trace: Trace, plan: Plan, count: number, made: readonly Tensor[]) {
    const {components, analysis: {examples}} = plan;
    const parts = Array.from({length: count}, (_, i): Piece<BatchJacobian> => {
      const [from, to] = [i, i + 1].map(k => Math.floor(k * components / count));
      return {
        rows: examples * (to - from),
        linearize: () => ({trace, plan, jacobian: linearizeByComponent(trace, plan, from, to, ALL)}),
        components: wanted => linearizeByComponent(trace, plan, from, from + wanted, ALL),
        joined: () => null,
      };
    });
    const {pieces, between} = count > 2 && isRehearsal() ? heldInRehearsal(parts, parts.at(-1)!) :
      {pieces: heldWhereMay(parts), between: []};
    super(pieces, examples);
    this.rows = examples * components;
    this.parts = parts;
    const held = pieces.filter(piece => !parts.includes(piece));
    this.tensors = [...made, ...between, ...held.flatMap(piece => piece.linearize().jacobian.tensors)];
  }

  override gram(partOf: readonly number[]): Tensor[] {
    const {pieces, parts, rows} = this;
    if (pieces.length === parts.length) {
      return super.gram(partOf);
    }
    const matrices = Math.max(...partOf) + 1;
    rehearseStack(parts.map(part => part.rows), pieces,
        {matrices, diagonal: part => part.gram(partOf), below: (part, other) => crossGrams(part, other, partOf)});
    return Array.from({length: matrices}, () => fill([rows, rows], 0));
  }

  /**
   * The blocks of the Gram matrix on its diagonal, [n/k, k, k]; k = C for a block of each example,
   * k = 1 for the squares of the rows.
   */
  diagonalBlocks(k?: number): Tensor {
    return tidy(() => {
      if (k === 1) {
        return this.joinRows(this.pieces.map(piece =>
          inScope(() => piece.linearize().jacobian.diagonalBlocks(1), squares => [squares])));
      }
      const {pieces, parts, examples, rows} = this;
      if (pieces.length < parts.length) {
        rehearseStack(parts.map(part => part.rows / examples), pieces,
            {matrices: examples, diagonal: part => part.diagonalBlocks(), below: crossOfExamples});
        return fill([examples, rows / examples, rows / examples], 0);
      }
      const blocks = this.blocksOf(part => [part.diagonalBlocks()],
          (part, other) => [crossOfExamples(part, other)]);
      return concat(blocks.map((_, p) => concat(blocks.map((_, q) =>
        q <= p ? blocks[p][q][0] : transpose(blocks[q][p][0], [0, 2, 1])), 2)), 1);
    });
  }

  /** Σ_v J_v J'_vᵀ over the variables of each part of ρ, for the rows J' of another batch. */
  cross(other: BatchRows, partOf: readonly number[]): Tensor[] {
    return tidy(() => {
      const blocks = this.pieces.map(piece =>
        inScope(() => crossGrams(piece.linearize().jacobian, other, partOf), grams => grams));
      return blocks[0].map((_, i) => this.joinRows(blocks.map(block => block[i])));
    });
  }

  protected override joinRows(parts: readonly Tensor[]): Tensor {
    const missing = this.rows - this.pieces.reduce((sum, {rows}) => sum + rows, 0);
    return super.joinRows(missing === 0 ? parts : [...parts, fill([missing, ...parts[0].shape.slice(1)], 0)]);
  }
}

/** The products of rows of the same example, over all variables: [B, C, C']. */
function crossOfExamples(part: BatchJacobian, other: BatchJacobian): Tensor {
  const {analysis: {examples, variables}, bySite} = part.plan;
  const [own, theirs] = [part, other].map(({plan}) => plan.components);
  const ofVariable = (v: number, size: number): Tensor =>
    concat(blocksOf(examples, size * (own + theirs)).map(([from, to]) => tidy(() => {
      const [a, b] = [part, other].map(jacobian =>
        reshape<Rank.R3>(jacobian.rowsOf(v, from, to), [to - from, -1, size]));
      return batchMatMul(a, b, false, true);
    })), 0);
  return tidy(() => variables.reduce<Tensor>((sum, {size}, v) =>
    bySite[v].sites.length === 0 ? sum : add(sum, ofVariable(v, size)), zeros([examples, own, theirs])));
}
