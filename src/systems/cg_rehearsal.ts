import {tidy, zeros} from '@tensorflow/tfjs-core';
import {totalSize} from '../arrays/vectors';
import {ChunkedJacobian} from '../jacobian/whole/chunked_jacobian';
import type {Piece, PieceOperator} from '../jacobian/whole/operator';
import {diagonalRoot} from '../solve/curvature_root';
import {changeOf, pulled} from './cg_products';
import {sampleOf} from './cg_sample';
import type {RehearsedFor} from './step_system';
import {split} from './variable_vector';

/**
 * Takes the products of conjugate gradients in a rehearsal: Jᵀq, then J d and Jᵀu piece by piece.
 * If a form of the rows is made, the Gram matrix of the sample and the squares of the rows come
 * first.
 */
export function rehearseProducts({variables, partOf, couples}: RehearsedFor, _: Piece,
    ends: () => ReadonlyArray<Piece<PieceOperator>>): void {
  const pieces = ends();
  const jacobian = new ChunkedJacobian(pieces);
  tidy(() => {
    if (!pieces.some(({isSwept}) => isSwept)) {
      const root = {...diagonalRoot(new Float64Array(pieces[0].rows).fill(1)), isDiagonal: !couples};
      const sample = sampleOf(pieces[0], root);
      tidy(() => void sample.jacobian.gram(partOf));
      jacobian.forEach(piece => couples ? piece.diagonalBlocks() : piece.diagonalBlocks(1));
    }
    tidy(() => void jacobian.applyTranspose(zeros([jacobian.rows])));
    const d = split(new Float64Array(totalSize(variables)), variables);
    jacobian.forEach(piece => {
      changeOf(piece, d);
      pulled(piece, new Float64Array(piece.rows), variables);
    });
  });
}
