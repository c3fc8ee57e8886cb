import {cholesky} from '../arrays/cholesky';
import {choleskyScratchBytes} from '../kernels/kernels';
import {kernelsFor, type OwnKernels} from '../kernels/own_kernels';
import type {Precondition} from './mixed_precision';

/** a b [m, n] for a [m, k] and b [k, n], all row-major. */
export type Multiply = (a: Float32Array, b: Float32Array, m: number, k: number, n: number) => Float32Array;

/**
 * Columns of a block. The triangle of a block is factored by loops here; `multiply` does the rest.
 */
const BLOCK = 96;

/**
 * s (n) with s_i = 1/√a_ii for A = C + shift·I; null if an a_ii is not a positive number. The
 * matrix s_i a_ij s_j has ones on its diagonal, and if A is positive definite no entry above 1. So
 * neither the range of float32 nor badly scaled rows matter.
 *
 * @param curvature C, n x n, row-major.
 */
export function unitScale(curvature: Float64Array, n: number, shift: number): Float64Array | null {
  const scale = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    scale[i] = 1 / Math.sqrt(curvature[i * n + i] + shift);
    if (!(scale[i] > 0 && scale[i] < Infinity)) {
      return null;
    }
  }
  return scale;
}

/**
 * A Cholesky factorization in float32, by kernels of our own. Without them it goes by block columns
 * from the left: nearly all of its n³/3 operations are in products of [n - j, j] and [j, 96], for
 * which `multiply` may use a fast backend.
 *
 * Source: Golub & Van Loan, section 4.2.9.
 *
 * Measured: tfjs's WASM backend multiplies at ten times the speed of a loop in JavaScript.
 *
 * @param multiply the float32 product.
 */
export function blockedCholesky(multiply: Multiply): Precondition {
  return (curvature, n, shift) => {
    const scale = unitScale(curvature, n, shift);
    const lower = scale === null ? null : factor(curvature, n, scale, multiply);
    return lower === null ? null : r => {
      const z = r.map((value, i) => scale![i] * value);
      substitute(lower, n, z);
      return z.map((value, i) => scale![i] * value);
    };
  };
}

/** L of s_i a_ij s_j, n x n, row-major; null if the matrix is not positive definite in float32. */
function factor(matrix: Float64Array, n: number, scale: Float64Array, multiply: Multiply): Float32Array | null {
  const own = kernelsFor(4 * n * n + choleskyScratchBytes(n));
  return own === null ? factorByProducts(matrix, n, scale, multiply) : factorByKernels(own, matrix, n, scale);
}

function factorByKernels(own: OwnKernels, matrix: Float64Array, n: number, scale: Float64Array): Float32Array | null {
  return own.withSpace(4 * n * n + choleskyScratchBytes(n), pointer => {
    const scaled = own.floats(pointer, n * n);
    for (let i = 0; i < n; i++) {
      for (let j = 0, p = i * n; j < i; j++, p++) {
        scaled[p] = scale[i] * matrix[p] * scale[j];
      }
      scaled[i * n + i] = 1;  // (c_ii + shift) s_i²
    }
    const pivot = own.kernels.cholesky32(pointer, n, pointer + 4 * n * n);
    return pivot >= 0 ? null : own.floats(pointer, n * n).slice();
  });
}

function factorByProducts(matrix: Float64Array, n: number, scale: Float64Array, multiply: Multiply):
    Float32Array | null {
  const lower = new Float32Array(n * n);
  for (let j = 0; j < n; j += BLOCK) {
    const width = Math.min(BLOCK, n - j);
    const panel = remaining(matrix, n, scale, lower, j, width, multiply);
    const inverse = factorTriangle(panel, width, lower, n, j);
    if (inverse === null) {
      return null;
    }
    const below = n - j - width;
    if (below > 0) {
      const rows = multiply(panel.subarray(width * width), inverse, below, width, width);
      for (let i = 0; i < below; i++) {
        lower.set(rows.subarray(i * width, (i + 1) * width), (j + width + i) * n + j);
      }
    }
  }
  return lower;
}

/**
 * Columns j..j+width-1 of the matrix from row j on, less the products of the columns of L before j:
 * [n - j, width].
 */
function remaining(matrix: Float64Array, n: number, scale: Float64Array, lower: Float32Array, j: number, width: number,
    multiply: Multiply): Float32Array {
  const rows = n - j;
  const panel = new Float32Array(rows * width);
  for (let i = 0, to = 0; i < rows; i++) {
    const from = (j + i) * n + j;
    for (let c = 0; c < width; c++) {
      panel[to++] = scale[j + i] * matrix[from + c] * scale[j + c];
    }
  }
  for (let c = 0; c < width; c++) {
    panel[c * width + c] = 1;  // (c_ii + shift) s_i²
  }
  if (j === 0) {
    return panel;
  }
  const before = new Float32Array(rows * j);
  for (let i = 0; i < rows; i++) {
    before.set(lower.subarray((j + i) * n, (j + i) * n + j), i * j);
  }
  const top = new Float32Array(j * width);
  for (let c = 0; c < width; c++) {
    for (let k = 0; k < j; k++) {
      top[k * width + c] = before[c * j + k];
    }
  }
  const known = multiply(before, top, rows, j, width);
  for (let p = 0; p < panel.length; p++) {
    panel[p] -= known[p];
  }
  return panel;
}

/**
 * Factors the first `width` rows of the panel and writes the factor to `lower`.
 *
 * @returns the transposed inverse of that factor, [width, width]; null if these rows are not
 *   positive definite.
 */
function factorTriangle(panel: Float32Array, width: number, lower: Float32Array, n: number, j: number):
    Float32Array | null {
  const factor = cholesky(Float64Array.from(panel.subarray(0, width * width)), width);
  if (!factor.ok) {
    return null;
  }
  const l = factor.lower;
  for (let i = 0; i < width; i++) {
    for (let k = 0; k <= i; k++) {
      lower[(j + i) * n + j + k] = l[i * width + k];
    }
  }
  // Row c of (L⁻¹)ᵀ is column c of L⁻¹, which solves L x = unit vector c. All c are solved at once,
  // row by row of L, so that both arrays are read in order.
  const inverse = new Float32Array(width * width);
  const x = new Float64Array(width * width);
  for (let i = 0; i < width; i++) {
    const row = i * width;
    x[row + i] = 1;
    for (let k = 0; k < i; k++) {
      const factor = l[row + k];
      for (let c = 0; c <= k; c++) {
        x[row + c] -= factor * x[k * width + c];
      }
    }
    const pivot = l[row + i];
    for (let c = 0; c <= i; c++) {
      x[row + c] /= pivot;
      inverse[c * width + i] = x[row + c];
    }
  }
  return inverse;
}

/** z ← (L Lᵀ)⁻¹ z for z (n). Four rows of L are taken at a time, which share the loads of z. */
function substitute(lower: Float32Array, n: number, z: Float64Array): void {
  const whole = n - n % 4;
  for (let i = 0; i < n; i += 4) {
    const p0 = i * n;
    if (i < whole) {
      const p1 = p0 + n, p2 = p1 + n, p3 = p2 + n;
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
      for (let k = 0; k < i; k++) {
        const zk = z[k];
        s0 += lower[p0 + k] * zk;
        s1 += lower[p1 + k] * zk;
        s2 += lower[p2 + k] * zk;
        s3 += lower[p3 + k] * zk;
      }
      z[i] -= s0;
      z[i + 1] -= s1;
      z[i + 2] -= s2;
      z[i + 3] -= s3;
    }
    for (let row = i; row < Math.min(n, i + 4); row++) {
      let sum = z[row];
      for (let k = i < whole ? i : 0; k < row; k++) {
        sum -= lower[row * n + k] * z[k];
      }
      z[row] = sum / lower[row * n + row];
    }
  }
  for (let row = n - 1; row >= whole; row--) {
    z[row] /= lower[row * n + row];
    for (let k = 0; k < row; k++) {
      z[k] -= lower[row * n + k] * z[row];
    }
  }
  for (let i = whole - 4; i >= 0; i -= 4) {
    for (let row = i + 3; row >= i; row--) {
      z[row] /= lower[row * n + row];
      for (let k = i; k < row; k++) {
        z[k] -= lower[row * n + k] * z[row];
      }
    }
    const p0 = i * n, p1 = p0 + n, p2 = p1 + n, p3 = p2 + n;
    const z0 = z[i], z1 = z[i + 1], z2 = z[i + 2], z3 = z[i + 3];
    for (let k = 0; k < i; k++) {
      z[k] -= lower[p0 + k] * z0 + lower[p1 + k] * z1 + lower[p2 + k] * z2 + lower[p3 + k] * z3;
    }
  }
}
