import {cholesky64} from './cholesky';
import {product} from './product';
import {addRow64} from './rows';

/**
 * Columns of a block, whose triangle is factored and inverted in float64.
 *
 * Measured: 32 takes 0.8 of the time of 48 at n = 128, and the same time at n = 1280.
 */
const WIDTH = 32;

const TRIANGLE: usize = WIDTH * WIDTH;

/**
 * A = L Lᵀ in float32, over the lower triangle of A [n, n], by block columns from the left. The other
 * entries have no meaning afterwards. Returns -1, or the pivot at which a triangle broke down.
 * `scratch` holds two triangles in float64, one in float32, and what a product takes.
 *
 * Source: Golub & Van Loan, section 4.2.9.
 */
export function cholesky32(a: usize, n: i32, scratch: usize): i32 {
  const inverse = scratch + (TRIANGLE << 3), rounded = inverse + (TRIANGLE << 3), forProduct = rounded + (TRIANGLE << 2);
  for (let j = 0; j < n; j += WIDTH) {
    const width = min(WIDTH, n - j);
    const rows = a + (<usize>j * n << 2), panel = rows + (<usize>j << 2);
    if (j > 0) {
      product(rows, n, 1, rows, 1, n, panel, n, n - j, j, width, 2, 0, 0, 1, forProduct);
    }
    const pivot = factorTriangle(panel, n, width, scratch, inverse, rounded);
    if (pivot >= 0) {
      return j + pivot;
    }
    const below = n - j - width;
    if (below > 0) {
      // A product packs a block of rows before it writes the same rows, so that C may be A here.
      const at = panel + (<usize>width * n << 2);
      product(at, n, 1, rounded, 1, width, at, n, below, width, width, 0, 0, 0, 0, forProduct);
    }
  }
  return -1;
}

/** Factors the triangle in float64, and writes the inverse of its factor in float32. */
function factorTriangle(panel: usize, n: i32, width: i32, triangle: usize, inverse: usize, rounded: usize): i32 {
  for (let i = 0; i < width; i++) {
    for (let k = 0; k <= i; k++) {
      store<f64>(triangle + ((<usize>i * width + k) << 3), <f64>load<f32>(panel + ((<usize>i * n + k) << 2)));
    }
  }
  const pivot = cholesky64(triangle, width);
  if (pivot >= 0) {
    return pivot;
  }
  memory.fill(inverse, 0, <usize>(width * width) << 3);
  for (let i = 0; i < width; i++) {
    const row = inverse + (<usize>(i * width) << 3), l = triangle + (<usize>(i * width) << 3);
    store<f64>(row + (<usize>i << 3), 1);
    for (let k = 0; k < i; k++) {
      addRow64<f64>(inverse + (<usize>(k * width) << 3), -load<f64>(l + (<usize>k << 3)), row, k + 1);
    }
    const factor = 1 / load<f64>(l + (<usize>i << 3));
    for (let k = 0; k < width; k++) {
      const at = row + (<usize>k << 3);
      store<f64>(at, load<f64>(at) * factor);
      store<f32>(rounded + (<usize>(i * width + k) << 2), <f32>load<f64>(at));
      if (k <= i) {
        store<f32>(panel + ((<usize>i * n + k) << 2), <f32>load<f64>(l + (<usize>k << 3)));
      }
    }
  }
  return -1;
}
