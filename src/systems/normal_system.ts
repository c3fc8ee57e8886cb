import {getBackend, tensor, tidy} from '@tensorflow/tfjs-core';
import {totalSize} from '../arrays/vectors';
import type {DenseRows, ForEachRows} from '../jacobian/whole/linearization';
import {ChunkedJacobian} from '../jacobian/whole/chunked_jacobian';
import type {Piece} from '../jacobian/whole/operator';
import {factorizeHere} from '../jacobian/whole/factorize';
import {READS_ARE_CHEAP, transposeMultiply} from '../tfjs/fast_ops';
import {diagonalRoot} from '../solve/curvature_root';
import type {DampedProblem, Solution} from '../solve/damped_step';
import {LEAST_CURVATURE} from '../solve/damping';
import {normalProblem, type NormalProblem, type NormalStep} from '../solve/normal_equations';
import {NormalSums, weightsOf, type GramProducts, type RowWeights} from '../solve/normal_sums';
import type {RelativeCurvature} from '../solve/relative_evidence';
import {promised, resolvedDecrease, type UndampedDecrease} from '../solve/resolved_decrease';
import {BackendSums} from './backend_sums';
import type {Scales} from './largest_scales';
import {ParameterSystem} from './parameter_system';
import type {LocalModelParts, RehearsedFor, RoundingOfRows} from './step_system';
import {flatten, spread} from './variable_vector';

/**
 * The root mean square distance of a float32 from the wanted number, as a share of the number:
 * ulp/√12, and an ulp is 2⁻²⁴ to 2⁻²³ of the number.
 */
const PARAMETER_ROUNDING = 2 ** -25;

/**
 * Share of the largest diagonal that a parameter has had, below which the parameter may have lost
 * its effect: the column has fallen to 2⁻¹² of its length.
 */
const LOST = 2 ** -24;

/**
 * Whether a parameter w has no effect on the residuals, or has lost its effect: a change by all of
 * w changes the residuals by less than their rounding. Such a point is a plateau and no minimum.
 */
const isLost = (w: number, diagonal: number, largest: number, ofResiduals: number): boolean =>
  diagonal === 0 || (diagonal < LOST * largest && w * w * diagonal <= ofResiduals);

/**
 * The normal equations (JᵀHJ + D) d = λμ Σ d_prev - g, m x m, summed over chunks of rows in one
 * pass.
 */
export class NormalSystem extends ParameterSystem {
  private formed: NormalParts | null = null;

  problem(momentum: number): DampedProblem<NormalStep> {
    const {matrix, isFloat32} = this.normalParts();
    return normalProblem({
      m: this.width, matrix, gradient: this.gradient(), rho: this.rhoOfAll(),
      previous: momentum === 0 ? null : this.previous, momentum, scaling: this.parts.scaling,
      leastDiagonal: this.scales().faded, isFloat32, ...(isFloat32 ? {factorize: factorizeHere()} : {}),
    });
  }

  override scales(): Scales {
    const {matrix, most} = this.normalParts();
    const {earlierScales: earlier} = this.parts;
    const atLeast = (least: Float64Array | undefined): Float64Array => most.map((x, j) =>
      Math.max(matrix[j * this.width + j], LEAST_CURVATURE * x, least === undefined ? 0 : least[j]));
    return {largest: atLeast(earlier?.largest), faded: atLeast(earlier?.faded)};
  }

  regularized(parts: LocalModelParts): NormalSystem {
    const system = new NormalSystem(parts, this.clock);
    system.formed = this.formed;
    return system;
  }

  override relativeCurvature(): RelativeCurvature {
    const size = this.width;
    const scale = this.rhoOfAll().map(rho => 1 / Math.sqrt(2 * rho));
    const {matrix, isFloat32} = this.normalParts();
    const scaled = matrix.map((x, p) => x * scale[Math.floor(p / size)] * scale[p % size]);
    return {matrix: scaled, size, isFloat32};
  }

  previousChange(): Float64Array | null {
    return this.normalParts().previousChange;
  }

  /** The bounds are those of the loss: their sums are taken in the same pass over the rows. */
  traceOfBounds(): number {
    return this.normalParts().most.reduce((sum, x) => sum + x, 0);
  }

  undampedDecrease(damped: DampedProblem<Solution>, rounding: RoundingOfRows): () => UndampedDecrease {
    return this.normalParts().isFloat32 ? this.decreaseInFloat32(damped as NormalProblem) : this.resolved(rounding);
  }

  protected gradientOfRows(): Float64Array {
    return this.normalParts().gradient;
  }

  /** The decrease by a matrix in float64, which resolves the directions that rounding leaves. */
  private resolved({ofResiduals, ofJacobian}: RoundingOfRows): () => UndampedDecrease {
    const {width: m, extra, parts: {variables, weights, earlierScales, derivatives: {weighted}}} = this;
    const n = Math.max(1, weighted);
    const {matrix} = this.normalParts();
    const [gradient, rho] = [this.gradient(), this.rhoOfAll()];
    const values = flatten(weights, variables);
    const ofParameters = values.map(w => PARAMETER_ROUNDING * w);
    const lost = values.filter((w, j) => rho[j] === 0 && (extra === null || extra[j] === 0) &&
        isLost(w, matrix[j * m + j], earlierScales?.largest[j] ?? 0, ofResiduals)).length;
    const variances = {ofResiduals: ofResiduals / n, ofJacobian: ofJacobian / n, ofParameters};
    return () => ({...resolvedDecrease({m, matrix, gradient, rho}, variances), lost});
  }

  /** The decrease by a matrix in float32, with the least damping that it allows. */
  private decreaseInFloat32(damped: NormalProblem): () => UndampedDecrease {
    const [gradient, rho] = [this.gradient(), this.rhoOfAll()];
    return () => {
      // A factorization may be a tensor, and a call from outside a step has no scope for it.
      const solved: Array<ReturnType<NormalProblem['undamped']>> = [];
      tidy(() => void solved.push(damped.undamped()));
      const [solution] = solved;
      return promised(!solution.ok ? NaN : solution.step.reduce((decrease, d, j) =>
        decrease - gradient[j] * d - rho[j] * d * d, -solution.curvature / 2));
    };
  }

  private normalParts(): NormalParts {
    const {linearization, derivatives: {q, root, most}} = this.parts;
    return this.formed ??= this.clock.time('gram', () =>
      formNormalParts(linearization.forEachRows, this.width, {root, q, bounds: most ?? null}, this.previous));
  }

  /** ρ by parameter. */
  private rhoOfAll(): Float64Array {
    return spread(this.parts.ridge.rhos, this.parts.variables);
  }
}

/** The sums over the rows that the normal equations take. */
interface NormalParts extends Pick<NormalSums, 'matrix' | 'gradient' | 'most'> {
  /** Whether the products in the matrix are in float32. */
  readonly isFloat32: boolean;
  /** J d_prev (n); null if there is no d_prev. */
  readonly previousChange: Float64Array | null;
}

/**
 * Multiply-adds n m² above which the backend takes the products, in float32. Loops of our own, in
 * float64, would take too long.
 *
 * Measured: loops of this size take half a second.
 */
const MAX_FLOAT64_PRODUCTS = 2 ** 28;

/**
 * Sums the normal equations in one pass over the rows.
 *
 * @param maxFloat64 multiply-adds up to which products are taken in float64.
 */
export function formNormalParts(forEachRows: ForEachRows, m: number, weights: RowWeights, previous: Float64Array | null,
    maxFloat64 = MAX_FLOAT64_PRODUCTS): NormalParts {
  const {n} = weights.root;
  const isFloat32 = takesFloat32(n, m, maxFloat64);
  const sums = sumsOf(m, isFloat32, previous);
  const previousChange = previous === null ? null : new Float64Array(n);
  forEachRows((rows, from, count) => {
    const change = addRows(sums, rows, weightsOf(weights, from, from + count));
    previousChange?.set(change!, from);
  });
  const {matrix, gradient, most} = sums;
  return {matrix, gradient, most, isFloat32, previousChange};
}

/**
 * Adds the rows of some pieces of J to normal equations of all n rows, in a rehearsal. Sums in
 * float64 take no memory beside the rows, and the time is not spent on them.
 */
export function rehearseSums({variables, rows: n}: RehearsedFor, largest: Piece): void {
  const m = totalSize(variables);
  new ChunkedJacobian([largest]).forEach(jacobian => tidy(() => {
    const {rows} = jacobian;
    const dense = jacobian.dense();
    if (takesFloat32(n, m)) {
      addRows(sumsOf(m, true, null), {tensor: () => dense, read: () => dense.dataSync() as Float32Array},
          {root: diagonalRoot(new Float64Array(rows).fill(1)), q: new Float64Array(rows), bounds: null});
    }
  }));
}

/** Whether the backend takes the products. On cpu, one in float32 is a loop, too. */
const takesFloat32 = (n: number, m: number, maxFloat64 = MAX_FLOAT64_PRODUCTS): boolean =>
  n * m * m > maxFloat64 && getBackend() !== 'cpu';

const sumsOf = (m: number, isFloat32: boolean, previous: Float64Array | null): NormalSums | BackendSums =>
  isFloat32 && !READS_ARE_CHEAP.has(getBackend()) ? new BackendSums(m, previous) :
    new NormalSums(m, isFloat32 ? productsInFloat32 : undefined, previous);

const addRows = (sums: NormalSums | BackendSums, rows: DenseRows, weights: RowWeights): Float64Array | null =>
  sums instanceof NormalSums ? sums.add(rows.read(), weights) : sums.add(rows, weights);

const productsInFloat32: GramProducts = (rows, n, m) => {
  let products: ArrayLike<number> = [];
  tidy(() => {
    // Rows that a statistic of the batch was added to are in float64.
    const a = tensor(rows instanceof Float32Array ? rows : Float32Array.from(rows), [n, m]);
    products = transposeMultiply(a, a).dataSync();
  });
  return products;  // not from the tidy, which would look for tensors in it, entry by entry
};
