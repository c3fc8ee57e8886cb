import {kernelsFor} from '../kernels/own_kernels';
import type {CholeskyFactor} from './cholesky';
import {dotOfRanges} from './vectors';

/** Rows from which the kernels pay for the copies in and out, as in `cholesky`. */
const LEAST = 32;

/** Rows and columns of the register tile; the code of `invertTile` is written out for it. */
const TILE = 3;

/** Rows of a cache block, a multiple of TILE, as in `cholesky`. */
const BLOCK = 48;

/**
 * The diagonal of A⁻¹ (n) from A = L Lᵀ, in n³/3 operations. With X = L⁻¹,
 *
 *     (A⁻¹)_cc = Σ_{r ≥ c} x_rc²
 *
 * No term is negative, so that no digit is lost in the sum. The sum of the entries is trace(A⁻¹).
 *
 * Source: Golub & Van Loan, section 3.1.7 (the inverse of a triangular matrix).
 *
 * @param factor its L is read. Entries above the diagonal of `factor.lower` **may be written**: Xᵀ
 *   by the loops.
 */
export function inverseDiagonal({lower, n}: CholeskyFactor): Float64Array {
  const own = n < LEAST ? null : kernelsFor(8 * n * (n + 1));
  return own === null ? inverseByLoops(lower, n) : own.withSpace(8 * n * (n + 1), pointer => {
    own.doubles(pointer, n * n).set(lower);
    own.kernels.inverseDiagonal64(pointer, n, pointer + 8 * n * n);
    return own.doubles(pointer + 8 * n * n, n).slice();
  });
}

function inverseByLoops(lower: Float64Array, n: number): Float64Array {
  const pivots = Float64Array.from({length: n}, (_, i) => 1 / lower[i * n + i]);
  for (let iBlock = 0; iBlock < n; iBlock += BLOCK) {
    const iEnd = Math.min(n, iBlock + BLOCK);
    for (let jBlock = 0; jBlock <= iBlock; jBlock += BLOCK) {
      for (let i = iBlock; i < iEnd; i += TILE) {
        const isFull = i + TILE <= n;
        const jEnd = Math.min(i, jBlock + BLOCK);
        if (isFull) {
          for (let j = jBlock; j < jEnd; j += TILE) {
            invertTile(lower, n, i, j, pivots);
          }
        }
        for (let row = i; row < Math.min(iEnd, i + TILE); row++) {
          const from = isFull ? Math.max(i, jBlock) : jBlock;
          invertRow(lower, n, row, from, Math.min(row, jBlock + BLOCK), pivots);
        }
      }
    }
  }
  return pivots.map((pivot, c) => {
    const p = c * n + c + 1;
    return pivot ** 2 + dotOfRanges(lower, p, lower, p, n - c - 1);
  });
}

/**
 * Entries (i..i+2, j..j+2) of X, j + 2 < i: x_rc = -(l_rc x_cc + Σ_{c < k < r} l_rk x_kc) / l_rr.
 * Entry x_rc is kept at (c, r). Before the call, all rows of X before i are final in these columns.
 */
function invertTile(a: Float64Array, n: number, i: number, j: number, pivots: Float64Array): void {
  const p0 = i * n, p1 = p0 + n, p2 = p1 + n;
  const q0 = j * n, q1 = q0 + n, q2 = q1 + n;
  // The sums over the k of the tile's own columns, j to j + 2.
  const x00 = pivots[j], x11 = pivots[j + 1], x22 = pivots[j + 2];
  const x10 = a[q0 + j + 1], x20 = a[q0 + j + 2], x21 = a[q1 + j + 2];
  let s00 = a[p0 + j] * x00 + a[p0 + j + 1] * x10 + a[p0 + j + 2] * x20;
  let s10 = a[p1 + j] * x00 + a[p1 + j + 1] * x10 + a[p1 + j + 2] * x20;
  let s20 = a[p2 + j] * x00 + a[p2 + j + 1] * x10 + a[p2 + j + 2] * x20;
  let s01 = a[p0 + j + 1] * x11 + a[p0 + j + 2] * x21;
  let s11 = a[p1 + j + 1] * x11 + a[p1 + j + 2] * x21;
  let s21 = a[p2 + j + 1] * x11 + a[p2 + j + 2] * x21;
  let s02 = a[p0 + j + 2] * x22, s12 = a[p1 + j + 2] * x22, s22 = a[p2 + j + 2] * x22;
  for (let k = j + TILE; k < i; k++) {
    const l0 = a[p0 + k], l1 = a[p1 + k], l2 = a[p2 + k];
    const x0 = a[q0 + k], x1 = a[q1 + k], x2 = a[q2 + k];
    s00 += l0 * x0; s01 += l0 * x1; s02 += l0 * x2;
    s10 += l1 * x0; s11 += l1 * x1; s12 += l1 * x2;
    s20 += l2 * x0; s21 += l2 * x1; s22 += l2 * x2;
  }
  const l10 = a[p1 + i], l20 = a[p2 + i], l21 = a[p2 + i + 1];
  const r0 = -pivots[i], r1 = -pivots[i + 1], r2 = -pivots[i + 2];
  const y00 = r0 * s00, y01 = r0 * s01, y02 = r0 * s02;
  const y10 = r1 * (s10 + l10 * y00), y11 = r1 * (s11 + l10 * y01), y12 = r1 * (s12 + l10 * y02);
  a[q0 + i] = y00; a[q0 + i + 1] = y10; a[q0 + i + 2] = r2 * (s20 + l20 * y00 + l21 * y10);
  a[q1 + i] = y01; a[q1 + i + 1] = y11; a[q1 + i + 2] = r2 * (s21 + l20 * y01 + l21 * y11);
  a[q2 + i] = y02; a[q2 + i + 1] = y12; a[q2 + i + 2] = r2 * (s22 + l20 * y02 + l21 * y12);
}

/** Entries (r, from..to-1) of X, to ≤ r. Before the call, these columns are final before row r. */
function invertRow(a: Float64Array, n: number, r: number, from: number, to: number, pivots: Float64Array): void {
  for (let c = from; c < to; c++) {
    const rest = dotOfRanges(a, r * n + c + 1, a, c * n + c + 1, r - c - 1);
    a[c * n + r] = -pivots[r] * (a[r * n + c] * pivots[c] + rest);
  }
}
