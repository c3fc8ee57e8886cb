import {concat, tidy, zeros} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {plus} from '../../tfjs/accumulate';
import {transposed} from '../../tfjs/fast_ops';
import type {BatchJacobian, BatchRows} from '../sweep/batch_jacobian';
import {EachRow} from '../uses/convolution';
import {MatrixUse} from '../uses/matmul';
import {SharedUse} from '../uses/shared';
import {longProducts} from '../uses/outer_products';

/** Rows that come in parts, and take their products with other rows part by part. */
interface RowsInParts {
  cross(other: BatchRows, groupOf: readonly number[]): Tensor[];
}

const isInParts = (rows: BatchRows): rows is BatchRows & RowsInParts => 'cross' in rows;

/** Σ_v J_v J'_vᵀ over groups of variables, each [n, n']. */
export function crossGrams(part: BatchRows, other: BatchRows, groupOf: readonly number[]): Tensor[] {
  return isInParts(part) ? part.cross(other, groupOf) :
    isInParts(other) ? tidy(() => other.cross(part, groupOf).map(transposed)) :
    crossOfBatches(part as BatchJacobian, other as BatchJacobian, groupOf);
}

function crossOfBatches(part: BatchJacobian, other: BatchJacobian, groupOf: readonly number[]): Tensor[] {
  return tidy(() => {
    const sums = Array<Tensor | null>(Math.max(...groupOf) + 1).fill(null);
    groupOf.forEach((g, v) => {
      if (part.plan.bySite[v].sites.length > 0 && other.plan.bySite[v].sites.length > 0) {
        const product = crossOfMatrix(part, other, v) ?? crossOfRows(part, other, v);
        sums[g] = plus(sums[g], product);
      }
    });
    return sums.map(sum => sum ?? zeros([part.rows, other.rows]));
  });
}

/**
 * J_v J'_vᵀ without rows. Null unless the variable is a matrix that both batches use in one way,
 * and that use takes its products without rows.
 */
function crossOfMatrix(part: BatchJacobian, other: BatchJacobian, v: number): Tensor | null {
  const [use, theirs] = [part, other].map(({plan, joined}) => {
    const isOne = plan.bySite[v].groups !== null && joined[v].length === 1;
    return isOne && plan.sites[joined[v][0][1]].parameter.kind === 'direct' ? joined[v][0][0] : null;
  });
  return use instanceof MatrixUse && theirs instanceof MatrixUse ? use.cross(theirs) :
    use instanceof SharedUse && theirs instanceof SharedUse ? use.cross(theirs) :
    use instanceof EachRow && theirs instanceof EachRow ? use.cross(theirs) : null;
}

/** J_v J'_vᵀ from dense rows, block by block. */
function crossOfRows(part: BatchJacobian, other: BatchJacobian, v: number): Tensor {
  return tidy(() => concat(part.blocks(v).map(block => tidy(() => {
    const rows = part.rowsOf(v, ...block);
    return concat(other.blocks(v).map(their => tidy(() => longProducts(rows, other.rowsOf(v, ...their)))), 1);
  })), 0));
}
