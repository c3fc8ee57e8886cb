import {exampleView} from '../../trace/example_axis';
import {reshape, transpose, type Tensor} from '@tensorflow/tfjs-core';
import {inputOf, type TraceNode} from '../../trace/trace';
import type {Values} from '../../derivatives/cotangents';
import {matMul, mul, multipliesInPlace, multiplyTransposed, shaped, sumRows, transposed as transposedMatrix,
  transposeMultiply} from '../../tfjs/fast_ops';
import {sliceRows} from '../../tfjs/slices';
import {PlainPositions} from './positions';
import {SharedUse} from './shared';
import {blockProducts} from './row_blocks';
import type {DeltaUse, GramTerm} from './use';
import type {OuterProducts} from './outer_products';
import type {MatrixSite} from '../plan/plan';

/** Sizes of a matrix use. */
interface MatrixSizes {
  /** B. */
  readonly examples: number;
  /** C. */
  readonly components: number;
  /** in; the matrix is [in, out]. */
  readonly inner: number;
  /** out. */
  readonly outer: number;
  /** Whether the parameter is stored as [out, in]. */
  readonly transposed: boolean;
}

/**
 * The use of a matrix [in, out] in a product with data a [B, in], with cotangents δ [n, out] of the
 * product. The row of (b, c) is a_bᵀ δ_bc, and nothing of the size of the matrix is formed for
 *
 *     gram = (a aᵀ) ∘ (δ δᵀ)
 */
export class MatrixUse implements DeltaUse {
  readonly examples: number;
  readonly components: number;
  readonly size: number;

  /**
   * aᵀ [in, B] after `settled`, since the Gram matrix and Jᵀu both need it; null if the products of
   * this backend take a as it is.
   */
  private aT: Tensor | null = null;

  constructor(private readonly a: Tensor, private readonly deltas: Tensor, private readonly sizes: MatrixSizes) {
    this.examples = sizes.examples;
    this.components = sizes.components;
    this.size = sizes.inner * sizes.outer;
  }

  /**
   * Makes aᵀ, which all products share, if they need it. A use is stacked with others before this
   * call, and used after it.
   */
  settled(): this {
    this.aT = multipliesInPlace(this.a) ? null : transposedMatrix(this.a);
    return this;
  }

  /** The same use as one of shared positions, of which it has one. */
  asShared(): SharedUse {
    const {examples, components, outer, transposed} = this.sizes;
    return new SharedUse(new PlainPositions(this.a, examples),
        reshape(this.deltas, [examples, components, 1, outer]), transposed);
  }

  get delta(): Tensor | null {
    return this.components === 1 ? this.deltas : null;
  }

  /** δ, [n, out]. */
  get cotangents(): Tensor {
    return this.deltas;
  }

  /** The same use with other data, made from its own. */
  withData(made: (a: Tensor) => Tensor): MatrixUse {
    return new MatrixUse(made(this.a), this.deltas, this.sizes);
  }

  preactivation(p: Tensor): Tensor {
    const {inner, outer, transposed} = this.sizes;
    if (outer === 1 && !multipliesInPlace(this.a)) {
      return timesColumn(this.a, shaped(p, [1, inner]));
    }
    return matMul(this.a, transposed ? transposedMatrix(shaped(p, [outer, inner])) : shaped(p, [inner, outer]));
  }

  pullWeighted(weighted: Tensor): Tensor {
    const {examples, outer, transposed} = this.sizes;
    if (outer === 1 && this.aT !== null) {
      return timesColumn(this.aT, shaped(weighted, [1, examples]));
    }
    return transposed ? transposeMultiply(weighted, this.a) :
      this.aT === null ? transposeMultiply(this.a, weighted) : matMul(this.aT, weighted);
  }

  apply(p: Tensor): Tensor {
    return this.asShared().apply(p);
  }

  applyTranspose(u: Tensor): Tensor {
    return this.asShared().applyTranspose(u);
  }

  /** Rows a_bᵀ δ_bc as outer products. */
  rows(from: number, to: number): Tensor {
    const {components, inner, outer, transposed} = this.sizes;
    const count = to - from;
    const a = sliceRows(this.a, from, to);
    const delta = sliceRows(this.deltas, from * components, to * components);
    const products = transposed ?
      mul(shaped(a, [count, 1, 1, inner]), shaped(delta, [count, components, outer, 1])) :
      mul(shaped(a, [count, 1, inner, 1]), shaped(delta, [count, components, 1, outer]));
    return shaped(products, [count * components, this.size]);
  }

  gram(products: OuterProducts): GramTerm {
    return {left: products.of(this.a, this.aT ?? undefined), right: products.of(this.deltas)};
  }

  /** |a_b|² δ δᵀ, for blocks of δ. */
  diagonalBlocks(k: number): Tensor {
    const {examples, components, a, deltas} = this;
    const n = examples * components;
    const products = shaped(blockProducts(deltas, n / k, k), [examples, n / (examples * k), k, k]);
    return shaped(mul(shaped(blockProducts(a, examples, 1), [examples, 1, 1, 1]), products), [n / k, k, k]);
  }

  get tensors(): Tensor[] {
    return this.aT === null ? [this.a, this.deltas] : [this.a, this.aT, this.deltas];
  }

  /**
   * J J'ᵀ [n, n'] with the use J' of the same matrix in another batch, (a a'ᵀ) ∘ (δ δ'ᵀ); null if
   * J' is not of this form.
   */
  cross(other: MatrixUse): Tensor | null {
    const [p, q] = [this.sizes, other.sizes];
    if (p.inner !== q.inner || p.outer !== q.outer || p.transposed !== q.transposed) {
      return null;
    }
    const left = multiplyTransposed(this.a, other.a);
    const right = multiplyTransposed(this.deltas, other.deltas);
    const products = mul(shaped(left, [p.examples, 1, q.examples, 1]),
        shaped(right, [p.examples, p.components, q.examples, q.components]));
    return shaped(products, right.shape);
  }
}

/**
 * x v for a vector v given as a row [1, k]: on WASM a matrix of one column is not worth the packing
 * of a product.
 */
function timesColumn(x: Tensor, row: Tensor): Tensor {
  return sumRows(mul(x, row), true);
}

/** The cotangent of the node's output as rows of positions, [B·s, out]. */
export const matrixDelta = (delta: Tensor, site: MatrixSite, stride: number, examples: number): Tensor =>
  toPositions(delta, stride, examples, site.flipDelta);

/** The data of the product as rows of positions, [B·s, in]. */
export const matrixData = (values: Values, node: TraceNode, site: MatrixSite, stride: number,
    examples: number): Tensor =>
  toPositions(values[inputOf(node, site.data)], stride, examples, site.flipData);

/**
 * The matrix use of a node.
 *
 * @param stride of the examples in the data.
 * @param deltas δ of every component in the order of rows, [B·C·s, out].
 */
export function matrixUse(values: Values, node: TraceNode, site: MatrixSite, stride: number, examples: number,
    deltas: Tensor, components: number): MatrixUse | SharedUse {
  const a = matrixData(values, node, site, stride, examples);
  const outer = deltas.shape[1]!;
  if (a.shape[0] !== examples) {
    const cotangents = reshape(deltas, [examples, components, a.shape[0] / examples, outer]);
    return new SharedUse(new PlainPositions(a, examples), cotangents, site.transposed);
  }
  const {transposed} = site;
  return new MatrixUse(a, deltas, {examples, components, inner: a.shape[1]!, outer, transposed});
}

/**
 * [.., rows, features] (flipped: [.., features, rows]) with the examples at `stride` -> [B·s,
 * features].
 */
function toPositions(t: Tensor, stride: number, examples: number, flip: boolean): Tensor {
  let features = t.shape[t.rank - 1];
  if (flip) {
    const rows = features;
    features = t.shape[t.rank - 2]!;
    // After the swap an example's block of `rows` moves with its axis; a block around both axes
    // stays.
    stride = stride < rows * features ? stride * features : stride;
    t = transpose(t, [...Array(t.rank - 2).keys(), t.rank - 1, t.rank - 2]);
  }
  const positions = stride / features;
  const [before] = exampleView(t.size, stride, examples);
  if (before === 1) {
    return shaped(t, [examples * positions, features]);
  }
  return reshape(transpose(reshape(t, [before, examples, positions, features]), [1, 0, 2, 3]),
      [examples * before * positions, features]);
}
