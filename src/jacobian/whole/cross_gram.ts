import {concat, tidy, zeros, type Tensor} from '@tensorflow/tfjs-core';
import {plus} from '../../tfjs/accumulate';
import {transposed} from '../../tfjs/fast_ops';
import type {BatchJacobian, BatchRows} from '../sweep/batch_jacobian';
import {EachRow} from '../uses/convolution';
import {MatrixUse} from '../uses/matmul';
import {SharedUse} from '../uses/shared';
import {longProducts} from '../uses/outer_products';

/** Rows that come in pieces, and take their products with other rows piece by piece. */
interface RowsInPieces {
  cross(other: BatchRows, partOf: readonly number[]): Tensor[];
}

const isInPieces = (rows: BatchRows): rows is BatchRows & RowsInPieces => 'cross' in rows;

/** Σ_v J_v J'_vᵀ over the variables of each part of ρ, each [n, n']. */
export function crossGrams(own: BatchRows, other: BatchRows, partOf: readonly number[]): Tensor[] {
  return isInPieces(own) ? own.cross(other, partOf) :
    isInPieces(other) ? tidy(() => other.cross(own, partOf).map(transposed)) :
    crossOfBatches(own as BatchJacobian, other as BatchJacobian, partOf);
}

function crossOfBatches(own: BatchJacobian, other: BatchJacobian, partOf: readonly number[]): Tensor[] {
  return tidy(() => {
    const sums = Array<Tensor | null>(Math.max(...partOf) + 1).fill(null);
    partOf.forEach((g, v) => {
      if (own.plan.bySite[v].sites.length > 0 && other.plan.bySite[v].sites.length > 0) {
        const product = crossOfMatrix(own, other, v) ?? crossOfRows(own, other, v);
        sums[g] = plus(sums[g], product);
      }
    });
    return sums.map(sum => sum ?? zeros([own.rows, other.rows]));
  });
}

/**
 * J_v J'_vᵀ without rows. Null unless the variable is a matrix that both batches use in one way,
 * and that use takes its products without rows.
 */
function crossOfMatrix(own: BatchJacobian, other: BatchJacobian, v: number): Tensor | null {
  const [use, theirs] = [own, other].map(({plan, joined}) => {
    const isOne = plan.bySite[v].bundles !== null && joined[v].length === 1;
    return isOne && plan.sites[joined[v][0][1]].parameter.kind === 'direct' ? joined[v][0][0] : null;
  });
  return use instanceof MatrixUse && theirs instanceof MatrixUse ? use.cross(theirs) :
    use instanceof SharedUse && theirs instanceof SharedUse ? use.cross(theirs) :
    use instanceof EachRow && theirs instanceof EachRow ? use.cross(theirs) : null;
}

/** J_v J'_vᵀ from dense rows, block by block. */
function crossOfRows(own: BatchJacobian, other: BatchJacobian, v: number): Tensor {
  return tidy(() => concat(own.blocks(v).map(block => tidy(() => {
    const rows = own.rowsOf(v, ...block);
    return concat(other.blocks(v).map(their => tidy(() => longProducts(rows, other.rowsOf(v, ...their)))), 1);
  })), 0));
}
