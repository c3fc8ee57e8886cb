import {getBackend, tensor, tidy, type Tensor} from '@tensorflow/tfjs-core';
import {outerProduct} from '../../arrays/outer_product';
import {plus} from '../../tfjs/accumulate';
import {matMul, mul, multiplyTransposed, shaped} from '../../tfjs/fast_ops';
import {sliceColumns} from '../../tfjs/slices';

/**
 * Results by the matrix that they are made of. The matrix is known by its data and its columns: a
 * reshape there and back makes another tensor of the same data.
 */
export class ByMatrix<T> {
  private readonly known = new Map<object, Map<number, T>>();

  /** The result for x [n, columns], made at the first call. */
  of(x: Tensor, make: () => T): T {
    let byColumns = this.known.get(x.dataId);
    if (byColumns === undefined) {
      this.known.set(x.dataId, byColumns = new Map<number, T>());
    }
    const columns = x.shape[1]!;
    let value = byColumns.get(columns);
    if (value === undefined) {
      byColumns.set(columns, value = make());
    }
    return value;
  }

  all(): T[] {
    return [...this.known.values()].flatMap(byColumns => [...byColumns.values()]);
  }
}

/** x xᵀ of matrices, computed once for each: a layer's kernel and bias share their cotangents. */
export class OuterProducts {
  private readonly known = new ByMatrix<Tensor>();

  /** @param xT xᵀ, if it exists already; else null. */
  of(x: Tensor, xT: Tensor | null = null): Tensor {
    return this.known.of(x, () => {
      const [n, columns] = x.shape;
      if (getBackend() === 'cpu') {  // reads are free there, and products slow
        return tensor(outerProduct(x.dataSync() as Float32Array, n, columns), [n, n]);
      }
      if (columns > LONGEST_SUM) {
        return longProducts(x, x);
      }
      return columns === 1 && getBackend() !== 'tensorflow' ? mul(x, shaped(x, [1, n])) :
        xT === null ? multiplyTransposed(x, x) : matMul(x, xT);
    });
  }
}

/**
 * Most terms of a sum that is left to a backend: WASM may add them in float32, one by one.
 *
 * Measured: after three million terms the rounding was 4e-3 of the sum.
 */
export const LONGEST_SUM = 2 ** 15;

/** a bᵀ [r, c] for a [r, k] and b [c, k], also with many columns. */
export function longProducts(a: Tensor, b: Tensor): Tensor {
  const columns = a.shape[1]!;
  if (columns <= LONGEST_SUM) {
    return multiplyTransposed(a, b);
  }
  const part = (x: Tensor, from: number): Tensor => sliceColumns(x, from, Math.min(columns, from + LONGEST_SUM));
  return tidy(() => {
    let sum: Tensor | null = null;
    for (let from = 0; from < columns; from += LONGEST_SUM) {
      const before: Tensor | null = sum;
      sum = tidy((): Tensor => plus(before, multiplyTransposed(part(a, from), part(b, from))));
      before?.dispose();
    }
    return sum!;
  });
}
