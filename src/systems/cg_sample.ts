import {concat, slice, tidy, zeros, type Tensor, type Variable} from '@tensorflow/tfjs-core';
import {cholesky} from '../arrays/cholesky';
import type {BatchJacobian} from '../jacobian/sweep/batch_jacobian';
import {preconditionHere} from '../jacobian/whole/factorize';
import type {Piece, PieceOperator} from '../jacobian/whole/operator';
import type {Product} from '../solve/conjugate_gradient';
import {diagonalRoot, type CurvatureRoot} from '../solve/curvature_root';
import {float32Floor} from '../solve/damping';
import {SAMPLE_ROWS} from '../solve/system';
import {blockFloats} from '../tfjs/memory';
import type {Approximation} from './cg_problem';
import {changeOf, pulled} from './cg_products';
import type {Ridge} from './ridge';
import {split, spread} from './variable_vector';

/** Rows of J as an operator. */
export type RowsOperator = Pick<BatchJacobian, 'rows' | 'gram' | 'apply' | 'applyTranspose'>;

/** The rows that stand for all rows of a step in the preconditioner of conjugate gradients. */
interface Sample {
  readonly jacobian: RowsOperator;
  /** S of these rows. */
  readonly root: CurvatureRoot;
}

/**
 * The sample of the first piece, of about 1024 rows at most: its first examples. If one example has
 * more rows and the loss does not couple them, the sample has the first rows of each example.
 */
export function sampleOf(piece: Piece<PieceOperator>, root: CurvatureRoot): Sample {
  const {jacobian, plan: {components: C, analysis: {examples}}} = piece.linearize();
  const ofEach = Math.floor(Math.min(SAMPLE_ROWS, Math.sqrt(blockFloats())) / examples);
  if (C <= SAMPLE_ROWS || !root.isDiagonal || ofEach === 0) {
    const rows = Math.min(jacobian.rows, Math.max(1, Math.floor(SAMPLE_ROWS / C)) * C);
    return {jacobian: firstRows(jacobian, rows), root: root.part(0, rows)};
  }
  const {entries} = root.tiles()!;
  return {
    jacobian: piece.components(ofEach),
    root: diagonalRoot(Float64Array.from({length: examples * ofEach},
        (_, i) => entries[Math.floor(i / ofEach) * C + i % ofEach])),
  };
}

/** The first rows of a piece. */
export function firstRows(piece: RowsOperator, rows: number): RowsOperator {
  return rows === piece.rows ? piece : {
    rows,
    gram: partOf => tidy(() => piece.gram(partOf).map(gram => slice(gram, [0, 0], [rows, rows]))),
    apply: d => tidy(() => slice(piece.apply(d), [0], [rows])),
    applyTranspose: (u: Tensor, wanted) => piece.applyTranspose(concat([u, zeros([piece.rows - rows])]), wanted),
  };
}

/**
 * The least λ of the preconditioner, as a multiple of |JᵀHJ|. The preconditioner is a difference of
 * two terms that are |JᵀHJ|/λ times as large, in products of float32, and must stay positive
 * definite.
 */
const PRECONDITIONER_FLOOR_RATIO = 2 ** -14;

/**
 * The approximation of JᵀHJ of all rows by the curvature of a sample, n_s of the n rows,
 *
 *     P = J_sᵀH_sJ_s + D,      P⁻¹ = D⁻¹ - D⁻¹J_sᵀS_s (I + S_sᵀJ_sD⁻¹J_sᵀS_s)⁻¹ S_sᵀJ_sD⁻¹
 *
 * P⁻¹ takes a factor of size n_s. The sample is not scaled up by n/n_s, since it hardly has some of
 * the directions of all rows.
 *
 * @param rows n.
 * @param trace trace(JᵀHJ) of all rows.
 */
export function approximationBySample(sample: Sample, {rows, trace, ridge, variables}:
    {readonly rows: number; readonly trace: number; readonly ridge: Ridge; readonly variables: readonly Variable[]}):
    Approximation {
  const grams = gramsOf(sample, ridge);
  const rhoOf = spread(ridge.rhos, variables);
  const {jacobian} = sample;
  // |JᵀHJ| comes from that of the sample. If the sample holds less than its share of the curvature,
  // then the mean of the eigenvalues counts.
  const ofSample = float32Floor(grams.reduce((sum, gram) => sum.map((x, i) => x + gram[i])), jacobian.rows).norm;
  const norm = Math.max(rows / jacobian.rows * ofSample, trace / rows);
  return {trace, norm, preconditioner: lambda => {
    const least = Math.max(lambda, PRECONDITIONER_FLOOR_RATIO * norm);
    return preconditioner(ridge, grams, least, rhoOf.map(rho => least + 2 * rho), sample, variables);
  }};
}

/** SᵀG_gS of the sample, by part g of ρ. */
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
