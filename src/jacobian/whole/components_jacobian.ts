import {concat, matMul as batchMatMul, reshape, slice, tidy, transpose, zeros} from '@tensorflow/tfjs-core';
import type {Rank, Tensor} from '@tensorflow/tfjs-core';
import {add, shaped, transposed} from '../../tfjs/fast_ops';
import {inScope} from '../../tfjs/memory';
import type {Trace} from '../../trace/trace';
import type {Plan} from '../plan/plan';
import type {BatchJacobian, BatchRows} from '../sweep/batch_jacobian';
import {linearizeByComponent} from '../sweep/linearize';
import {blocksOf} from '../uses/use';
import {crossGram} from './cross_gram';
import {heldWhereMay} from './held_pieces';
import type {Piece} from './operator';

/** Some components of the rows of all examples. */
type Part = Piece<BatchJacobian>;

/**
 * The Jacobian of a batch whose cotangents of all output components are too many to be there at once, and of which no fewer examples can be taken: some components after the other,
 * each by sweeps through all examples. Rows are in the order (example, component), those of a part are not neighbours.
 *
 * A product linearizes those parts anew that could not be held. The Gram matrix takes each two parts at once.
 */
export class ComponentsJacobian implements BatchRows {
  readonly rows: number;
  /** What products are taken of: the parts that are held, and what the others are linearized from. */
  readonly tensors: Tensor[];
  private readonly parts: readonly Part[];
  private readonly examples: number;

  /**
   * What it holds belongs to the caller's scope.
   *
   * @param count of parts.
   * @param made tensors of the trace that are its own.
   */
  constructor(trace: Trace, readonly plan: Plan, count: number, made: readonly Tensor[]) {
    const {components, analysis: {batch}} = plan;
    this.examples = batch;
    this.rows = batch * components;
    const parts = Array.from({length: count}, (_, i): Part => {
      const [from, to] = [i, i + 1].map(k => Math.floor(k * components / count));
      return {rows: batch * (to - from), linearize: () => ({trace, plan, jacobian: linearizeByComponent(trace, plan, from, to)}), joined: () => null};
    });
    this.parts = heldWhereMay(parts);
    this.tensors = [...made, ...this.parts.flatMap((part, i) => part === parts[i] ? [] : part.linearize().jacobian.tensors)];
  }

  gram(groupOf: readonly number[]): Tensor[] {
    return tidy(() => {
      const {parts} = this;
      const blocks = this.pairs((part, other) => other === null ? part.gram(groupOf) : crossGram(part, other, groupOf));
      return blocks[0][0].map((_, g) => this.joinRows(parts.map((_, p) =>
        this.joinColumns(parts.map((_, q) => q <= p ? blocks[p][q][g] : transposed(blocks[q][p][g]))))));
    });
  }

  exampleGrams(): Tensor {
    return tidy(() => {
      const {parts} = this;
      const blocks = this.pairs((part, other) => [other === null ? part.exampleGrams() : crossOfExamples(part, other)]);
      return concat(parts.map((_, p) => concat(parts.map((_, q) => q <= p ? blocks[p][q][0] : transpose(blocks[q][p][0], [0, 2, 1])), 2)), 1);
    });
  }

  apply(d: ReadonlyArray<Tensor | null>): Tensor {
    return tidy(() => reshape(this.joinRows(this.parts.map(part =>
      inScope(() => shaped(part.linearize().jacobian.apply(d), [part.rows, 1]), change => [change]))), [this.rows]));
  }

  applyTranspose(u: Tensor, wanted: (variable: number) => boolean = () => true): Array<Tensor | null> {
    const byExample = shaped(u, [this.examples, this.rows / this.examples]);
    let first = 0;
    let sums: Array<Tensor | null> = [];
    for (const part of this.parts) {
      const width = part.rows / this.examples;
      const own = reshape(slice(byExample, [0, first], [-1, width]), [part.rows]);
      first += width;
      const before = sums;
      sums = inScope(() => part.linearize().jacobian.applyTranspose(own, wanted).map((more, v) => {
        const sum = before[v] ?? null;
        return more === null || sum === null ? more ?? sum : add(sum, more);
      }), result => result.filter(t => t !== null));
      own.dispose();
      before.forEach((sum, v) => sum !== sums[v] && sum?.dispose());
    }
    return sums;
  }

  /** The dense Jacobian [n, m]. */
  dense(): Tensor {
    return tidy(() => this.joinRows(this.parts.map(part => inScope(() => part.linearize().jacobian.dense(), rows => [rows]))));
  }

  /** J J'ᵀ by group of variables with other rows. */
  cross(other: BatchRows, groupOf: readonly number[]): Tensor[] {
    return tidy(() => {
      const blocks = this.parts.map(part => inScope(() => crossGrams(part.linearize().jacobian, other, groupOf), grams => grams));
      return blocks[0].map((_, g) => this.joinRows(blocks.map(block => block[g])));
    });
  }

  /** f of each part with those before it, then with null: what is right of the diagonal is left of it, too. */
  private pairs(f: (part: BatchJacobian, other: BatchJacobian | null) => Tensor[]): Tensor[][][] {
    return this.parts.map((part, p) => inScope(() => {
      const {jacobian} = part.linearize();
      return [...this.parts.slice(0, p).map(other => inScope(() => f(jacobian, other.linearize().jacobian), made => made)), f(jacobian, null)];
    }, made => made.flat()));
  }

  /** The rows [.., columns] of all parts in the order of rows. */
  private joinRows(parts: readonly Tensor[]): Tensor {
    const {examples} = this;
    const columns = parts[0].shape[1]!;
    return reshape(concat(parts.map(part => reshape(part, [examples, part.size / examples])), 1), [this.rows, columns]);
  }

  /** The same for columns. */
  private joinColumns(parts: readonly Tensor[]): Tensor {
    const rows = parts[0].shape[0];
    return reshape(concat(parts.map(part => reshape(part, [rows * this.examples, part.shape[1]! / this.examples])), 1), [rows, this.rows]);
  }
}

/** Σ_v J_v J'_vᵀ over groups of variables, each [n, n']. */
export function crossGrams(part: BatchRows, other: BatchRows, groupOf: readonly number[]): Tensor[] {
  return part instanceof ComponentsJacobian ? part.cross(other, groupOf) :
    other instanceof ComponentsJacobian ? tidy(() => other.cross(part, groupOf).map(transposed)) : crossGram(part as BatchJacobian, other as BatchJacobian, groupOf);
}

/** The products of rows of the same example, over all variables: [B, C, C']. */
function crossOfExamples(part: BatchJacobian, other: BatchJacobian): Tensor {
  const {analysis: {batch, variables}, bySite} = part.plan;
  const [own, theirs] = [part, other].map(({plan}) => plan.components);
  return tidy(() => variables.reduce<Tensor>((sum, {size}, v) => bySite[v].sites.length === 0 ? sum :
    add(sum, concat(blocksOf(batch, size * (own + theirs)).map(([from, to]) => tidy(() => {
      const [a, b] = [part, other].map(jacobian => reshape<Rank.R3>(jacobian.rowsOf(v, from, to), [to - from, -1, size]));
      return batchMatMul(a, b, false, true);
    })), 0)), zeros([batch, own, theirs])));
}
