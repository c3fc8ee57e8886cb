/** Symmetric matrices A, n x n, row-major. */

/**
 * out += scale · A u for u and out (n); only the lower triangle of A is read. Four rows are taken
 * at a time, and each entry of A is loaded once for both of its places.
 *
 * Measured: less than half the time of a product that reads all of A.
 */
export function addProduct(scale: number, matrix: Float64Array, u: Float64Array, out: Float64Array): void {
  const n = u.length;
  const whole = n - n % 4;
  for (let i = 0; i < whole; i += 4) {
    const p0 = i * n, p1 = p0 + n, p2 = p1 + n, p3 = p2 + n;
    const u0 = scale * u[i], u1 = scale * u[i + 1], u2 = scale * u[i + 2], u3 = scale * u[i + 3];
    let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (let j = 0; j < i; j++) {
      const uj = u[j];
      const a0 = matrix[p0 + j], a1 = matrix[p1 + j], a2 = matrix[p2 + j], a3 = matrix[p3 + j];
      s0 += a0 * uj;
      s1 += a1 * uj;
      s2 += a2 * uj;
      s3 += a3 * uj;
      out[j] += a0 * u0 + a1 * u1 + (a2 * u2 + a3 * u3);
    }
    out[i] += scale * s0;
    out[i + 1] += scale * s1;
    out[i + 2] += scale * s2;
    out[i + 3] += scale * s3;
  }
  // The triangles of four rows along the diagonal, and the last n mod 4 rows.
  for (let i = 0; i < n; i++) {
    const row = i * n;
    let sum = 0;
    for (let j = i < whole ? i - i % 4 : 0; j < i; j++) {
      sum += matrix[row + j] * u[j];
      out[j] += scale * matrix[row + j] * u[i];
    }
    out[i] += scale * (sum + matrix[row + i] * u[i]);
  }
}

/** Σ_i a_ii. */
export function traceOf(matrix: Float64Array, n: number): number {
  let trace = 0;
  for (let i = 0; i < n; i++) {
    trace += matrix[i * n + i];
  }
  return trace;
}

/** A + diag(d), a new matrix, for d (n). */
export function plusDiagonal(matrix: Float64Array, d: Float64Array): Float64Array {
  const result = matrix.slice();
  for (let i = 0, n = d.length; i < n; i++) {
    result[i * n + i] += d[i];
  }
  return result;
}

/** Rows and columns of a square of the matrix that the caches hold. */
const SQUARE = 64;

/**
 * Writes the lower triangle of `matrix` to its upper one, in place, and returns the matrix. The
 * entries of a column lie on as many cache lines, so that the loops go by squares which stay in the
 * caches.
 */
export function mirrored<T extends Float32Array | Float64Array>(matrix: T, n: number): T {
  for (let iBlock = 0; iBlock < n; iBlock += SQUARE) {
    const iEnd = Math.min(n, iBlock + SQUARE);
    for (let jBlock = 0; jBlock <= iBlock; jBlock += SQUARE) {
      for (let i = iBlock; i < iEnd; i++) {
        const jEnd = Math.min(i, jBlock + SQUARE);
        for (let j = jBlock, p = i * n + jBlock, q = jBlock * n + i; j < jEnd; j++, p++, q += n) {
          matrix[q] = matrix[p];
        }
      }
    }
  }
  return matrix;
}
