import type {CurvatureRoot} from './curvature_root';

/** Some rows of J, n' x m, row-major, with what the loss says of them. */
export interface NormalChunk {
  readonly n: number;
  readonly rows: Float32Array | Float64Array;
  /** S of these rows. */
  readonly root: CurvatureRoot;
  /** q = dL/dr of these rows (n'). */
  readonly q: Float64Array;
}

/**
 * AᵀA of rows A [n, m], row-major.
 *
 * @returns m x m, row-major; only the lower triangle is read.
 */
export type Products = (rows: Float32Array | Float64Array, n: number, m: number) => ArrayLike<number>;

/**
 * JᵀHJ and Jᵀq, summed over chunks of rows in float64:
 *
 *     JᵀHJ = Σ_c (S_cᵀJ_c)ᵀ(S_cᵀJ_c)
 *
 * Nothing of a chunk is held. By default the products inside a chunk are taken in float64 too, where those of float32 rows are exact.
 */
export class NormalSums {
  /** JᵀHJ, m x m. */
  readonly matrix: Float64Array;
  /** Jᵀq (m). */
  readonly gradient: Float64Array;

  constructor(readonly m: number, private readonly products: Products = productsInFloat64) {
    this.matrix = new Float64Array(m * m);
    this.gradient = new Float64Array(m);
  }

  add(chunk: NormalChunk): void {
    const {m, matrix, gradient, products} = this;
    const {n, rows, root} = chunk;
    const isExact = products === productsInFloat64;
    const more = products(root.applyToRows(isExact ? Float64Array.from(rows) : rows, m), n, m);
    for (let i = 0; i < m; i++) {
      for (let j = 0; j <= i; j++) {
        matrix[i * m + j] += more[i * m + j];
        matrix[j * m + i] = matrix[i * m + j];
      }
    }
    transposeTimes(chunk, m).forEach((x, j) => gradient[j] += x);
  }
}

/** Products of the columns, three by three, so that nine sums share six loads. */
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

/** The nine inner products of three columns from p and three from q. */
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

/** Jᵀq. */
export function transposeTimes({n, rows, q}: Pick<NormalChunk, 'n' | 'rows' | 'q'>, m: number): Float64Array {
  const product = new Float64Array(m);
  for (let i = 0, p = 0; i < n; i++) {
    const qi = q[i];
    for (let j = 0; j < m; j++, p++) {
      product[j] += qi * rows[p];
    }
  }
  return product;
}
