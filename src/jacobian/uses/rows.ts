import {addN, getBackend} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {add, matMul, shaped, transposed} from '../../tfjs/fast_ops';
import {blockFloats} from '../../tfjs/memory';
import {sliceColumns, sliceRows} from '../../tfjs/slices';
import {denseExampleGrams, longProducts, LONGEST_SUM} from './use';
import type {GramTerm, OuterProducts, ParameterUse} from './use';

/** Floats of the block of columns that a Gram matrix is taken of at once: 2 MiB, transposed as many again. */
const COLUMN_BLOCK = 2 ** 19;

/** A use that keeps its dense rows [n, |p|]: what a convolution's filter or a matrix at many positions is best reduced to. */
export class RowsUse implements ParameterUse {
  readonly size: number;

  constructor(private readonly all: Tensor, readonly examples: number, readonly components: number) {
    this.size = all.shape[1]!;
  }

  /** Several uses of the same entries: their rows add up. */
  static sum(uses: readonly RowsUse[]): RowsUse {
    const {examples, components} = uses[0];
    return new RowsUse(addN(uses.map(use => use.all)), examples, components);
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
    if (getBackend() === 'cpu' || width >= this.size) {
      return {left: null, right: products.of(this.all)};
    }
    return {left: null, right: gramOfColumns(this.size, width, (from, to) => sliceColumns(this.all, from, to))};
  }

  exampleGrams(): Tensor {
    return denseExampleGrams(this.examples, this.components, this.size, (from, to) => this.rows(from, to));
  }

  get tensors(): Tensor[] {
    return [this.all];
  }
}

/** Σ over blocks of columns of R_block R_blockᵀ: no more than a block and its transpose at once. */
export function gramOfColumns(size: number, width: number, columns: (from: number, to: number) => Tensor): Tensor {
  let total: Tensor | null = null;
  for (let from = 0; from < size; from += width) {
    const part = columns(from, Math.min(size, from + width));
    const product = gramOf(part);
    part.dispose();
    const before: Tensor | null = total;
    total = before === null ? product : add(before, product);
    if (before !== null) {
      before.dispose();
      product.dispose();
    }
  }
  return total!;
}

/** x xᵀ. */
function gramOf(x: Tensor): Tensor {
  if (x.shape[1]! > LONGEST_SUM) {
    return longProducts(x, x);
  }
  const flipped = transposed(x);
  const product = matMul(x, flipped);
  flipped.dispose();
  return product;
}
