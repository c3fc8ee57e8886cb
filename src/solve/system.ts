/**
 * The linear systems that give a step, for n rows and m parameters:
 *
 * - `gram`: SᵀJJᵀS + λI, n x n. n³/3 operations for its factor; J is never formed for dense layers.
 * - `normal`: JᵀHJ + λΣ, m x m. n m²/2 for the matrix, m³/3 for its factor; summed over chunks of rows, so that n is not limited.
 * - `cg`: the same by conjugate gradients on products with J and Jᵀ: neither n nor m is limited. Each product goes through all rows.
 *
 * @public
 */
export type SystemName = 'gram' | 'normal' | 'cg';

/** Rows of the largest Gram matrix: 512 MiB in float64. */
export const MAX_GRAM_ROWS = 8192;

/** Parameters of the largest normal equations: 32 MiB in float64. */
export const MAX_NORMAL_PARAMETERS = 2048;

/** What the choice depends on. */
export interface SystemSize {
  /** n. */
  readonly rows: number;
  /** m: trained parameters that the rows depend on. */
  readonly parameters: number;
  /** All trained parameters: the columns of the normal equations. */
  readonly width: number;
}

export const mayBeGram = ({rows}: SystemSize): boolean => rows <= MAX_GRAM_ROWS;
export const mayBeNormal = ({width}: SystemSize): boolean => width <= MAX_NORMAL_PARAMETERS;

/** The smaller of the first two systems that is possible, else conjugate gradients: the cubes of their sizes are what they cost, and what is not in the system is a product at the speed of the backend. */
export function smallestSystem(size: SystemSize): SystemName {
  const isNormalSmaller = size.parameters < size.rows;
  return mayBeNormal(size) && (isNormalSmaller || !mayBeGram(size)) ? 'normal' : mayBeGram(size) ? 'gram' : 'cg';
}
