import {concat, matMul as batchMatMul, reshape, slice, sum, transpose} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import type {TraceNode} from '../../capture/trace';
import {matricesIn} from '../cotangents';
import type {Values} from '../cotangents';
import {matMul, mul, multiplyTransposed, shaped, sumRows, transposed as transposedMatrix, transposeMultiply} from '../kernels';
import {denseGram, MAX_BLOCK} from './use';
import type {DeltaUse, GramTerm, OuterProducts} from './use';

/** Sizes of a matrix use: B examples, C components, s shared positions; the matrix is [in, out]. */
interface MatrixSizes {
  readonly examples: number;
  readonly components: number;
  readonly positions: number;
  readonly inner: number;
  readonly outer: number;
  /** Whether the parameter is stored as [out, in]. */
  readonly transposed: boolean;
}

/**
 * A matrix use: data a [B·s, in] times a matrix [in, out], with cotangents δ [B·C·s, out] of the product, at s
 * shared positions (1 for a plain dense layer, time steps for a sequence). The row of (b, c) is Σ_s a_bsᵀ δ_bcs.
 *
 *     s = 1    gram = (a aᵀ) ∘ (δ δᵀ)       nothing of the size of the matrix is formed
 *     s > 1    gram over pairs of positions, (n·s)²(in + out), or from dense rows, whichever costs less
 */
export class MatrixUse implements DeltaUse {
  readonly examples: number;
  readonly components: number;
  readonly size: number;

  /** aᵀ [in, B·s]: the Gram matrix and Jᵀu both need it. */
  private readonly aT: Tensor;

  constructor(private readonly a: Tensor, private readonly deltas: Tensor, private readonly sizes: MatrixSizes) {
    this.examples = sizes.examples;
    this.components = sizes.components;
    this.size = sizes.inner * sizes.outer;
    this.aT = transposedMatrix(a);
  }

  /** Several uses of one matrix are one use with their positions side by side: the cross terms count. */
  static stack(uses: readonly MatrixUse[]): MatrixUse {
    const positions = uses.reduce((total, use) => total + use.sizes.positions, 0);
    const sizes = {...uses[0].sizes, positions};
    const {examples, components, inner, outer} = sizes;
    return new MatrixUse(
        reshape(concat(uses.map(use => use.dataByExample()), 1), [examples * positions, inner]),
        reshape(concat(uses.map(use => use.deltaByRow()), 2), [examples * components * positions, outer]), sizes);
  }

  get delta(): Tensor | null {
    return this.components === 1 && this.sizes.positions === 1 ? this.deltas : null;
  }

  preactivation(p: Tensor): Tensor {
    const {inner, outer, transposed} = this.sizes;
    if (outer === 1) {
      return timesColumn(this.a, shaped(p, [1, inner]));
    }
    return matMul(this.a, transposed ? transposedMatrix(shaped(p, [outer, inner])) : shaped(p, [inner, outer]));
  }

  pullWeighted(weighted: Tensor): Tensor {
    const {examples, positions, outer, transposed} = this.sizes;
    if (outer === 1) {
      return timesColumn(this.aT, shaped(weighted, [1, examples * positions]));
    }
    return transposed ? transposeMultiply(weighted, this.a) : matMul(this.aT, weighted);
  }

  apply(p: Tensor): Tensor {
    const {examples, positions, outer} = this.sizes;
    return sum(mul(reshape(this.preactivation(p), [examples, 1, positions, outer]), this.deltaByRow()), [2, 3]);
  }

  applyTranspose(u: Tensor): Tensor {
    const {examples, components, positions, outer} = this.sizes;
    const weighted = mul(this.deltaByRow(), reshape(u, [examples, components, 1, 1]));
    return this.pullWeighted(reshape(components === 1 ? weighted : sum(weighted, 1), [examples * positions, outer]));
  }

  rows(from: number, to: number): Tensor {
    const {components, positions, inner, outer, transposed} = this.sizes;
    const count = to - from;
    const delta = slice(this.deltaByRow(), [from, 0, 0, 0], [count, -1, -1, -1]);
    const a = slice(this.dataByExample(), [from, 0, 0], [count, -1, -1]);
    if (components === 1) {
      const byPosition = reshape(delta, [count, positions, outer]);
      const [left, right] = transposed ? [byPosition, a] : [a, byPosition];
      return reshape(batchMatMul(left, right, true), [count, this.size]);
    }
    const products = batchMatMul(reshape(transpose(delta, [0, 1, 3, 2]), [count, components * outer, positions]), a);
    const byOutput = reshape(products, [count * components, outer, inner]);
    return reshape(transposed ? byOutput : transpose(byOutput, [0, 2, 1]), [count * components, this.size]);
  }

  gram(products: OuterProducts): GramTerm {
    const {examples, components, positions, inner, outer} = this.sizes;
    const n = examples * components;
    if (positions === 1) {
      return {left: products.of(this.a, this.aT), right: products.of(this.deltas)};
    }
    const byPairs = (n * positions) ** 2 * (inner + outer);
    const byRows = n * (positions + n) * this.size;
    if (components === 1 && byPairs < byRows && (n * positions) ** 2 <= MAX_BLOCK) {
      const pairs = mul(products.of(this.a, this.aT), products.of(this.deltas));
      return {left: null, right: sum(reshape(pairs, [n, positions, n, positions]), [1, 3])};
    }
    return {left: null, right: denseGram(examples, components, this.size, (from, to) => this.rows(from, to))};
  }

  /** J J'ᵀ [n, n'] with the use J' of the same matrix in another batch, (a a'ᵀ) ∘ (δ δ'ᵀ); null where it is not of this form. */
  cross(other: MatrixUse): Tensor | null {
    const [p, q] = [this.sizes, other.sizes];
    if (p.positions !== 1 || q.positions !== 1 || p.inner !== q.inner || p.outer !== q.outer || p.transposed !== q.transposed) {
      return null;
    }
    const left = multiplyTransposed(this.a, other.a);
    const right = multiplyTransposed(this.deltas, other.deltas);
    return shaped(mul(shaped(left, [p.examples, 1, q.examples, 1]), shaped(right, [p.examples, p.components, q.examples, q.components])),
        right.shape);
  }

  private dataByExample(): Tensor {
    return reshape(this.a, [this.examples, this.sizes.positions, this.sizes.inner]);
  }

  private deltaByRow(): Tensor {
    return reshape(this.deltas, [this.examples, this.components, this.sizes.positions, this.sizes.outer]);
  }
}

/** x v for a vector given as a row [1, k]: a matrix of one column is not worth the packing of a product on WASM. */
function timesColumn(x: Tensor, row: Tensor): Tensor {
  return sumRows(mul(x, row), true);
}

/** How a product kernel reads as data x matrix: the data operand, and whether the parameter is stored transposed. */
export interface MatrixSite {
  readonly data: string;
  /** Data stand as [.., in, rows] and must be transposed to [.., rows, in]; δ likewise. */
  readonly flipData: boolean;
  readonly flipDelta: boolean;
  readonly transposed: boolean;
}

/** Null where the node is not a product of data with one plain matrix. */
export function matrixSite(values: Values, node: TraceNode, name: string): MatrixSite | null {
  if ((node.kernel !== 'BatchMatMul' && node.kernel !== '_FusedMatMul') || name === 'bias' ||
      matricesIn(values[node.inputs.find(([n]) => n === name)![1]]) !== 1) {
    return null;
  }
  const transposeA = node.attrs['transposeA'] === true;
  const transposeB = node.attrs['transposeB'] === true;
  // W x = (xᵀ Wᵀ)ᵀ: a parameter on the left is a parameter on the right of the transposed product.
  return name === 'b' ? {data: 'a', flipData: transposeA, flipDelta: false, transposed: transposeB} :
      {data: 'b', flipData: !transposeB, flipDelta: true, transposed: !transposeA};
}

/**
 * The matrix use of a node, from the cotangents of its output.
 *
 * @param deltas one per component.
 * @param byRow brings one tensor per component, [B·s, out] each, into the order of rows, [B·C·s, out].
 */
export function matrixUse(values: Values, node: TraceNode, site: MatrixSite, stride: number, outStride: number,
    batch: number, deltas: readonly Tensor[], byRow: (parts: readonly Tensor[]) => Tensor): MatrixUse {
  const data = values[node.inputs.find(([n]) => n === site.data)![1]];
  const a = toPositions(data, stride, batch, site.flipData);
  const parts = deltas.map(delta => toPositions(delta, outStride, batch, site.flipDelta));
  return new MatrixUse(a, byRow(parts), {examples: batch, components: deltas.length, positions: a.shape[0] / batch,
    inner: a.shape[1]!, outer: parts[0].shape[1]!, transposed: site.transposed});
}

/** [.., rows, features] (flipped: [.., features, rows]) with the examples at `stride` -> [B·s, features]. */
function toPositions(t: Tensor, stride: number, batch: number, flip: boolean): Tensor {
  let features = t.shape[t.rank - 1];
  if (flip) {
    const rows = features;
    features = t.shape[t.rank - 2]!;
    // Behind the swap an example's block of `rows` moves with its axis; a block around both axes stays.
    stride = stride < rows * features ? stride * features : stride;
    t = transpose(t, [...Array(t.rank - 2).keys(), t.rank - 1, t.rank - 2]);
  }
  const positions = stride / features;
  const before = t.size / (batch * stride);
  if (before === 1) {
    return shaped(t, [batch * positions, features]);
  }
  return reshape(transpose(reshape(t, [before, batch, positions, features]), [1, 0, 2, 3]),
      [batch * before * positions, features]);
}
