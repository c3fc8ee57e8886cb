import {tensor, tidy, type Variable} from '@tensorflow/tfjs-core';
import {traceOf} from '../arrays/symmetric';
import {addInto} from '../arrays/vectors';
import type {BatchJacobian} from '../jacobian/sweep/batch_jacobian';
import type {JacobianOperator} from '../jacobian/whole/operator';
import type {Product} from '../solve/conjugate_gradient';
import type {CurvatureRoot} from '../solve/curvature_root';
import {flatten, split} from './variable_vector';

/** Shows the rows in pieces, as operators, each with the index of its first row. */
export type ForEachPiece<T = JacobianOperator> = (visit: (piece: T, from: number) => void) => void;

/** x ↦ JᵀHJ x (m), piece by piece. */
export const curvatureOf = (forEachPiece: ForEachPiece, root: CurvatureRoot, variables: readonly Variable[]): Product =>
  x => {
    const sum = new Float64Array(x.length);
    tidy(() => {
      const d = split(x, variables);
      forEachPiece((piece, from) => {
        const curved = hessianTimes(root.part(from, from + piece.rows), changeOf(piece, d));
        addInto(sum, 1, pulled(piece, curved, variables));
      });
    });
    return sum;
  };

/**
 * trace(SᵀGS) of all rows. S is block diagonal, so that the blocks of G on its diagonal are enough.
 * If S is diagonal, the squares of the rows are enough.
 */
export function traceOfPieces(forEachPiece: ForEachPiece<Pick<BatchJacobian, 'rows' | 'diagonalBlocks'>>,
    root: CurvatureRoot): number {
  let trace = 0;
  forEachPiece((piece, from) => {
    const grams = root.isDiagonal ? piece.diagonalBlocks(1) : piece.diagonalBlocks();
    const [examples, components] = grams.shape as [number, number, number];
    const blocks = Float64Array.from(grams.dataSync());
    const own = root.part(from, from + piece.rows);
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

/** H u = S Sᵀ u. */
export const hessianTimes = (root: CurvatureRoot, u: Float64Array): Float64Array => root.apply(root.applyTranspose(u));

/** J d of a piece. */
export const changeOf = (piece: JacobianOperator, d: Parameters<JacobianOperator['apply']>[0]): Float64Array =>
  Float64Array.from(piece.apply(d).dataSync());

/** Jᵀu of a piece. */
export const pulled = (piece: JacobianOperator, u: Float64Array, variables: readonly Variable[]): Float64Array =>
  flatten(piece.applyTranspose(tensor(Float32Array.from(u), [u.length])), variables);
