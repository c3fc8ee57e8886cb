import {cholesky} from '../arrays/cholesky';
import {addInto, dot} from '../arrays/vectors';
import type {Product} from './conjugate_gradient';
import {float32Floor} from './damping';

/** A symmetric positive semidefinite matrix A [m, m], known by its products with a few vectors. */
interface Approximated {
  /** The columns of B (m each) with A ≈ B Bᵀ. */
  readonly columns: readonly Float64Array[];
  /** trace(A), estimated. */
  readonly trace: number;
  /** A bound of |B Bᵀ|, and so of the largest eigenvalue of A as far as B has it. */
  readonly norm: number;
}

/**
 * The shift of A, as a multiple of |A Ω| / |Ω|: the products are rounded in float32, and the
 * shift leaves ΩᵀAΩ positive definite.
 */
const SHIFT = 2 ** -22;

/** Raises of the shift by a factor 16, at most. */
const MAX_RAISES = 5;

/**
 * The Nyström approximation of A from its products Y = A Ω with k vectors Ω of random signs, and an
 * estimate of its trace from the same products:
 *
 *     A ≈ Y H⁻¹ Yᵀ = B Bᵀ,      H = ΩᵀY = L Lᵀ,      B = Y L⁻ᵀ
 *     trace(A) ≈ |B|² + mean over i of (1 - |V e_i|²) / (H⁻¹)_ii,      V = Y H⁻¹
 *
 * The estimate is the mean of k estimates: each takes the trace of the approximation without the
 * vector i, and with this vector the trace of the rest. It has no bias. Its deviation is about
 * √(2/k) |A - B Bᵀ| in the Frobenius norm, which is small if B has the leading directions of A.
 *
 * Sources: Frangella, Tropp & Udell 2023, algorithm 2.1; Epperly, Tropp & Webber 2024 (XNysTrace).
 *
 * @param vectors Ω (m each).
 * @param images A Ω (m each).
 */
export function approximate(vectors: readonly Float64Array[], images: readonly Float64Array[]): Approximated {
  const sizeOf = (all: readonly Float64Array[]): number => Math.sqrt(all.reduce((sum, x) => sum + dot(x, x), 0));
  const least = SHIFT * sizeOf(images) / sizeOf(vectors);
  const [k, m] = [vectors.length, vectors[0].length];
  for (let raises = 0, shift = least; raises <= MAX_RAISES && shift > 0; raises++, shift *= 16) {
    const columns = images.map((y, j) => addInto(y.slice(), shift, vectors[j]));
    const core = new Float64Array(k * k);
    for (let i = 0; i < k; i++) {
      for (let j = 0; j <= i; j++) {
        core[i * k + j] = (dot(vectors[i], columns[j]) + dot(vectors[j], columns[i])) / 2;
      }
    }
    const factor = cholesky(core, k);
    if (!factor.ok) {
      continue;
    }
    const {lower} = factor;
    columns.forEach((column, j) => {
      for (let i = 0; i < j; i++) {
        addInto(column, -lower[j * k + i], columns[i]);
      }
      column.forEach((x, p) => column[p] = x / lower[j * k + j]);
    });
    const gram = gramOf(columns);
    let trace = columns.reduce((sum, _, j) => sum + gram[j * k + j], -shift * m);
    for (let i = 0; i < k; i++) {
      const x = columnOfInverse(lower, k, i);
      const square = x.reduce((sum, a, p) => sum + a * x.reduce((part, b, q) => part + gram[p * k + q] * b, 0), 0);
      trace += (1 - square) / dot(x, x) / k;
    }
    return {columns, trace: Math.max(0, trace), norm: float32Floor(gram, k).norm};
  }
  const mean = vectors.reduce((sum, x, i) => sum + dot(x, images[i]), 0) / k;
  return {columns: [], trace: Math.max(0, mean), norm: 0};
}

/** L⁻¹ e_i (k). */
function columnOfInverse(lower: Float64Array, k: number, i: number): Float64Array {
  const x = new Float64Array(k);
  x[i] = 1 / lower[i * k + i];
  for (let p = i + 1; p < k; p++) {
    let sum = 0;
    for (let q = i; q < p; q++) {
      sum += lower[p * k + q] * x[q];
    }
    x[p] = -sum / lower[p * k + p];
  }
  return x;
}

/** AᵀB for some columns, k x k. */
function gramOf(columns: readonly Float64Array[], other = columns): Float64Array {
  const k = columns.length;
  const gram = new Float64Array(k * k);
  columns.forEach((a, i) => other.forEach((b, j) => gram[i * k + j] = dot(a, b)));
  return gram;
}

/**
 * x ↦ (B Bᵀ + D)⁻¹ x for a positive diagonal D (m); null if it cannot be factored:
 *
 *     (B Bᵀ + D)⁻¹ = D⁻¹ - D⁻¹B (I + BᵀD⁻¹B)⁻¹ BᵀD⁻¹
 */
export function inverseOf(columns: readonly Float64Array[], diagonal: Float64Array): Product | null {
  const k = columns.length;
  const scaled = columns.map(b => b.map((x, j) => x / diagonal[j]));
  const core = gramOf(columns, scaled);
  for (let i = 0; i < k; i++) {
    core[i * k + i] += 1;
  }
  const factor = cholesky(core, k);
  return !factor.ok ? null : x => {
    const result = x.map((value, j) => value / diagonal[j]);
    const weights = factor.solve(Float64Array.from(scaled, b => dot(b, x)));
    scaled.forEach((b, i) => addInto(result, -weights[i], b));
    return result;
  };
}
