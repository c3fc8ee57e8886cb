/** aᵀb. */
export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    sum += a[i] * b[i];
  }
  return sum;
}

/** |a|. */
export const norm = (a: Float64Array): number => Math.sqrt(dot(a, a));

/** out += scale · a; returns out. */
export function addInto(out: Float64Array, scale: number, a: ArrayLike<number>): Float64Array {
  for (let i = 0; i < out.length; i++) {
    out[i] += scale * a[i];
  }
  return out;
}
