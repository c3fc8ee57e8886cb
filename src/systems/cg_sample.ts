import {concat, slice, tidy, zeros} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import type {BatchJacobian} from '../jacobian/sweep/batch_jacobian';
import type {Piece, PieceOperator} from '../jacobian/whole/operator';
import {diagonalRoot} from '../solve/curvature_root';
import type {CurvatureRoot} from '../solve/curvature_root';
import {SAMPLE_ROWS} from '../solve/system';
import {blockFloats} from '../tfjs/memory';

/** Rows of J as an operator. */
export type RowsOperator = Pick<BatchJacobian, 'rows' | 'gram' | 'apply' | 'applyTranspose'>;

/** The rows that stand for all rows of a step in the preconditioner of conjugate gradients. */
export interface Sample {
  readonly jacobian: RowsOperator;
  /** S of these rows. */
  readonly root: CurvatureRoot;
}

/**
 * The sample of the first piece, of about 1024 rows at most: its first examples. If one example has
 * more rows and the loss does not couple them, the sample has the first rows of each example.
 */
export function sampleOf(piece: Piece<PieceOperator>, root: CurvatureRoot): Sample {
  const {jacobian, plan: {components: C, analysis: {batch}}} = piece.linearize();
  const ofEach = Math.floor(Math.min(SAMPLE_ROWS, Math.sqrt(blockFloats())) / batch);
  if (C <= SAMPLE_ROWS || !root.isDiagonal || ofEach === 0) {
    const rows = Math.min(jacobian.rows, Math.max(1, Math.floor(SAMPLE_ROWS / C)) * C);
    return {jacobian: firstRows(jacobian, rows), root: root.part(0, rows)};
  }
  const {entries} = root.tiles()!;
  return {
    jacobian: piece.components(ofEach),
    root: diagonalRoot(Float64Array.from({length: batch * ofEach},
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
