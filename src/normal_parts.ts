import {getBackend, tensor, tidy} from '@tensorflow/tfjs-core';
import {transposeMultiply} from './jacobian/kernels';
import type {CurvatureRoot} from './solve/curvature_root';
import {NormalSums} from './solve/normal_sums';
import type {Products} from './solve/normal_sums';

/** Shows the dense rows of J chunk by chunk: `count` rows from row `from` on, row-major. */
export type ForEachRows = (visit: (rows: Float32Array | Float64Array, from: number, count: number) => void) => void;

/** What the normal equations take of the rows. */
export interface NormalParts {
  /** JᵀHJ, m x m. */
  readonly matrix: Float64Array;
  /** Jᵀq (m). */
  readonly gradient: Float64Array;
  /** Whether the products in it are of float32. */
  readonly isFloat32: boolean;
  /** J d_prev (n); null where there is none. */
  readonly previousChange: Float64Array | null;
  /** Σ_i bound_i J_ij² by parameter (m): what the diagonal of the matrix can reach; zeros without bounds. */
  readonly most: Float64Array;
}

/** Multiply-adds n m² above which products are taken by the backend, in float32: in float64, by loops of our own, they would take half a second or more. */
const MAX_FLOAT64_PRODUCTS = 2 ** 28;

/**
 * One pass over the rows.
 *
 * @param bounds of the curvature in each row (n), to be summed up.
 * @param maxFloat64 multiply-adds up to which products are taken in float64.
 */
export function formNormalParts(forEachRows: ForEachRows, n: number, m: number, root: CurvatureRoot, q: Float64Array,
    previous: Float64Array | null, bounds: Float64Array | null, maxFloat64 = MAX_FLOAT64_PRODUCTS): NormalParts {
  // On the cpu backend a product in float32 is a loop, too.
  const isFloat32 = n * m * m > maxFloat64 && getBackend() !== 'cpu';
  const sums = new NormalSums(m, isFloat32 ? productsInFloat32 : undefined);
  const previousChange = previous === null ? null : new Float64Array(n);
  const most = new Float64Array(m);
  forEachRows((rows, from, count) => {
    for (let i = 0, p = 0; bounds !== null && i < count; i++) {
      for (let j = 0; j < m; j++, p++) {
        most[j] += bounds[from + i] * rows[p] ** 2;
      }
    }
    sums.add({n: count, rows, root: count === n ? root : root.part(from, from + count), q: q.subarray(from, from + count)});
    for (let i = 0, p = 0; previous !== null && i < count; i++) {
      let change = 0;
      for (let j = 0; j < m; j++, p++) {
        change += rows[p] * previous[j];
      }
      previousChange![from + i] = change;
    }
  });
  return {matrix: sums.matrix, gradient: sums.gradient, isFloat32, previousChange, most};
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
