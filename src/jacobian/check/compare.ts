import type {Tensor} from '@tensorflow/tfjs-core';

/** Uniform in [-1, 1], the same on every machine (mulberry32, Tommy Ettinger). */
export function pseudoRandom(n: number, seed = 0x9e3779b9): Float32Array {
  const made = Math.min(n, PERIOD);
  const x = new Float32Array(n);
  let state = seed | 0;
  for (let i = 0; i < made; i++) {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    x[i] = ((t ^ (t >>> 14)) >>> 0) / 2 ** 31 - 1;
  }
  for (let from = made; from < n; from += made) {
    x.copyWithin(from, 0, Math.min(made, n - from));
  }
  return x;
}

/** Numbers after which they repeat: a prime, so that no axis of a tensor does. */
const PERIOD = 65521;

/** The entries of a tensor; zeros for none. */
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

/** Norm below which the entries are float32's denormals, or close to them: there is nothing to compare. */
export const NOISE = 1e-30;

/** |a - b| over the larger of |a| and |b|; 0 where there is nothing to compare, not a number where an entry is not. */
export function relativeDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const size = Math.max(norm(a), norm(b));
  return size < NOISE ? 0 : distance(a, b) / size;
}
