import {tidy} from '@tensorflow/tfjs-core';
import type {Variable} from '@tensorflow/tfjs-core';
import {ChunkedJacobian} from '../jacobian/whole/chunked_jacobian';
import type {Piece, PieceOperator} from '../jacobian/whole/operator';
import {diagonalRoot} from '../solve/curvature_root';
import {SYSTEM_FACTS} from '../solve/system';
import type {SystemName} from '../solve/system';
import {changeOf, pulled} from './cg_products';
import {sampleOf} from './cg_sample';
import {rehearseSums} from './normal_system';
import {split} from './variable_vector';

/**
 * Takes the products that a system takes with some pieces of J, for a rehearsal, which counts their
 * memory; null for the Gram system, whose products are those of the Gram matrix.
 *
 * @param rows n of all pieces.
 * @param partOf part of ρ of each variable.
 */
export function rehearsalOf(system: SystemName, variables: readonly Variable[], rows: number,
    partOf: readonly number[]): ((pieces: readonly Piece[]) => void) | null {
  const m = variables.reduce((sum, {size}) => sum + size, 0);
  const {matrix} = SYSTEM_FACTS[system];
  return matrix === 'rows' ? null : matrix === null ? pieces => rehearseProducts(pieces, variables, partOf) :
    pieces => new ChunkedJacobian(pieces).forEach(piece => rehearseSums(piece, rows, m));
}

/**
 * The products of conjugate gradients: J d and Jᵀu piece by piece. If a form of the rows is made,
 * the Gram matrix of the sample and the squares of the rows come first.
 *
 * The curvature of the loss is not known yet. It counts as diagonal, which takes the least.
 */
function rehearseProducts(pieces: ReadonlyArray<Piece<PieceOperator>>, variables: readonly Variable[],
    partOf: readonly number[]): void {
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
