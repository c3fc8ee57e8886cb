import type {Tensor} from '@tensorflow/tfjs-core';
import type {OuterProducts} from './outer_products';

/**
 * A place at which a kernel joins the data of the examples with a parameter p (a variable or a view
 * of one): one summand of the batch Jacobian. Its n = B·C rows are ordered (example b, component
 * c).
 */
export interface ParameterUse {
  /** B. */
  readonly examples: number;
  /** C. */
  readonly components: number;
  /** |p|, the number of elements of p. */
  readonly size: number;
  /** J_use p, [B, C], for a tensor of p's shape. */
  apply(p: Tensor): Tensor;
  /** J_useᵀ u for u [B, C]: |p| elements in p's order. */
  applyTranspose(u: Tensor): Tensor;
  /** Rows of the examples from..to-1, [(to - from)·C, |p|], in p's order. */
  rows(from: number, to: number): Tensor;
  /** J_use J_useᵀ as `left ∘ right`. */
  gram(outer: OuterProducts): GramTerm;
  /**
   * The blocks of J_use J_useᵀ on its diagonal, [n/k, k, k]: one for each example if k = C, the
   * squares of the rows if k = 1.
   */
  diagonalBlocks(k: number): Tensor;
  /** The tensors that all products read. */
  readonly tensors: readonly Tensor[];
}

/**
 * left ∘ right, [n, n]. The left factor is [B, B], and an entry of it counts for all pairs of
 * components; a null left is a matrix of ones.
 */
export interface GramTerm {
  readonly left: Tensor | null;
  readonly right: Tensor;
}

/**
 * A use with one component whose rows are products of some factor with δ [n, out] itself:
 *
 *     J_use p = Σ_out δ ∘ f(p),    J_useᵀ u = fᵀ(u ∘ δ)
 *
 * A layer's kernel and bias have one δ, so the product of δ with Σ f(p) and u ∘ δ are formed once.
 */
export interface DeltaUse extends ParameterUse {
  /** δ, [n, out]; null if the rows are not of this form. */
  readonly delta: Tensor | null;
  /** f(p), [n, out] or [1, out]. */
  preactivation(p: Tensor): Tensor;
  /**
   * fᵀ(u ∘ δ), |p| elements.
   *
   * @param weighted u ∘ δ, [n, out].
   * @param ones gives a row of ones [1, n], made at its first call.
   */
  pullWeighted(weighted: Tensor, ones: () => Tensor): Tensor;
}

export function sharesDelta(use: ParameterUse): use is DeltaUse & {readonly delta: Tensor} {
  return (use as Partial<DeltaUse>).delta != null;
}
