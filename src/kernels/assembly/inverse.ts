import {dot64, total} from './rows';
import {multiplyAdd64} from './simd';

/** Rows of a cache block, a multiple of 4. */
const BLOCK = 48;

// @ts-ignore: decorator
@inline
function entry(p: usize, i: i32): f64 {
  return load<f64>(p + (<usize>i << 3));
}

/** y ← the four entries of X in one column that end a tile, from the sums over the columns before i. */
// @ts-ignore: decorator
@inline
function finishColumn(y: usize, p: usize, row: usize, i: i32, r: usize, s0: f64, s1: f64, s2: f64, s3: f64): void {
  const at = y + (<usize>i << 3);
  const p1 = p + row, p2 = p1 + row, p3 = p2 + row;
  const y0 = -load<f64>(r) * s0;
  const y1 = -load<f64>(r, 8) * (s1 + entry(p1, i) * y0);
  const y2 = -load<f64>(r, 16) * (s2 + entry(p2, i) * y0 + entry(p2, i + 1) * y1);
  const y3 = -load<f64>(r, 24) * (s3 + entry(p3, i) * y0 + entry(p3, i + 1) * y1 + entry(p3, i + 2) * y2);
  store<f64>(at, y0);
  store<f64>(at, y1, 8);
  store<f64>(at, y2, 16);
  store<f64>(at, y3, 24);
}

/**
 * Entries (i..i+3, c..c+1) of X = L⁻¹, c + 1 < i, for an even c and i: x_rc = -(l_rc x_cc +
 * Σ_{c < k < r} l_rk x_kc) / l_rr. Entry x_rc is kept at (c, r). `pivots` has 1 / l_rr.
 */
function invertTile(a: usize, row: usize, i: i32, c: i32, pivots: usize): void {
  const p = a + <usize>i * row, y0 = a + <usize>c * row, y1 = y0 + row;
  let s00 = f64x2.splat(0), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00, s30 = s00, s31 = s00;
  const offset = <usize>(c + 2) << 3;
  let p0 = p + offset, p1 = p0 + row, p2 = p1 + row, p3 = p2 + row, q0 = y0 + offset, q1 = y1 + offset;
  const end = p + (<usize>i << 3);
  for (; p0 < end; q0 += 16, q1 += 16, p0 += 16, p1 += 16, p2 += 16, p3 += 16) {
    const x0 = v128.load(q0), x1 = v128.load(q1);
    let l = v128.load(p0);
    s00 = multiplyAdd64(l, x0, s00);
    s01 = multiplyAdd64(l, x1, s01);
    l = v128.load(p1);
    s10 = multiplyAdd64(l, x0, s10);
    s11 = multiplyAdd64(l, x1, s11);
    l = v128.load(p2);
    s20 = multiplyAdd64(l, x0, s20);
    s21 = multiplyAdd64(l, x1, s21);
    l = v128.load(p3);
    s30 = multiplyAdd64(l, x0, s30);
    s31 = multiplyAdd64(l, x1, s31);
  }
  // The terms of the tile's own columns.
  const x00 = entry(pivots, c), x10 = entry(y0, c + 1), x11 = entry(pivots, c + 1);
  const r1 = p + row, r2 = r1 + row, r3 = r2 + row;
  const r = pivots + (<usize>i << 3);
  finishColumn(y0, p, row, i, r, total(s00) + entry(p, c) * x00 + entry(p, c + 1) * x10,
    total(s10) + entry(r1, c) * x00 + entry(r1, c + 1) * x10, total(s20) + entry(r2, c) * x00 + entry(r2, c + 1) * x10,
    total(s30) + entry(r3, c) * x00 + entry(r3, c + 1) * x10);
  finishColumn(y1, p, row, i, r, total(s01) + entry(p, c + 1) * x11, total(s11) + entry(r1, c + 1) * x11,
    total(s21) + entry(r2, c + 1) * x11, total(s31) + entry(r3, c + 1) * x11);
}

/** Entries (r, from..to-1) of X, to ≤ r. */
function invertRow(a: usize, row: usize, r: i32, from: i32, to: i32, pivots: usize): void {
  const p = a + <usize>r * row;
  for (let c = from; c < to; c++) {
    const y = a + <usize>c * row, offset = <usize>(c + 1) << 3;
    const rest = dot64<f64>(p + offset, y + offset, r - c - 1);
    store<f64>(y + (<usize>r << 3), -entry(pivots, r) * (entry(p, c) * entry(pivots, c) + rest));
  }
}

/**
 * out (n) = the diagonal of (L Lᵀ)⁻¹ in float64, Σ_{r ≥ c} x_rc² with X = L⁻¹, for L of `cholesky64`.
 * Xᵀ is written above the diagonal. The loops are those of src/arrays/inverse_diagonal.ts.
 */
export function inverseDiagonal64(l: usize, n: i32, out: usize): void {
  const row = <usize>n << 3;
  for (let i = 0; i < n; i++) {
    store<f64>(out + (<usize>i << 3), 1 / entry(l + <usize>i * row, i));
  }
  for (let iBlock = 0; iBlock < n; iBlock += BLOCK) {
    const iEnd = min(n, iBlock + BLOCK);
    for (let cBlock = 0; cBlock <= iBlock; cBlock += BLOCK) {
      for (let i = iBlock; i < iEnd; i += 4) {
        const isFull = i + 4 <= n;
        const cEnd = min(i, cBlock + BLOCK);
        if (isFull) {
          for (let c = cBlock; c < cEnd; c += 2) {
            invertTile(l, row, i, c, out);
          }
        }
        for (let r = i; r < min(iEnd, i + 4); r++) {
          invertRow(l, row, r, isFull ? max(i, cBlock) : cBlock, min(r, cBlock + BLOCK), out);
        }
      }
    }
  }
  for (let c = 0; c < n; c++) {
    const y = l + <usize>c * row + (<usize>(c + 1) << 3), at = out + (<usize>c << 3);
    const pivot = load<f64>(at);
    store<f64>(at, pivot * pivot + dot64<f64>(y, y, n - c - 1));
  }
}
