/**
 * The linear systems that a step is solved from, for n rows and m parameters:
 *
 * - `gram`: SᵀJJᵀS + λI, n x n, from the Gram matrix of the rows. Its factor takes n³/3 operations.
 *   At most 8192 rows. J is never formed for dense layers.
 * - `normal`: JᵀHJ + λΣ, m x m, the normal equations. The matrix takes n m²/2 operations and its
 *   factor m³/3. The matrix is summed over chunks of rows, so that n is not limited. At most 2048
 *   parameters.
 * - `cg`: JᵀHJ + λI by conjugate gradients on products with J and Jᵀ, to a relative residual of
 *   1e-6. Neither n nor m is limited. Each product goes through all rows. If they do not converge
 *   in 200 products, then the damping is raised. The factors of the products are held over all
 *   products as far as `memoryLimit` allows.
 *
 * The solver `'auto'` takes the faster of the first two (`normal` if m < n/2, or if m < n and both
 * are small), and `cg` with more than 4096 rows and more than 2048 parameters, or with more than
 * 1024 outputs of an example and more than 128 parameters. If all trained
 * variables are scalars or vectors and the policy is `'levenbergMarquardt'`, then it takes `normal`
 * for any n, up to 2048 parameters and n m²/2 + m³/3 ≤ 2²⁸ operations (2²⁴ if m > 2n).
 *
 * @public
 */
export type SystemName = 'gram' | 'normal' | 'cg';

/** The facts of a system that other code asks for. */
interface SystemFacts {
  /** Rows and columns of the matrix that the system forms: n or m; null if it forms none. */
  readonly matrix: 'rows' | 'parameters' | null;
  /** The name of that matrix in errors. */
  readonly matrixName?: string;
  /** The most rows and columns of that matrix. */
  readonly most: number;
  /** Whether the system takes squares of J in float32, so that they must be finite. */
  readonly isFloat32: boolean;
  /** Whether the system has the diagonal of JᵀHJ, which Marquardt's scaling takes. */
  readonly takesMarquardt: boolean;
  /** Whether the system has an evidence: its `relativeCurvature` is not null. */
  readonly hasEvidence: boolean;
}

/** Rows of the largest Gram matrix, which takes 512 MiB in float64. */
const MAX_GRAM_ROWS = 8192;

/**
 * Rows of the preconditioner of conjugate gradients, a sample of all rows. Its factor is taken in
 * JavaScript, in float64.
 */
export const SAMPLE_ROWS = 1024;

/** Parameters up to which the rows come from one forward sweep with a direction for each. */
export const FEW_PARAMETERS = 128;

/**
 * Outputs of an example from which conjugate gradients take products with J by sweeps: they take
 * fewer sweeps than there are outputs.
 */
export const MANY_OUTPUTS = 1024;

/** Parameters of the largest normal equations, whose matrix takes 32 MiB in float64. */
const MAX_NORMAL_PARAMETERS = 2048;

/** The facts of each system. */
export const SYSTEM_FACTS: Readonly<Record<SystemName, SystemFacts>> = {
  gram: {matrix: 'rows', matrixName: 'the Gram matrix', most: MAX_GRAM_ROWS,
    isFloat32: true, takesMarquardt: false, hasEvidence: true},
  normal: {matrix: 'parameters', matrixName: 'normal equations', most: MAX_NORMAL_PARAMETERS,
    isFloat32: false, takesMarquardt: true, hasEvidence: true},
  cg: {matrix: null, most: Infinity, isFloat32: true, takesMarquardt: false, hasEvidence: false},
};

/** The system that takes products with J alone. */
export const MATRIX_FREE: SystemName = 'cg';

/** Whether a system forms the Gram matrix of all rows. */
export const takesGram = (system: SystemName): boolean => SYSTEM_FACTS[system].matrix === 'rows';

/** Sizes that the choice of a system depends on. */
export interface SystemSize {
  /** n, rows of J. */
  readonly rows: number;
  /** m, trained parameters that the rows depend on. */
  readonly parameters: number;
  /** All trained parameters: rows and columns of the normal equations. */
  readonly width: number;
  /** C, the most outputs of an example; 1 by default. */
  readonly outputs?: number;
}

/** The system of an evidence if the fastest system has none. */
export const SYSTEM_OF_EVIDENCE: SystemName = 'gram';

/** The system of fits of scalars and vectors, and of Marquardt's scaling. */
export const SYSTEM_OF_FITS: SystemName = 'normal';

const mayBeNormal = ({width}: SystemSize): boolean => width <= MAX_NORMAL_PARAMETERS;

/** Operations of the normal equations: n m²/2 for the matrix, m³/3 for its factor. */
const costOfNormal = (n: number, m: number): number => n * m ** 2 / 2 + m ** 3 / 3;

/**
 * Normal equations of up to this many operations count as small. Small ones are preferred, so that
 * a curve with nearly as many parameters as points keeps their low damping.
 *
 * Measured: they take some ten milliseconds.
 */
const SMALL_COST = 2 ** 24;

/**
 * Up to this many operations a fit of scalars and vectors takes the normal equations even if the
 * Gram system is smaller.
 *
 * Measured: they take about half a second, as do 600 equations of 600 unknowns.
 */
const FIT_COST = 2 ** 28;

/**
 * Whether the normal equations of a fit are quick. If there are more than two parameters for each
 * row, the Gram system takes next to no time, and the normal equations must be small.
 */
export const isQuickNormal = (size: SystemSize): boolean =>
  mayBeNormal(size) && costOfNormal(size.rows, size.width) <= (size.width <= 2 * size.rows ? FIT_COST : SMALL_COST);

/**
 * Up to this many rows the Gram system is preferred to conjugate gradients. With more rows its step
 * takes longer than conjugate gradients that converge slowly. Its matrices take 20 n² bytes of
 * tensors or more, which at 8000 rows is above the default of memoryLimit.
 *
 * With fewer rows conjugate gradients are the second choice: they may need more damping, and give
 * neither an effective dimension nor a remaining decrease.
 *
 * Measured: on WASM at τ = 0.1 and 4000 rows x 1,738 parameters, 3.2 s from the Gram matrix and 0.5
 * s by conjugate gradients; for 12,000 x 4,810 conjugate gradients take 0.9 s, at τ = 0.001 2.1 s.
 */
const AUTO_GRAM_ROWS = 4096;

/**
 * The faster of the Gram system and the normal equations, of those that are possible and not too
 * large; otherwise conjugate gradients. Both form the rows by a reverse sweep for each output of an
 * example, so that conjugate gradients are faster if there are more outputs than their products
 * take sweeps.
 *
 * The normal equations take n m²/2 + m³/3 operations, by loops in float64 if n m² ≤ 2²⁸. The Gram
 * system takes n³/3 operations for its factor and less than n² m for its matrix, which is formed
 * from the factors of the rows. All of these run at the speed of the backend. So the normal
 * equations are taken if m < n/2, and also if m < n and they are small.
 *
 * Measured: on WASM 600 rows x 529 parameters take 707 ms from the normal equations and 212 ms from
 * the Gram matrix; 2000 x 1870 take 9 s and 2.6 s. The backend has about ten times the speed of
 * JavaScript.
 */
export function smallestSystem(size: SystemSize): SystemName {
  const {rows: n, parameters: m, outputs: C = 1} = size;
  if (C > MANY_OUTPUTS && m > FEW_PARAMETERS) {
    return 'cg';
  }
  const isNormalFaster = m < n / 2 || (m < n && costOfNormal(n, m) <= SMALL_COST);
  const isGramFast = n <= AUTO_GRAM_ROWS;
  return mayBeNormal(size) && (isNormalFaster || !isGramFast) ? 'normal' : isGramFast ? 'gram' : 'cg';
}
