/** aᵀb. */
export function dot(a: Float64Array, b: Float64Array): number {
  return dotOfRanges(a, 0, b, 0, a.length);
}

/** Σ_{k < length} a[p + k] b[q + k]. */
export function dotOfRanges(a: Float64Array, p: number, b: Float64Array, q: number, length: number): number {
  let sum = 0;
  for (let k = 0; k < length; k++) {
    sum += a[p + k] * b[q + k];
  }
  return sum;
}

/** |a|, the Euclidean norm, in float64. */
export function norm(a: ArrayLike<number>): number {
  let square = 0;
  for (let i = 0; i < a.length; i++) {
    square += a[i] * a[i];
  }
  return Math.sqrt(square);
}

/** |a - b|, in float64. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let square = 0;
  for (let i = 0; i < a.length; i++) {
    square += (a[i] - b[i]) ** 2;
  }
  return Math.sqrt(square);
}

/** Σ_i a_i. */
export const total = (a: Float64Array): number => a.reduce((sum, x) => sum + x, 0);

/** The largest entry, 0 if none is above; NaN if an entry is. */
export const largest = (a: Float64Array): number => a.reduce((most, x) => Math.max(most, x), 0);

/** out += scale · a; returns out. */
export function addInto(out: Float64Array, scale: number, a: ArrayLike<number>): Float64Array {
  for (let i = 0; i < out.length; i++) {
    out[i] += scale * a[i];
  }
  return out;
}

/** Index of the first NaN or infinity, or -1. */
export const firstNonFinite = (a: Float64Array): number => a.findIndex(value => !Number.isFinite(value));

/** The number of entries of some tensors or variables together. */
export const totalSize = (all: ReadonlyArray<{readonly size: number}>): number =>
  all.reduce((sum, {size}) => sum + size, 0);
