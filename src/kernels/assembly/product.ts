import {packFour, packPanels} from './pack';
import {multiplyTile, write} from './tile';
import {multiplyVector} from './vector_product';

/** Rows of a block of A, inner length of a block, columns of a block of B. `scratchBytes` in ../kernels.ts has them too. */
const ROWS = 128;
const INNER = 256;
const COLUMNS = 512;

/** Where all tiles are computed, the diagonal lies far to the right. */
const NO_DIAGONAL = 1 << 30;

/**
 * C = (mode) A B in float32: modes 0: C = AB, 1: C += AB, 2: C -= AB, 3: C = (other + shift) ∘ AB,
 * 4: C += (other + shift) ∘ AB. The matrix `other` has the layout of C. Pointers count bytes, strides
 * and sizes elements. If `lower` is set, tiles that lie above the diagonal are left out.
 *
 * Source: Goto & van de Geijn 2008, with the loops and the packing of BLIS.
 */
export function product(a: usize, aRow: usize, aColumn: usize, b: usize, bRow: usize, bColumn: usize, c: usize,
    cRow: usize, m: i32, k: i32, n: i32, mode: i32, other: usize, shift: f32, lower: i32, scratch: usize): void {
  if (n === 1) {
    const t = scratch + (<usize>k << 2);
    multiplyVector(a, aRow, aColumn, b, bRow, t, m, k, scratch);
    write(t, 1, c, cRow, m, 1, mode, other, shift);
    return;
  }
  if (m === 1) {
    const t = scratch + (<usize>k << 2);
    multiplyVector(b, bColumn, bRow, a, aColumn, t, n, k, scratch);
    write(t, n, c, cRow, 1, n, mode, other, shift);
    return;
  }
  const diagonal = lower ? 0 : NO_DIAGONAL;
  if (mode < 3 || k <= INNER) {
    multiplyBlocks(a, aRow, aColumn, b, bRow, bColumn, c, cRow, m, k, n, mode, other, shift, diagonal, scratch);
    return;
  }
  // The sums over all inner blocks must be whole before the factors meet them.
  const inner = scratch + (<usize>ROWS * COLUMNS << 2);
  for (let i = 0; i < m; i += ROWS) {
    const rows = min(ROWS, m - i);
    for (let j = 0; j < n && j < i + rows + diagonal; j += COLUMNS) {
      const columns = min(COLUMNS, n - j);
      multiplyBlocks(a + (<usize>i * aRow << 2), aRow, aColumn, b + (<usize>j * bColumn << 2), bRow, bColumn, scratch,
          columns, rows, k, columns, 0, 0, 0, diagonal + i - j, inner);
      for (let r = 0; r < rows; r += 4) {
        const at = (<usize>(i + r) * cRow + j) << 2;
        const reached = (i + r + 3 + diagonal - j & ~7) + 8;
        write(scratch + (<usize>r * columns << 2), columns, c + at, cRow, min(4, rows - r), min(columns, reached), mode,
            other + at, shift);
      }
    }
  }
}

function multiplyBlocks(a: usize, aRow: usize, aColumn: usize, b: usize, bRow: usize, bColumn: usize, c: usize,
    cRow: usize, m: i32, k: i32, n: i32, mode: i32, other: usize, shift: f32, diagonal: i32, scratch: usize): void {
  const aPacked = scratch + 128;
  const bPacked = aPacked + (<usize>ROWS * INNER << 2);
  const parts = max(1, (k + INNER - 1) / INNER);
  const step = (k + parts - 1) / parts;
  for (let j = 0; j < n; j += COLUMNS) {
    const columns = min(COLUMNS, n - j);
    let modeOfPart = mode;
    for (let p = 0; p === 0 || p < k; p += max(step, 1)) {
      const length = min(step, k - p);
      packPanels(b + ((<usize>p * bRow + <usize>j * bColumn) << 2), bColumn, bRow, columns, length, bPacked, 2);
      for (let i = 0; i < m; i += ROWS) {
        const rows = min(ROWS, m - i);
        if (j > i + rows - 1 + diagonal) {
          continue;
        }
        packPanels(a + ((<usize>i * aRow + <usize>p * aColumn) << 2), aRow, aColumn, rows, length, aPacked, 1);
        const at = (<usize>i * cRow + j) << 2;
        multiplyPanels(aPacked, bPacked, c + at, cRow, rows, length, columns, modeOfPart, other + at, shift,
            diagonal + i - j, scratch);
      }
      modeOfPart = max(modeOfPart, 1);
    }
  }
}

/** All tiles of a block of C. Tiles at its edges go by way of a whole tile in the scratch space. */
function multiplyPanels(a: usize, b: usize, c: usize, cRow: usize, m: i32, k: i32, n: i32, mode: i32, other: usize,
    shift: f32, diagonal: i32, scratch: usize): void {
  for (let j = 0; j < n; j += 8) {
    for (let i = 0; i < m; i += 4) {
      if (j > i + 3 + diagonal) {
        continue;
      }
      const aPanel = a + (<usize>i * k << 2), bPanel = b + (<usize>j * k << 2);
      const at = (<usize>i * cRow + j) << 2;
      if (i + 4 <= m && j + 8 <= n) {
        multiplyTile(aPanel, bPanel, k, c + at, cRow, mode, other + at, shift);
      } else {
        multiplyTile(aPanel, bPanel, k, scratch, 8, 0, 0, 0);
        write(scratch, 8, c + at, cRow, min(4, m - i), min(8, n - j), mode, other + at, shift);
      }
    }
  }
}

/** Copies the lower triangle of a square matrix to the upper one. */
export function mirror(c: usize, n: i32, cRow: usize): void {
  for (let i = 0; i < n; i += 4) {
    const full = i + 4 <= n;
    const row = c + (<usize>i * cRow << 2);
    if (full) {
      packFour(row, cRow, 1, 4, i, c + (<usize>i << 2), cRow << 2);
    }
    for (let r = i; r < min(n, i + 4); r++) {
      for (let s = full ? i : 0; s < r; s++) {
        store<f32>(c + ((<usize>s * cRow + r) << 2), load<f32>(c + ((<usize>r * cRow + s) << 2)));
      }
    }
  }
}

/** out[i] = Σ_j x[i, j]. `scratch` is that of a product [r, c] times [c, 1], with 4 bytes before it. */
export function sumRows(x: usize, out: usize, r: i32, c: i32, scratch: usize): void {
  store<f32>(scratch, 1);
  product(x, c, 1, scratch, 0, 0, out, 1, r, c, 1, 0, 0, 0, 0, scratch + 4);
}

/** out[j] = Σ_i x[i, j]. */
export function sumColumns(x: usize, out: usize, r: i32, c: i32, scratch: usize): void {
  store<f32>(scratch, 1);
  product(x, 1, c, scratch, 0, 0, out, 1, c, r, 1, 0, 0, 0, 0, scratch + 4);
}
