import {concat, matMul, mul, reshape, slice, sum, transpose} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import type {TraceNode} from '../../capture/trace';
import {matricesIn, transposeMultiply} from '../cotangents';
import type {Values} from '../cotangents';
import {denseGram, MAX_BLOCK} from './use';
import type {GramTerm, OuterProducts, ParameterUse} from './use';

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
export class MatrixUse implements ParameterUse {
  readonly examples: number;
  readonly components: number;
  readonly size: number;

  constructor(private readonly a: Tensor, private readonly delta: Tensor, private readonly sizes: MatrixSizes) {
    this.examples = sizes.examples;
    this.components = sizes.components;
    this.size = sizes.inner * sizes.outer;
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

  apply(p: Tensor): Tensor {
    const {examples, components, positions, inner, outer, transposed} = this.sizes;
    const matrix = transposed ? transpose(reshape(p, [outer, inner])) : reshape(p, [inner, outer]);
    const change = matMul(this.a, matrix);
    if (components === 1) {
      return reshape(sum(reshape(mul(change, this.delta), [examples, positions * outer]), 1), [examples, 1]);
    }
    return sum(mul(reshape(change, [examples, 1, positions, outer]), this.deltaByRow()), [2, 3]);
  }

  applyTranspose(u: Tensor): Tensor {
    const {examples, components, positions, outer, transposed} = this.sizes;
    const weighted = components === 1 && positions === 1 ? mul(this.delta, u) :
        reshape(sum(mul(this.deltaByRow(), reshape(u, [examples, components, 1, 1])), 1), [examples * positions, outer]);
    return transposed ? transposeMultiply(weighted, this.a) : transposeMultiply(this.a, weighted);
  }

  rows(from: number, to: number): Tensor {
    const {components, positions, inner, outer, transposed} = this.sizes;
    const count = to - from;
    const delta = slice(this.deltaByRow(), [from, 0, 0, 0], [count, -1, -1, -1]);
    const a = slice(this.dataByExample(), [from, 0, 0], [count, -1, -1]);
    const products = matMul(reshape(transpose(delta, [0, 1, 3, 2]), [count, components * outer, positions]), a);
    const byOutput = reshape(products, [count * components, outer, inner]);
    return reshape(transposed ? byOutput : transpose(byOutput, [0, 2, 1]), [count * components, this.size]);
  }

  gram(products: OuterProducts): GramTerm {
    const {examples, components, positions, inner, outer} = this.sizes;
    const n = examples * components;
    if (positions === 1) {
      return {left: products.of(this.a), right: products.of(this.delta)};
    }
    const byPairs = (n * positions) ** 2 * (inner + outer);
    const byRows = n * (positions + n) * this.size;
    if (components === 1 && byPairs < byRows && (n * positions) ** 2 <= MAX_BLOCK) {
      const pairs = mul(products.of(this.a), products.of(this.delta));
      return {left: null, right: sum(reshape(pairs, [n, positions, n, positions]), [1, 3])};
    }
    return {left: null, right: denseGram(examples, components, this.size, (from, to) => this.rows(from, to))};
  }

  private dataByExample(): Tensor {
    return reshape(this.a, [this.examples, this.sizes.positions, this.sizes.inner]);
  }

  private deltaByRow(): Tensor {
    return reshape(this.delta, [this.examples, this.components, this.sizes.positions, this.sizes.outer]);
  }
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
    return t.rank === 2 ? t : reshape(t, [batch * positions, features]);
  }
  return reshape(transpose(reshape(t, [before, batch, positions, features]), [1, 0, 2, 3]),
      [batch * before * positions, features]);
}
