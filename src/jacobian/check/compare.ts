import type {Tensor} from '@tensorflow/tfjs-core';

/** The entries of a tensor; zeros if there is no tensor. */
export const floats = (t: Tensor | null, size: number): Float32Array =>
  t === null ? new Float32Array(size) : t.dataSync() as Float32Array;

/** Euclidean norm. */
export function norm(a: ArrayLike<number>): number {
  let square = 0;
  for (let i = 0; i < a.length; i++) {
    square += a[i] ** 2;
  }
  return Math.sqrt(square);
}

/** |a - b|. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let square = 0;
  for (let i = 0; i < a.length; i++) {
    square += (a[i] - b[i]) ** 2;
  }
  return Math.sqrt(square);
}

/**
 * Norm below which there is nothing to compare: the entries are denormals of float32, or close to
 * them.
 */
export const NOISE = 1e-30;

/** |a - b| / max(|a|, |b|); 0 if there is nothing to compare, NaN if an entry is NaN. */
export function relativeDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const size = Math.max(norm(a), norm(b));
  return size < NOISE ? 0 : distance(a, b) / size;
}
