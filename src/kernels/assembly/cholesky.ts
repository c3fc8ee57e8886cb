import {dot64, total} from './rows';
import {multiplyAdd64} from './simd';

/** Rows of a cache block, a multiple of 4. */
const BLOCK = 48;

/** Four rows of a tile end: entries j and j + 1 of a row, from the inner products of both columns. */
// @ts-ignore: decorator
@inline
function finishRow(p: usize, s0: v128, s1: v128, inverse0: f64, l10: f64, inverse1: f64): void {
  const x = (load<f64>(p) - total(s0)) * inverse0;
  store<f64>(p, x);
  store<f64>(p, (load<f64>(p, 8) - total(s1) - x * l10) * inverse1, 8);
}

/**
 * Entries (i..i+3, j..j+1) of L, j + 1 < i, for an even j. Before the call, columns 0..j-1 of the rows
 * i..i+3 are final, and so are rows j and j + 1.
 */
function eliminateTile(a: usize, row: usize, i: i32, j: i32): void {
  let p0 = a + <usize>i * row, p1 = p0 + row, p2 = p1 + row, p3 = p2 + row;
  let q0 = a + <usize>j * row, q1 = q0 + row;
  let s00 = f64x2.splat(0), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00, s30 = s00, s31 = s00;
  const end = q0 + (<usize>j << 3);
  for (; q0 < end; q0 += 16, q1 += 16, p0 += 16, p1 += 16, p2 += 16, p3 += 16) {
    const y0 = v128.load(q0), y1 = v128.load(q1);
    let x = v128.load(p0);
    s00 = multiplyAdd64(x, y0, s00);
    s01 = multiplyAdd64(x, y1, s01);
    x = v128.load(p1);
    s10 = multiplyAdd64(x, y0, s10);
    s11 = multiplyAdd64(x, y1, s11);
    x = v128.load(p2);
    s20 = multiplyAdd64(x, y0, s20);
    s21 = multiplyAdd64(x, y1, s21);
    x = v128.load(p3);
    s30 = multiplyAdd64(x, y0, s30);
    s31 = multiplyAdd64(x, y1, s31);
  }
  const inverse0 = 1 / load<f64>(q0), l10 = load<f64>(q1), inverse1 = 1 / load<f64>(q1, 8);
  finishRow(p0, s00, s01, inverse0, l10, inverse1);
  finishRow(p1, s10, s11, inverse0, l10, inverse1);
  finishRow(p2, s20, s21, inverse0, l10, inverse1);
  finishRow(p3, s30, s31, inverse0, l10, inverse1);
}

/** Entries (i, from..i) of L, the pivot last. Returns whether the pivot is positive. */
function eliminateRow(a: usize, n: i32, row: usize, i: i32, from: i32): bool {
  const p = a + <usize>i * row;
  for (let j = from; j < i; j++) {
    const q = a + <usize>j * row, at = <usize>j << 3;
    store<f64>(p + at, (load<f64>(p + at) - dot64<f64>(p, q, j)) / load<f64>(q + at));
  }
  const at = p + (<usize>i << 3);
  const diagonal = load<f64>(at);
  const pivot = diagonal - dot64<f64>(p, p, i);
  // NaN fails this condition, too.
  if (!(pivot > <f64>n * f64.EPSILON * abs(diagonal) && pivot < Infinity)) {
    return false;
  }
  store<f64>(at, sqrt(pivot));
  return true;
}

/**
 * A = L Lᵀ in float64, over the lower triangle of A [n, n]. Returns -1, or the first pivot that is at
 * most n·2⁻⁵² of the diagonal entry that it came from. The loops are those of src/arrays/cholesky.ts.
 */
export function cholesky64(a: usize, n: i32): i32 {
  const row = <usize>n << 3;
  for (let iBlock = 0; iBlock < n; iBlock += BLOCK) {
    const iEnd = min(n, iBlock + BLOCK);
    for (let jBlock = 0; jBlock <= iBlock; jBlock += BLOCK) {
      for (let i = iBlock; i < iEnd; i += 4) {
        const isFull = i + 4 <= n;
        if (isFull) {
          const jEnd = min(i, jBlock + BLOCK);
          for (let j = jBlock; j < jEnd; j += 2) {
            eliminateTile(a, row, i, j);
          }
        }
        if (jBlock === iBlock) {
          for (let r = i; r < min(n, i + 4); r++) {
            if (!eliminateRow(a, n, row, r, isFull ? i : 0)) {
              return r;
            }
          }
        }
      }
    }
  }
  return -1;
}
