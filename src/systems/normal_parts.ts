import {getBackend, tensor, tidy} from '@tensorflow/tfjs-core';
import {BackendSums} from './backend_sums';
import {READS_ARE_CHEAP, transposeMultiply} from '../tfjs/fast_ops';
import {NormalSums, weightsOf} from '../solve/normal_sums';
import type {Products, RowWeights} from '../solve/normal_sums';
import type {ForEachRows} from '../jacobian/whole/linearization';

/** What the normal equations take of the rows. */
export interface NormalParts extends Pick<NormalSums, 'matrix' | 'gradient' | 'most'> {
  /** Whether the products in the matrix are of float32. */
  readonly isFloat32: boolean;
  /** J d_prev (n); null where there is none. */
  readonly previousChange: Float64Array | null;
}

/** Multiply-adds n m² above which products are taken by the backend, in float32: in float64, by loops of our own, they would take half a second or more. */
const MAX_FLOAT64_PRODUCTS = 2 ** 28;

/**
 * One pass over the rows.
 *
 * @param maxFloat64 multiply-adds up to which products are taken in float64.
 */
export function formNormalParts(forEachRows: ForEachRows, m: number, weights: RowWeights, previous: Float64Array | null,
    maxFloat64 = MAX_FLOAT64_PRODUCTS): NormalParts {
  const {n} = weights.root;
  // On the cpu backend a product in float32 is a loop, too.
  const isFloat32 = n * m * m > maxFloat64 && getBackend() !== 'cpu';
  const sums = isFloat32 && !READS_ARE_CHEAP.has(getBackend()) ? new BackendSums(m, previous) :
    new NormalSums(m, isFloat32 ? productsInFloat32 : undefined, previous);
  const previousChange = previous === null ? null : new Float64Array(n);
  forEachRows((rows, from, count) => {
    const part = weightsOf(weights, from, from + count);
    const change = sums instanceof NormalSums ? sums.add(rows.read(), part) : sums.add(rows, part);
    previousChange?.set(change!, from);
  });
  const {matrix, gradient, most} = sums;
  return {matrix, gradient, most, isFloat32, previousChange};
}

const productsInFloat32: Products = (rows, n, m) => {
  let products: ArrayLike<number> = [];
  tidy(() => {
    // Rows that a statistic of the batch was added to are of float64.
    const a = tensor(rows instanceof Float32Array ? rows : Float32Array.from(rows), [n, m]);
    products = transposeMultiply(a, a).dataSync();
  });
  return products;  // not from the tidy, which would look for tensors in it, entry by entry
};
