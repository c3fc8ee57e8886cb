import {concat, matMul, tidy, transpose} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';

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
}

/** left (B x B, or null for ones) ∘ right (n x n); B x B entries count for all pairs of components. */
export interface GramTerm {
  readonly left: Tensor | null;
  readonly right: Tensor;
}

/** x xᵀ of a matrix, computed once for each tensor: a layer's kernel and bias share their cotangents. */
export class OuterProducts {
  private readonly known = new Map<number, Tensor>();

  of(x: Tensor): Tensor {
    let product = this.known.get(x.id);
    if (product === undefined) {
      this.known.set(x.id, product = matMul(x, transpose(x)));
    }
    return product;
  }
}

/** Number of floats that a block of dense rows may take: 64 MiB. */
export const MAX_BLOCK = 2 ** 24;

/**
 * Gram matrix of dense rows, block by block: rows that do not fit are formed again for each pair of blocks.
 *
 * @param rows rows of the examples from..to-1, [(to - from)·C, size].
 */
export function denseGram(examples: number, components: number, size: number,
    rows: (from: number, to: number) => Tensor): Tensor {
  const step = Math.max(1, Math.min(examples, Math.floor(MAX_BLOCK / (size * components))));
  const starts = Array.from({length: Math.ceil(examples / step)}, (_, i) => i * step);
  const block = (from: number): Tensor => rows(from, Math.min(from + step, examples));
  return tidy(() => concat(starts.map(i => tidy(() => {
    const left = block(i);
    return concat(starts.map(j => tidy(() => matMul(left, transpose(j === i ? left : block(j))))), 1);
  })), 0));
}
