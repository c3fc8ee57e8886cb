/**
 * c = a b for row-major matrices a [rows, inner] and b [inner, columns], in float32 with float64 sums over blocks of
 * 4 x 4 entries: each pass over the inner dimension feeds sixteen sums, which stay in registers.
 *
 * @param add whether to add to what c holds.
 */
export function multiply(a: Float32Array, b: Float32Array, rows: number, inner: number, columns: number, c: Float32Array, add = false): void {
  for (let i = 0; i < rows; i += 4) {
    for (let j = 0; j < columns; j += 4) {
      if (i + 4 <= rows && j + 4 <= columns) {
        block(a, b, i, j, inner, columns, c, add);
        continue;
      }
      for (let r = i; r < Math.min(i + 4, rows); r++) {
        for (let s = j; s < Math.min(j + 4, columns); s++) {
          let sum = add ? c[r * columns + s] : 0;
          for (let k = 0; k < inner; k++) {
            sum += a[r * inner + k] * b[k * columns + s];
          }
          c[r * columns + s] = sum;
        }
      }
    }
  }
}

function block(a: Float32Array, b: Float32Array, i: number, j: number, inner: number, columns: number, c: Float32Array, add: boolean): void {
  let c00 = 0, c01 = 0, c02 = 0, c03 = 0;
  let c10 = 0, c11 = 0, c12 = 0, c13 = 0;
  let c20 = 0, c21 = 0, c22 = 0, c23 = 0;
  let c30 = 0, c31 = 0, c32 = 0, c33 = 0;
  const [r0, r1, r2, r3] = [i * inner, (i + 1) * inner, (i + 2) * inner, (i + 3) * inner];
  for (let k = 0, q = j; k < inner; k++, q += columns) {
    const b0 = b[q], b1 = b[q + 1], b2 = b[q + 2], b3 = b[q + 3];
    const a0 = a[r0 + k], a1 = a[r1 + k], a2 = a[r2 + k], a3 = a[r3 + k];
    c00 += a0 * b0; c01 += a0 * b1; c02 += a0 * b2; c03 += a0 * b3;
    c10 += a1 * b0; c11 += a1 * b1; c12 += a1 * b2; c13 += a1 * b3;
    c20 += a2 * b0; c21 += a2 * b1; c22 += a2 * b2; c23 += a2 * b3;
    c30 += a3 * b0; c31 += a3 * b1; c32 += a3 * b2; c33 += a3 * b3;
  }
  const sums = [c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23, c30, c31, c32, c33];
  for (let r = 0; r < 4; r++) {
    const at = (i + r) * columns + j;
    for (let s = 0; s < 4; s++) {
      c[at + s] = sums[4 * r + s] + (add ? c[at + s] : 0);
    }
  }
}
