import {tensor, tidy} from '@tensorflow/tfjs-core';
import type {Variable} from '@tensorflow/tfjs-core';
import type {BatchJacobian} from '../jacobian/sweep/batch_jacobian';
import {preconditionHere} from '../jacobian/whole/factorize';
import {cholesky} from '../arrays/cholesky';
import {conjugateGradient, TOLERANCE} from '../solve/conjugate_gradient';
import type {Product} from '../solve/conjugate_gradient';
import type {CurvatureRoot} from '../solve/curvature_root';
import type {DampedProblem, SolveFailure} from '../solve/damped_step';
import {float32Floor} from '../solve/damping';
import {traceOf} from '../arrays/symmetric';
import {NORMAL_FLOAT32_FLOOR_RATIO} from '../solve/normal_equations';
import type {NormalStep} from '../solve/normal_equations';
import {addInto, dot, norm as lengthOf} from '../arrays/vectors';
import type {RowsOperator, Sample} from './cg_sample';
import type {Ridge} from './ridge';
import {flatten, split, spread} from './variable_vector';

/** Shows the rows in pieces, as operators, each with the index of its first row. */
export type ForEachPiece<T = RowsOperator> = (visit: (part: T, from: number) => void) => void;

/** The system of a step without λ. */
export interface ConjugateSystem {
  readonly variables: readonly Variable[];
  /** n. */
  readonly rows: number;
  readonly forEachPiece: ForEachPiece;
  /** Rows that stand for all rows in the preconditioner. Their tensors outlive the solve. */
  readonly sample: Sample;
  /** trace(JᵀHJ). */
  readonly trace: number;
  readonly root: CurvatureRoot;
  /** g = Jᵀq + e (m). */
  readonly gradient: Float64Array;
  /** The L2 regularizers. */
  readonly ridge: Ridge;
  /** d_prev by parameter (m); null if it is zero. */
  readonly previous: Float64Array | null;
  /** μ. */
  readonly momentum: number;
  /** The step to start from: the last step, for every μ; null for zero. */
  readonly start: Float64Array | null;
}

/**
 * The largest |b - Mx| / (|b| + |M||x|) of a step that is accepted: ten times the tolerance, which
 * is itself the rounding of products in float32.
 */
const BACKWARD_ERROR = 10 * TOLERANCE;

/**
 * The damped step in the space of the parameters by conjugate gradients, for more rows than a Gram
 * matrix can have and more parameters than normal equations can have:
 *
 *     (JᵀHJ + D) d = λμ d_prev - g,      D = λI + diag(2ρ)
 *
 * Products with JᵀHJ go through the rows piece by piece. The preconditioner is the same matrix of
 * n_s of the n rows,
 *
 *     P = J_sᵀH_sJ_s + D,      P⁻¹ = D⁻¹ - D⁻¹J_sᵀS_s (I + S_sᵀJ_sD⁻¹J_sᵀS_s)⁻¹ S_sᵀJ_sD⁻¹
 *
 * by a factor of size n_s. The sample is not scaled up by n/n_s: to be scaled up, it would have to
 * be like all rows also in directions that it hardly has.
 *
 * Measured: products taken for 12,000 rows and 4,810 parameters at τ = 0.1, 0.01, 0.001. Inputs of
 * 16 dimensions 36, 77, 190 (scaled up 48, 74, 131; without P 191 at τ = 0.1). Inputs of noise in
 * 64 dimensions 54, 136 (scaled up 127, not in 200; without P 74, 184).
 */
export function conjugateProblem(system: ConjugateSystem): DampedProblem<NormalStep> {
  const {variables, rows, root, trace, gradient, ridge, previous, momentum, start, sample, forEachPiece} = system;
  const rhoOf = spread(ridge.rhos, variables);
  const curvature: Product = x => {
    const sum = new Float64Array(x.length);
    tidy(() => {
      const d = split(x, variables);
      forEachPiece((part, from) => {
        const curved = hessianTimes(root.part(from, from + part.rows), changeOf(part, d));
        addInto(sum, 1, pulled(part, curved, variables));
      });
    });
    return sum;
  };
  const {jacobian} = sample;
  const grams = gramsOf(sample, ridge);
  // |JᵀHJ|, from that of the sample. The sample may hold less than its share of the curvature: then
  // the mean of the eigenvalues counts.
  const ofSample = float32Floor(grams.reduce((sum, gram) => sum.map((x, i) => x + gram[i])), jacobian.rows).norm;
  const norm = Math.max(rows / jacobian.rows * ofSample, trace / rows);
  return {
    trace,
    scaling: 'levenberg',
    rho: Math.max(0, ...ridge.rhos),
    limits: () => ({floor: Number.isFinite(trace) ? NORMAL_FLOAT32_FLOOR_RATIO * norm : NaN, trusted: 0}),
    firstBadRow: () => 0,
    solve: (lambda): NormalStep | SolveFailure => {
      const diagonal = rhoOf.map(rho => lambda + 2 * rho);
      const right = gradient.map((g, j) => (previous === null ? 0 : lambda * momentum * previous[j]) - g);
      const bad = right.findIndex(x => !Number.isFinite(x));
      if (bad >= 0 || !Number.isFinite(lambda)) {
        return {ok: false, cause: 'nonfinite', pivot: Math.max(0, bad)};
      }
      const least = Math.max(lambda, PRECONDITIONER_FLOOR_RATIO * norm);
      const damping = rhoOf.map(rho => least + 2 * rho);
      const precondition = preconditioner(ridge, grams, least, damping, sample, variables);
      if (precondition === null) {
        return {ok: false, cause: 'singular', pivot: 0};
      }
      const product: Product = x => addInto(x.map((value, j) => diagonal[j] * value), 1, curvature(x));
      const {x, converged} = conjugateGradient({product, right, precondition, start, tolerance: TOLERANCE});
      if (!converged) {
        return {ok: false, cause: x.every(Number.isFinite) ? 'unconverged' : 'nonfinite', pivot: 0};
      }
      // The residual that conjugate gradients carry along drifts away from the true residual.
      const curved = curvature(x);
      const rest = right.map((b, j) => b - curved[j] - diagonal[j] * x[j]);
      const scale = norm + diagonal.reduce((a, b) => Math.max(a, b), 0);
      if (!(lengthOf(rest) <= BACKWARD_ERROR * (lengthOf(right) + scale * lengthOf(x)))) {
        return {ok: false, cause: rest.every(Number.isFinite) ? 'unconverged' : 'nonfinite', pivot: 0};
      }
      return {ok: true, lambda, step: x, curvature: Math.max(0, dot(x, curved))};
    },
    effectiveDimension: () => NaN,
  };
}

/**
 * The least λ of the preconditioner, as a multiple of |JᵀHJ|. The preconditioner is a difference of
 * two terms that are |JᵀHJ|/λ times as large, in products of float32, and must stay positive
 * definite.
 */
const PRECONDITIONER_FLOOR_RATIO = 2 ** -14;

/** SᵀG_gS of the sample, by part g of the ridge. */
function gramsOf({jacobian, root}: Sample, {partOf}: Ridge): Float64Array[] {
  const grams: Float64Array[] = [];
  tidy(() => {
    for (const gram of jacobian.gram(partOf)) {
      const part = new Float64Array(jacobian.rows ** 2);
      root.addCongruence(Float64Array.from(gram.dataSync()), 1, part);
      grams.push(part);
    }
  });
  return grams;
}

/**
 * trace(SᵀGS) of all rows. S is block diagonal, so that the blocks of G on its diagonal are enough.
 * If S is diagonal, the squares of the rows are enough.
 */
export function traceOfPieces(forEachPiece: ForEachPiece<Pick<BatchJacobian, 'rows' | 'diagonalBlocks'>>,
    root: CurvatureRoot): number {
  let trace = 0;
  forEachPiece((part, from) => {
    const grams = root.isDiagonal ? part.diagonalBlocks(1) : part.diagonalBlocks();
    const [examples, components] = grams.shape as [number, number, number];
    const blocks = Float64Array.from(grams.dataSync());
    const own = root.part(from, from + part.rows);
    if (components === 1) {
      trace += hessianTimes(own, blocks).reduce((sum, x) => sum + x, 0);
      return;
    }
    const curved = new Float64Array(components ** 2);
    for (let b = 0, size = components ** 2; b < examples; b++) {
      const block = blocks.subarray(b * size, (b + 1) * size);
      own.part(b * components, (b + 1) * components).addCongruence(block, 1, curved);
    }
    trace += traceOf(curved, components);
  });
  return trace;
}

/** P⁻¹; null if P cannot be factored. */
function preconditioner({distinct}: Ridge, grams: readonly Float64Array[], lambda: number, diagonal: Float64Array,
    {jacobian, root}: Sample, variables: readonly Variable[]): Product | null {
  const n = jacobian.rows;
  const matrix = new Float64Array(n * n);
  grams.forEach((gram, g) => {
    const scale = 1 / (lambda + 2 * distinct[g]);
    gram.forEach((x, i) => matrix[i] += scale * x);
  });
  for (let i = 0; i < n; i++) {
    matrix[i * n + i] += 1;
  }
  const solve = inverse(matrix, n);
  return solve === null ? null : x => {
    const scaled = x.map((value, j) => value / diagonal[j]);
    let result = scaled;
    tidy(() => {
      const u = solve(root.applyTranspose(changeOf(jacobian, split(scaled, variables))));
      const back = pulled(jacobian, root.apply(u), variables);
      result = scaled.map((value, j) => value - back[j] / diagonal[j]);
    });
    return result;
  };
}

/** Rows from which a factor in float32 takes less time than one in float64. */
const FAST_FROM = 384;

/** M⁻¹ for the preconditioner, which need not be exact: in float32 if that is fast and works. */
function inverse(matrix: Float64Array, n: number): Product | null {
  const approximate = n < FAST_FROM ? null : preconditionHere()?.(matrix, n, 0) ?? null;
  // A factorization of TensorFlow may end in NaN without a word.
  if (approximate !== null && approximate(new Float64Array(n).fill(1)).every(Number.isFinite)) {
    return approximate;
  }
  const factor = cholesky(matrix, n);
  return factor.ok ? factor.solve : null;
}

/** H u = S Sᵀ u. */
const hessianTimes = (root: CurvatureRoot, u: Float64Array): Float64Array => root.apply(root.applyTranspose(u));

/** J d of a piece. */
const changeOf = (part: RowsOperator, d: Parameters<RowsOperator['apply']>[0]): Float64Array =>
  Float64Array.from(part.apply(d).dataSync());

/** Jᵀu of a piece. */
const pulled = (part: RowsOperator, u: Float64Array, variables: readonly Variable[]): Float64Array =>
  flatten(part.applyTranspose(tensor(Float32Array.from(u), [u.length])), variables);
