import {concat, getBackend, matMul as batchMatMul, mul, reshape, slice, sum, type Tensor} from '@tensorflow/tfjs-core';
import {shaped, transposed as transposedMatrix} from '../../tfjs/fast_ops';
import {blockFloats, mayKeep} from '../../tfjs/memory';
import {exampleProducts} from './example_products';
import {isByPairs, pairProducts, sumOfPairs} from './pairs';
import {PlainPositions, type PositionData} from './positions';
import {gramOfColumns, denseBlocks, denseGram} from './row_blocks';
import {RowsUse} from './rows';
import type {GramTerm, ParameterUse} from './use';
import type {OuterProducts} from './outer_products';

/**
 * The use of a matrix that meets the data at s shared positions of every example (time steps,
 * output pixels): data a [B·s, in], cotangents δ [B, C, s, out]. The row of (b, c) is Σ_s a_bsᵀ
 * δ_bcs. Its Gram matrix costs, in multiply-adds,
 *
 *     by dense rows                n·s·in·out + n²·in·out      formed in blocks of columns
 *     by pairs of positions        (n·s)²(in + out)
 *
 * and is formed the cheaper way.
 */
export class SharedUse implements ParameterUse {
  readonly examples: number;
  readonly components: number;
  readonly size: number;

  /** @param transposed whether the parameter is stored as [out, in]. */
  constructor(readonly data: PositionData, readonly cotangents: Tensor, readonly transposed: boolean) {
    [this.examples, this.components] = cotangents.shape as [number, number, number, number];
    this.size = data.inner * this.outer;
  }

  /** Uses of one matrix on plain data as one use, with their positions side by side. */
  static stack(uses: readonly SharedUse[]): SharedUse {
    const data = uses.map(use => use.data as PlainPositions);
    const {examples, inner} = data[0];
    const a = concat(data.map(part => reshape(part.a, [examples, part.positions, inner])), 1);
    return new SharedUse(new PlainPositions(reshape(a, [-1, inner]), examples),
        concat(uses.map(use => use.cotangents), 2), uses[0].transposed);
  }

  /** The same use of plain data with other data, made from its own. */
  withData(made: (a: Tensor) => Tensor): SharedUse {
    const data = new PlainPositions(made((this.data as PlainPositions).a), this.examples);
    return new SharedUse(data, this.cotangents, this.transposed);
  }

  private get outer(): number {
    return this.cotangents.shape[3]!;
  }

  private get byPairs(): boolean {
    return isByPairs(this.examples * this.components, this.data.positions, this.data.inner, this.outer);
  }

  /**
   * Its dense rows [n, |p|] if these are the cheaper way and may be kept, else null. With the rows,
   * δ is no longer needed.
   */
  keptRows(): Tensor | null {
    return this.byPairs || !mayKeep(this.examples * this.components * this.size) ? null : this.rows(0, this.examples);
  }

  /** The same use in the form in which its products cost least. */
  settled(): ParameterUse {
    const rows = this.keptRows();
    return rows === null ? this : new RowsUse(rows, this.examples, this.components);
  }

  apply(p: Tensor): Tensor {
    const {data, outer, examples} = this;
    const matrix = this.transposed ? transposedMatrix(shaped(p, [outer, data.inner])) : shaped(p, [data.inner, outer]);
    // Elementwise kernels that broadcast are slower there than a product. Measured: 5 to 50 times.
    if (getBackend() === 'cpu') {
      return multiplyBlocks(reshape(this.cotangents, [examples, this.components, -1]),
          reshape(data.times(matrix), [examples, -1, 1]));
    }
    return sum(mul(reshape(data.times(matrix), [examples, 1, data.positions, outer]), this.cotangents), [2, 3]);
  }

  applyTranspose(u: Tensor): Tensor {
    const {data, outer, examples, components} = this;
    const weighted = this.weightedBy(reshape(u, [examples, components]));
    const pulled = data.transposeTimes(reshape(weighted, [examples * data.positions, outer]));
    return this.transposed ? transposedMatrix(pulled) : pulled;
  }

  /** Σ_c u_bc δ_bcs. */
  private weightedBy(u: Tensor): Tensor {
    const {examples, components, cotangents} = this;
    if (getBackend() === 'cpu') {
      return multiplyBlocks(reshape(u, [examples, 1, components]), reshape(cotangents, [examples, components, -1]));
    }
    const weighted = mul(cotangents, reshape(u, [examples, components, 1, 1]));
    return components === 1 ? weighted : sum(weighted, 1);
  }

  rows(from: number, to: number): Tensor {
    return exampleProducts(this.data, this.cotangents, this.transposed, from, to);
  }

  gram(products: OuterProducts): GramTerm {
    const {data, outer, examples, components} = this;
    const n = examples * components;
    if (this.byPairs) {
      if (data instanceof PlainPositions && (n * data.positions) ** 2 <= blockFloats()) {
        const deltas = products.of(shaped(this.cotangents, [n * data.positions, outer]));
        return {left: null, right: sumOfPairs(products.of(data.a), deltas, this, this)};
      }
      return {left: null, right: pairProducts(this, this)};
    }
    const outputs = Math.floor(blockFloats() / (n * data.inner));
    if (outputs === 0) {
      return {left: null, right: denseGram(this)};
    }
    return {left: null, right: gramOfColumns(outer, outputs, (from, to) => {
      const part = slice(this.cotangents, [0, 0, 0, from], [-1, -1, -1, to - from]);
      const rows = exampleProducts(data, part, false, 0, examples);
      part.dispose();
      return rows;
    })};
  }

  /**
   * J J'ᵀ [n, n'] with the use J' of the same matrix in another batch; null if dense rows are the
   * cheaper way.
   */
  cross(other: SharedUse): Tensor | null {
    const isSame = this.data.inner === other.data.inner && this.outer === other.outer &&
        this.transposed === other.transposed;
    return isSame && this.byPairs ? pairProducts(this, other) : null;
  }

  diagonalBlocks(k: number): Tensor {
    return denseBlocks(k, this);
  }

  get tensors(): Tensor[] {
    return [...this.data.tensors, this.cotangents];
  }
}

const multiplyBlocks = (a: Tensor, b: Tensor): Tensor => batchMatMul(a as never, b as never);
