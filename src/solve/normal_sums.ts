import type {CurvatureRoot} from './curvature_root';
import {mirrored} from '../arrays/symmetric';

/** The derivatives of the loss in the rows of J [n, m]. */
export interface RowWeights {
  /** S, n x n. */
  readonly root: CurvatureRoot;
  /** q = dL/dr (n). */
  readonly q: Float64Array;
  /** A bound of the curvature in each row (n); null if the loss has none. */
  readonly bounds: Float64Array | null;
}

/** The derivatives in the rows from..to-1. */
export const weightsOf = ({root, q, bounds}: RowWeights, from: number, to: number): RowWeights => ({
  root: from === 0 && to === root.n ? root : root.part(from, to),
  q: q.subarray(from, to),
  bounds: bounds?.subarray(from, to) ?? null,
});

/**
 * AᵀA of rows A [n, m], row-major.
 *
 * @returns m x m, row-major; only the lower triangle is read.
 */
export type GramProducts = (rows: Float32Array | Float64Array, n: number, m: number) => ArrayLike<number>;

/**
 * Sums over chunks c of rows, in float64:
 *
 *     JᵀHJ = Σ_c (S_cᵀJ_c)ᵀ(S_cᵀJ_c)      (m x m),      Jᵀq = Σ_c J_cᵀq_c      (m)
 *
 * No rows are held. By default the products inside a chunk are taken in float64, too, in which
 * products of float32 numbers are exact.
 */
export class NormalSums {
  /** Jᵀq (m). */
  readonly gradient: Float64Array;
  /** Σ_i bound_i J_ij² (m), a bound of the diagonal of JᵀHJ; zeros if the loss has no bounds. */
  readonly most: Float64Array;
  /** JᵀHJ, m x m, row-major; only its lower triangle is summed. */
  private readonly lower: Float64Array;

  /**
   * @param products the products inside a chunk.
   * @param previous d_prev (m), of which `add` returns the products with the rows.
   */
  constructor(readonly m: number, private readonly products: GramProducts = productsInFloat64,
      private readonly previous: Float64Array | null = null) {
    this.lower = new Float64Array(m * m);
    this.gradient = new Float64Array(m);
    this.most = new Float64Array(m);
  }

  /** JᵀHJ, m x m, row-major, both triangles. */
  get matrix(): Float64Array {
    return mirrored(this.lower, this.m);
  }

  /**
   * Adds a chunk of n rows.
   *
   * @param rows rows of J [n, m], row-major.
   * @param weights derivatives of the loss in these rows.
   * @returns J d_prev of these rows (n); null if there is no d_prev.
   */
  add(rows: Float32Array | Float64Array, weights: RowWeights): Float64Array | null {
    const {root, q, bounds} = weights;
    const {m, products, lower, gradient, most, previous} = this;
    const {n} = root;
    const isExact = products === productsInFloat64;
    addLowerTriangle(lower, products(root.applyToRows(isExact ? Float64Array.from(rows) : rows, m), n, m), m);
    addTransposed(rows, q, gradient);
    if (bounds !== null) {
      addSquares(rows, bounds, most);
    }
    return previous === null ? null : times(rows, n, previous);
  }
}

/** lower += more for the lower triangles of two m x m matrices, row-major. */
function addLowerTriangle(lower: Float64Array, more: ArrayLike<number>, m: number): void {
  for (let i = 0; i < m; i++) {
    for (let p = i * m, end = p + i; p <= end; p++) {
      lower[p] += more[p];
    }
  }
}

/** AᵀA in float64, of three by three columns at a time, whose nine sums share six loads. */
function productsInFloat64(rows: Float32Array | Float64Array, n: number, m: number): Float64Array {
  const columns = new Float64Array((m + (3 - m % 3) % 3) * n);
  for (let j = 0, to = 0; j < m; j++) {
    for (let i = 0, from = j; i < n; i++, from += m) {
      columns[to++] = rows[from];
    }
  }
  const matrix = new Float64Array(m * m);
  const sums = new Float64Array(9);
  for (let i = 0; i < m; i += 3) {
    for (let j = 0; j <= i; j += 3) {
      nineProducts(columns, n, i * n, j * n, sums);
      for (let a = 0; a < 3; a++) {
        for (let b = 0; b < 3; b++) {
          if (i + a < m && j + b < m) {
            matrix[(i + a) * m + j + b] = sums[3 * a + b];
          }
        }
      }
    }
  }
  return matrix;
}

/** The nine inner products of three columns (n) that begin at p and three that begin at q. */
function nineProducts(columns: Float64Array, n: number, p: number, q: number, sums: Float64Array): void {
  let s00 = 0, s01 = 0, s02 = 0, s10 = 0, s11 = 0, s12 = 0, s20 = 0, s21 = 0, s22 = 0;
  for (let i = 0; i < n; i++) {
    const x0 = columns[p + i], x1 = columns[p + n + i], x2 = columns[p + 2 * n + i];
    const y0 = columns[q + i], y1 = columns[q + n + i], y2 = columns[q + 2 * n + i];
    s00 += x0 * y0; s01 += x0 * y1; s02 += x0 * y2;
    s10 += x1 * y0; s11 += x1 * y1; s12 += x1 * y2;
    s20 += x2 * y0; s21 += x2 * y1; s22 += x2 * y2;
  }
  sums[0] = s00; sums[1] = s01; sums[2] = s02;
  sums[3] = s10; sums[4] = s11; sums[5] = s12;
  sums[6] = s20; sums[7] = s21; sums[8] = s22;
}

/** out += Jᵀq, out (m). */
function addTransposed(rows: Float32Array | Float64Array, q: Float64Array, out: Float64Array): void {
  const m = out.length;
  for (let i = 0, p = 0; i < q.length; i++) {
    const qi = q[i];
    for (let j = 0; j < m; j++, p++) {
      out[j] += qi * rows[p];
    }
  }
}

/** out_j += Σ_i bound_i J_ij², out (m). */
function addSquares(rows: Float32Array | Float64Array, bounds: Float64Array, out: Float64Array): void {
  const m = out.length;
  for (let i = 0, p = 0; i < bounds.length; i++) {
    const bound = bounds[i];
    for (let j = 0; j < m; j++, p++) {
      out[j] += bound * rows[p] * rows[p];
    }
  }
}

/** J x (n) for x (m). */
function times(rows: Float32Array | Float64Array, n: number, x: Float64Array): Float64Array {
  const product = new Float64Array(n);
  for (let i = 0, p = 0; i < n; i++) {
    let sum = 0;
    for (let j = 0; j < x.length; j++, p++) {
      sum += rows[p] * x[j];
    }
    product[i] = sum;
  }
  return product;
}
