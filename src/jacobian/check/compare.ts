import type {Tensor} from '@tensorflow/tfjs-core';
import {distance, norm} from '../../arrays/vectors';

/** The entries of a tensor; zeros if there is no tensor. */
export const floats = (t: Tensor | null, size: number): Float32Array =>
  t === null ? new Float32Array(size) : t.dataSync() as Float32Array;

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
