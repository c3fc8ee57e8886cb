import {kernelsFor, type OwnKernels} from '../kernels/own_kernels';
import {dotOfRanges} from './vectors';

/** Rows and columns of the register tile; the code of `eliminateTile` is written out for it. */
const TILE = 3;

/**
 * Rows of a cache block, a multiple of TILE. At n = 1024 a block of rows takes 400 kB, which stays
 * in a level 2 cache.
 */
const BLOCK = 48;

/**
 * A pivot below n·2⁻⁵² of its diagonal entry is rounding error.
 *
 * Source: Higham 2002, theorem 10.7, which gives n·u up to a constant.
 */
const PIVOT_TOLERANCE = Number.EPSILON;

/** A = L Lᵀ was found. */
export type CholeskyFactor = {
  readonly ok: true;
  readonly n: number;
  /** L in the lower triangle, n x n, row-major. The entries above the diagonal have no meaning. */
  readonly lower: Float64Array;
  /** x = A⁻¹ b, a new array (n). */
  solve(b: Float64Array): Float64Array;
};

/** A is not positive definite to working precision, or not finite. */
export type CholeskyBreakdown = {
  readonly ok: false;
  /** Index of the first pivot that is not positive, or not a finite number. */
  readonly pivot: number;
};

/**
 * A = L Lᵀ in float64, in n³/3 operations.
 *
 * The function never throws. A matrix that is singular, indefinite or holds NaN or an infinity
 * gives a `CholeskyBreakdown`. The matrix may have any scale: a pivot is compared with the diagonal
 * entry that it came from.
 *
 * Source: Golub & Van Loan, section 4.2.5 (inner-product form).
 *
 * @param matrix A, n x n, row-major, symmetric. Only its lower triangle is read, and L **is written
 *   over it**. After a breakdown its entries have no meaning.
 */
export function cholesky(matrix: Float64Array, n: number): CholeskyFactor | CholeskyBreakdown {
  const own = n < LEAST ? null : kernelsFor(8 * n * (n + 1));
  return own === null ? choleskyByLoops(matrix, n) : choleskyByKernels(own, matrix, n);
}

/**
 * Rows from which the kernels pay for the copies in and out.
 *
 * Measured: at 128 rows they take a third of the time of the loops.
 */
const LEAST = 32;

function choleskyByKernels(own: OwnKernels, matrix: Float64Array, n: number): CholeskyFactor | CholeskyBreakdown {
  const pivot = own.withSpace(8 * n * n, pointer => {
    own.doubles(pointer, n * n).set(matrix);
    const found = own.kernels.cholesky64(pointer, n);
    matrix.set(own.doubles(pointer, n * n));
    return found;
  });
  return pivot >= 0 ? {ok: false, pivot} :
    {ok: true, n, lower: matrix, solve: b => solveByKernels(own, matrix, n, b)};
}

function solveByKernels(own: OwnKernels, lower: Float64Array, n: number, b: Float64Array): Float64Array {
  const size = 8 * n * n;
  return own.withSpace(size + 8 * n, pointer => {
    own.doubles(pointer, n * n).set(lower);
    own.doubles(pointer + size, n).set(b);
    own.kernels.solve64(pointer, n, pointer + size);
    return own.doubles(pointer + size, n).slice();
  });
}

/**
 * Rows of L are contiguous, so that each inner product streams two of them. A tile of 3 x 3 inner
 * products keeps nine sums and six factors in the sixteen floating point registers of x86-64.
 *
 * Measured: of seven shapes of the tile, 3 x 3 was the fastest under V8.
 */
function choleskyByLoops(matrix: Float64Array, n: number): CholeskyFactor | CholeskyBreakdown {
  for (let iBlock = 0; iBlock < n; iBlock += BLOCK) {
    const iEnd = Math.min(n, iBlock + BLOCK);
    for (let jBlock = 0; jBlock <= iBlock; jBlock += BLOCK) {
      for (let i = iBlock; i < iEnd; i += TILE) {
        const isFull = i + TILE <= n;
        const jEnd = Math.min(i, jBlock + BLOCK);
        if (isFull) {
          for (let j = jBlock; j < jEnd; j += TILE) {
            eliminateTile(matrix, n, i, j);
          }
        }
        if (jBlock === iBlock) {
          for (let row = i; row < Math.min(n, i + TILE); row++) {
            if (!eliminateRow(matrix, n, row, isFull ? i : 0)) {
              return {ok: false, pivot: row};
            }
          }
        }
      }
    }
  }
  return {ok: true, n, lower: matrix, solve: b => solveFactored(matrix, n, b)};
}

/**
 * Entries (i..i+2, j..j+2) of L, j + 2 < i: a_rc becomes (a_rc - Σ_{k < j+c} l_rk l_ck) / l_cc.
 * Before the call, columns 0..j-1 of rows i..i+2 are final, and so are all of rows j..j+2.
 */
function eliminateTile(a: Float64Array, n: number, i: number, j: number): void {
  const p0 = i * n, p1 = p0 + n, p2 = p1 + n;
  const q0 = j * n, q1 = q0 + n, q2 = q1 + n;
  let s00 = 0, s01 = 0, s02 = 0;
  let s10 = 0, s11 = 0, s12 = 0;
  let s20 = 0, s21 = 0, s22 = 0;
  for (let k = 0; k < j; k++) {
    const x0 = a[p0 + k], x1 = a[p1 + k], x2 = a[p2 + k];
    const y0 = a[q0 + k], y1 = a[q1 + k], y2 = a[q2 + k];
    s00 += x0 * y0; s01 += x0 * y1; s02 += x0 * y2;
    s10 += x1 * y0; s11 += x1 * y1; s12 += x1 * y2;
    s20 += x2 * y0; s21 += x2 * y1; s22 += x2 * y2;
  }
  const l00 = a[q0 + j];
  const l10 = a[q1 + j], l11 = a[q1 + j + 1];
  const l20 = a[q2 + j], l21 = a[q2 + j + 1], l22 = a[q2 + j + 2];
  const r00 = (a[p0 + j] - s00) / l00;
  const r10 = (a[p1 + j] - s10) / l00;
  const r20 = (a[p2 + j] - s20) / l00;
  const r01 = (a[p0 + j + 1] - s01 - r00 * l10) / l11;
  const r11 = (a[p1 + j + 1] - s11 - r10 * l10) / l11;
  const r21 = (a[p2 + j + 1] - s21 - r20 * l10) / l11;
  a[p0 + j] = r00; a[p0 + j + 1] = r01; a[p0 + j + 2] = (a[p0 + j + 2] - s02 - r00 * l20 - r01 * l21) / l22;
  a[p1 + j] = r10; a[p1 + j + 1] = r11; a[p1 + j + 2] = (a[p1 + j + 2] - s12 - r10 * l20 - r11 * l21) / l22;
  a[p2 + j] = r20; a[p2 + j + 1] = r21; a[p2 + j + 2] = (a[p2 + j + 2] - s22 - r20 * l20 - r21 * l21) / l22;
}

/**
 * Entries (i, from..i) of L, the pivot last. Before the call, the columns before `from` are final.
 *
 * @returns whether the pivot is a positive number.
 */
function eliminateRow(a: Float64Array, n: number, i: number, from: number): boolean {
  const p = i * n;
  for (let j = from; j < i; j++) {
    a[p + j] = (a[p + j] - dotOfRanges(a, p, a, j * n, j)) / a[j * n + j];
  }
  const diagonal = a[p + i];
  const pivot = diagonal - dotOfRanges(a, p, a, p, i);
  // NaN fails this condition, too. The bound is a multiple of |diagonal|, since a negative pivot
  // must not pass a negative bound.
  if (!(pivot > n * PIVOT_TOLERANCE * Math.abs(diagonal) && pivot < Infinity)) {
    return false;
  }
  a[p + i] = Math.sqrt(pivot);
  return true;
}

/**
 * x (n) with L Lᵀ x = b. First L y = b is solved forwards by rows. Then Lᵀ x = y is solved
 * backwards, row by row of L, so that memory is read in order again.
 */
function solveFactored(lower: Float64Array, n: number, b: Float64Array): Float64Array {
  const x = b.slice();
  for (let i = 0; i < n; i++) {
    x[i] = (x[i] - dotOfRanges(lower, i * n, x, 0, i)) / lower[i * n + i];
  }
  for (let i = n - 1; i >= 0; i--) {
    const p = i * n;
    const xi = x[i] / lower[p + i];
    x[i] = xi;
    for (let k = 0; k < i; k++) {
      x[k] -= lower[p + k] * xi;
    }
  }
  return x;
}
