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

/**
 * Operations n m²/2 + m³/3 up to which the normal equations are taken wherever they are smaller: some ten milliseconds. A curve with nearly as many parameters as points
 * keeps their low damping then.
 */
const SMALL_COST = 2 ** 24;

/** Operations of the normal equations up to which a fit of scalars and vectors takes them also where the Gram system is smaller: half a second or so, 600 equations of as many unknowns. */
const FIT_COST = 2 ** 28;

const costOfNormal = ({rows: n, width: m}: SystemSize): number => n * m ** 2 / 2 + m ** 3 / 3;

/** Whether the normal equations of a fit do not take long; with more than two parameters for each row, where the Gram system takes next to nothing, only if they are small. */
export const isQuickNormal = (size: SystemSize): boolean =>
  mayBeNormal(size) && costOfNormal(size) <= (size.width <= 2 * size.rows ? FIT_COST : SMALL_COST);

/**
 * Rows up to which the Gram system is taken by itself. Beyond, its step takes longer than one by conjugate gradients that are slow to converge, and its matrices more memory: 20 n² bytes of
 * tensors or more, at 8000 rows more than the default of memoryLimit. Measured on WASM at τ = 0.1: 4000 rows x 1,738 parameters take 3.2 s, and 0.5 s by conjugate gradients; these take 0.9 s
 * for 12,000 x 4,810, at τ = 0.001 2.1 s. They stay the second choice below, since they may need more damping, and tell less: no effective dimension, no remaining decrease.
 */
const AUTO_GRAM_ROWS = 4096;

/**
 * The system that takes less time, of the first two where they are possible and not too large, else conjugate gradients.
 *
 * The normal equations take n m²/2 + m³/3 operations, up to 2²⁸ = n m² in float64 in loops of our own. The Gram system takes n³/3, and its matrix comes for less than n² m from
 * the factors of the rows, all at the speed of the backend, about ten times that of JavaScript. So m is below n/2, not only below n, where they are taken, unless they are small.
 * Measured on WASM: 600 rows x 529 parameters take 707 ms from the normal equations and 212 ms from the Gram matrix, 2000 x 1870 take 9 s and 2.6 s.
 */
export function smallestSystem(size: SystemSize): SystemName {
  const {rows: n, parameters: m} = size;
  const isNormalFaster = m < n / 2 || (m < n && n * m ** 2 / 2 + m ** 3 / 3 <= SMALL_COST);
  const isGramFast = n <= AUTO_GRAM_ROWS;
  return mayBeNormal(size) && (isNormalFaster || !isGramFast) ? 'normal' : isGramFast ? 'gram' : 'cg';
}
