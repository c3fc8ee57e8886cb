import {norm} from './vectors';

/**
 * Sweeps over all pairs, at most. The rotations converge quadratically, so that seven sweeps are
 * usual.
 */
const MAX_SWEEPS = 30;

/**
 * A matrix counts as diagonal if its entries off the diagonal have this share of its norm, or less.
 */
const CONVERGED = 2 ** -52;

/** A = V diag(values) Vᵀ. */
interface SymmetricEigen {
  /** The eigenvalues (k), in no order. */
  readonly values: Float64Array;
  /** V, k x k, row-major. Its columns are the eigenvectors. */
  readonly vectors: Float64Array;
}

/**
 * Eigenvalues and eigenvectors of a symmetric k x k matrix by cyclic Jacobi rotations. A sweep
 * takes about 10 k³ operations, which suits the small curvature block of one example.
 *
 * Source: Golub & Van Loan, Matrix Computations, section 8.5.
 *
 * @param matrix A, k x k, row-major; not changed.
 */
export function symmetricEigen(matrix: ArrayLike<number>, k: number): SymmetricEigen {
  const a = Float64Array.from(matrix);
  const vectors = new Float64Array(k * k);
  for (let i = 0; i < k; i++) {
    vectors[i * k + i] = 1;
  }
  const size = norm(a);
  for (let sweep = 0; sweep < MAX_SWEEPS && offDiagonal(a, k) > CONVERGED * size; sweep++) {
    for (let p = 0; p < k; p++) {
      for (let q = p + 1; q < k; q++) {
        if (a[p * k + q] !== 0) {
          rotate(a, vectors, k, p, q);
        }
      }
    }
  }
  return {values: Float64Array.from({length: k}, (_, i) => a[i * k + i]), vectors};
}

/** Makes a_pq zero: A ← RᵀAR, V ← VR. Of the two rotations that do so, R has the smaller angle. */
function rotate(a: Float64Array, vectors: Float64Array, k: number, p: number, q: number): void {
  const theta = (a[q * k + q] - a[p * k + p]) / (2 * a[p * k + q]);
  const t = Math.abs(theta) > 1e150 ? 0.5 / theta :
    (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const c = 1 / Math.sqrt(t * t + 1);
  const s = t * c;
  for (let i = 0; i < k; i++) {
    const [x, y] = [a[i * k + p], a[i * k + q]];
    a[i * k + p] = c * x - s * y;
    a[i * k + q] = s * x + c * y;
  }
  for (let i = 0; i < k; i++) {
    const [x, y] = [a[p * k + i], a[q * k + i]];
    a[p * k + i] = c * x - s * y;
    a[q * k + i] = s * x + c * y;
    const [v, w] = [vectors[i * k + p], vectors[i * k + q]];
    vectors[i * k + p] = c * v - s * w;
    vectors[i * k + q] = s * v + c * w;
  }
}

/** Norm of the entries off the diagonal. */
function offDiagonal(a: Float64Array, k: number): number {
  let sum = 0;
  for (let i = 0; i < k; i++) {
    for (let j = 0; j < i; j++) {
      sum += 2 * a[i * k + j] ** 2;
    }
  }
  return Math.sqrt(sum);
}
