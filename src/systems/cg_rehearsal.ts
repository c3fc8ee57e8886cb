import {tidy} from '@tensorflow/tfjs-core';
import {ChunkedJacobian} from '../jacobian/whole/chunked_jacobian';
import type {Piece, PieceOperator} from '../jacobian/whole/operator';
import {diagonalRoot} from '../solve/curvature_root';
import {changeOf, pulled} from './cg_products';
import {sampleOf} from './cg_sample';
import type {RehearsedFor} from './step_system';
import {split} from './variable_vector';

/**
 * Takes the products of conjugate gradients in a rehearsal: J d and Jᵀu piece by piece. If a form
 * of the rows is made, the Gram matrix of the sample and the squares of the rows come first.
 *
 * The curvature of the loss is not known yet. It counts as diagonal, which takes the least.
 */
export function rehearseProducts(pieces: ReadonlyArray<Piece<PieceOperator>>, {variables, partOf}: RehearsedFor): void {
  const jacobian = new ChunkedJacobian(pieces);
  tidy(() => {
    if (!pieces.some(({isSwept}) => isSwept)) {
      const sample = sampleOf(pieces[0], diagonalRoot(new Float64Array(pieces[0].rows).fill(1)));
      tidy(() => void sample.jacobian.gram(partOf));
      jacobian.forEach(piece => piece.diagonalBlocks(1));
    }
    const d = split(new Float64Array(variables.reduce((sum, {size}) => sum + size, 0)), variables);
    jacobian.forEach(piece => {
      changeOf(piece, d);
      pulled(piece, new Float64Array(piece.rows), variables);
    });
  });
}
