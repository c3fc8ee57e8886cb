import {concat, getBackend, matMul as batchMatMul, reshape, tensor, tidy} from '@tensorflow/tfjs-core';
import type {Tensor, Tensor3D} from '@tensorflow/tfjs-core';
import {outerProduct} from '../../arrays/outer_product';
import {add, matMul, mul, shaped, sumRows, transposed} from '../../tfjs/fast_ops';
import {blockFloats} from '../../tfjs/memory';
import {sliceColumns} from '../../tfjs/slices';

/**
 * A place where a kernel joins the data of the examples with a parameter p (a variable or a view of one): one
 * summand of the batch Jacobian. Rows are ordered (example b, component c), n = B·C of them.
 */
export interface ParameterUse {
  readonly examples: number;
  readonly components: number;
  /** Number of elements of p. */
  readonly size: number;
  /** J_use p, [B, C], for a tensor of p's shape. */
  apply(p: Tensor): Tensor;
  /** J_useᵀ u for u of shape [B, C]; as many elements as p, in p's order. */
  applyTranspose(u: Tensor): Tensor;
  /** Rows of the examples from..to-1, [(to - from)·C, |p|], in p's order. */
  rows(from: number, to: number): Tensor;
  /** J_use J_useᵀ as `left ∘ right`; a null left is a matrix of ones. */
  gram(outer: OuterProducts): GramTerm;
  /** The blocks of J_use J_useᵀ on its diagonal, one for each example: [B, C, C]. */
  exampleGrams(): Tensor;
  /** All that the products are taken of. */
  readonly tensors: readonly Tensor[];
}

/**
 * A use with one component whose rows are products of something with δ [R, out] itself: J_use p = Σ_out δ ∘ f(p) and
 * J_useᵀu = fᵀ(u ∘ δ). A layer's kernel and bias have one δ, so both products with it are done once.
 */
export interface DeltaUse extends ParameterUse {
  /** δ, [n, out]; null where the rows are not of this form. */
  readonly delta: Tensor | null;
  /** f(p), [n, out] or [1, out]. */
  preactivation(p: Tensor): Tensor;
  /** fᵀ(u ∘ δ), as many elements as p. @param ones a row of ones [1, n], made when asked for. */
  pullWeighted(weighted: Tensor, ones: () => Tensor): Tensor;
}

export function sharesDelta(use: ParameterUse): use is DeltaUse & {readonly delta: Tensor} {
  return (use as Partial<DeltaUse>).delta != null;
}

/** left (B x B, or null for ones) ∘ right (n x n); B x B entries count for all pairs of components. */
export interface GramTerm {
  readonly left: Tensor | null;
  readonly right: Tensor;
}

/** Something about a matrix, known by its data: a reshape there and back makes another tensor of the same data. */
export class ByMatrix<T> {
  private readonly known = new Map<object, Map<number, T>>();

  /** What is known about x [n, columns], made on the first call. */
  of(x: Tensor, make: () => T): T {
    let byColumns = this.known.get(x.dataId);
    if (byColumns === undefined) {
      this.known.set(x.dataId, byColumns = new Map<number, T>());
    }
    const columns = x.shape[1]!;
    let value = byColumns.get(columns);
    if (value === undefined) {
      byColumns.set(columns, value = make());
    }
    return value;
  }

  all(): T[] {
    return [...this.known.values()].flatMap(byColumns => [...byColumns.values()]);
  }
}

/** x xᵀ of matrices, computed once for each: a layer's kernel and bias share their cotangents. */
export class OuterProducts {
  private readonly known = new ByMatrix<Tensor>();

  /** @param xT xᵀ, where it is at hand. */
  of(x: Tensor, xT?: Tensor): Tensor {
    return this.known.of(x, () => {
      const [n, columns] = x.shape;
      if (getBackend() === 'cpu') {  // reads are free there, and products slow
        return tensor(outerProduct(x.dataSync() as Float32Array, n, columns), [n, n]);
      }
      return columns === 1 ? mul(x, shaped(x, [1, n])) : columns <= LONGEST_SUM ? matMul(x, xT ?? transposed(x)) :
        longProducts(x, x);
    });
  }
}

/** Terms of a sum that WASM may add up in float32, one by one: after three million the rounding was 4e-3 of it. */
export const LONGEST_SUM = 2 ** 15;

/** a bᵀ [r, c] for a [r, k] and b [c, k], also with many columns. */
export function longProducts(a: Tensor, b: Tensor): Tensor {
  const columns = a.shape[1]!;
  if (columns <= LONGEST_SUM) {
    return matMul(a, transposed(b));
  }
  const part = (x: Tensor, from: number): Tensor => sliceColumns(x, from, Math.min(columns, from + LONGEST_SUM));
  return tidy(() => Array.from({length: Math.ceil(columns / LONGEST_SUM)}, (_, i) => i * LONGEST_SUM).reduce<Tensor | null>((sum, from) => {
    const product = tidy(() => matMul(part(a, from), transposed(part(b, from))));
    const next = sum === null ? product : add(sum, product);
    if (sum !== null) {
      [sum, product].forEach(t => t.dispose());
    }
    return next;
  }, null)!);
}

/** Ranges [from, to) of examples whose dense rows, `perExample` floats each, fit into a block. */
export function blocksOf(examples: number, perExample: number): Array<readonly [number, number]> {
  const step = Math.max(1, Math.min(examples, Math.floor(blockFloats() / perExample)));
  return Array.from({length: Math.ceil(examples / step)}, (_, i) => [i * step, Math.min((i + 1) * step, examples)] as const);
}

/** x_b x_bᵀ [B, C, C] for x [B·C, columns]. */
export function blockProducts(x: Tensor, examples: number, components: number): Tensor {
  if (components === 1) {
    return shaped(sumRows(mul(x, x)), [examples, 1, 1]);
  }
  const blocks: Tensor3D = reshape(x, [examples, components, -1]);
  return batchMatMul(blocks, blocks, false, true);
}

/** The same from dense rows, block by block. @param rows as in `denseGram`. */
export function denseExampleGrams(examples: number, components: number, size: number, rows: (from: number, to: number) => Tensor): Tensor {
  return tidy(() => concat(blocksOf(examples, size * components).map(([from, to]) => tidy(() => blockProducts(rows(from, to), to - from, components))), 0));
}

/**
 * Gram matrix of dense rows, block by block: rows that do not fit are formed again for each pair of blocks.
 *
 * @param rows rows of the examples from..to-1, [(to - from)·C, size].
 */
export function denseGram(examples: number, components: number, size: number,
    rows: (from: number, to: number) => Tensor): Tensor {
  const blocks = blocksOf(examples, size * components);
  if (blocks.length === 1) {
    return tidy(() => new OuterProducts().of(rows(...blocks[0])));
  }
  return tidy(() => concat(blocks.map(block => tidy(() => {
    const left = rows(...block);
    return concat(blocks.map(other => tidy(() => longProducts(left, other === block ? left : rows(...other)))), 1);
  })), 0));
}
