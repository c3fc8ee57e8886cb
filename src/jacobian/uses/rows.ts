import {addN, getBackend, type Tensor} from '@tensorflow/tfjs-core';
import {matMul, multipliesInPlace, shaped} from '../../tfjs/fast_ops';
import {blockFloats} from '../../tfjs/memory';
import {sliceColumns, sliceRows} from '../../tfjs/slices';
import {LONGEST_SUM, type OuterProducts} from './outer_products';
import {denseBlocks, gramOfColumns} from './row_blocks';
import type {DeltaUse, GramTerm} from './use';

/**
 * Floats of the block of columns that a Gram matrix is taken of at once: 2 MiB, transposed as many
 * again.
 */
const COLUMN_BLOCK = 2 ** 19;

/** Backends whose products take all columns at once and make no transpose. */
const UNCUT = new Set(['cpu', 'tensorflow']);

/**
 * A use that keeps its dense rows [n, |p|]: those of a bias or an elementwise scale, of a
 * convolution's filter, or of a matrix at many positions.
 */
export class RowsUse implements DeltaUse {
  readonly size: number;

  /**
   * @param all the rows, [n, |p|].
   * @param isShort whether the rows are no longer than δ of their layer, as those of a bias are.
   * Then their products are shared with the layer's kernel.
   */
  constructor(private readonly all: Tensor, readonly examples: number, readonly components: number,
      private readonly isShort = false) {
    this.size = all.shape[1]!;
  }

  /** Several uses of the same entries as one: their rows add up. */
  static sum(uses: readonly RowsUse[]): RowsUse {
    const {examples, components, isShort} = uses[0];
    return new RowsUse(addN(uses.map(use => use.all)), examples, components, isShort);
  }

  /** The same use with other rows, made from its own. */
  withRows(made: (all: Tensor) => Tensor): RowsUse {
    return new RowsUse(made(this.all), this.examples, this.components, this.isShort);
  }

  get delta(): Tensor | null {
    return this.isShort && this.components === 1 ? this.all : null;
  }

  preactivation(p: Tensor): Tensor {
    return shaped(p, [1, this.size]);
  }

  /**
   * The sum over the rows as a product: the layer's kernel multiplies with the same matrix, which
   * WASM packs once.
   */
  pullWeighted(weighted: Tensor, ones: () => Tensor): Tensor {
    return matMul(ones(), weighted);
  }

  apply(p: Tensor): Tensor {
    return shaped(matMul(this.all, shaped(p, [this.size, 1])), [this.examples, this.components]);
  }

  applyTranspose(u: Tensor): Tensor {
    return matMul(shaped(u, [1, this.examples * this.components]), this.all);
  }

  rows(from: number, to: number): Tensor {
    return sliceRows(this.all, from * this.components, to * this.components);
  }

  gram(products: OuterProducts): GramTerm {
    const n = this.all.shape[0];
    const width = Math.max(1, Math.min(LONGEST_SUM, Math.floor(Math.min(COLUMN_BLOCK, blockFloats()) / n)));
    if (this.isShort || width >= this.size || UNCUT.has(getBackend()) || multipliesInPlace(this.all)) {
      return {left: null, right: products.of(this.all)};
    }
    return {left: null, right: gramOfColumns(this.size, width, (from, to) => sliceColumns(this.all, from, to))};
  }

  diagonalBlocks(k: number): Tensor {
    return denseBlocks(k, this);
  }

  get tensors(): Tensor[] {
    return [this.all];
  }
}
