/** Largest absolute difference over the largest entry of `expected`. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < expected.length; i++) {
    difference = Math.max(difference, Math.abs(actual[i] - expected[i]));
    size = Math.max(size, Math.abs(expected[i]));
  }
  return actual.length !== expected.length || Number.isNaN(difference) ? Infinity : size === 0 ? difference : difference / size;
}
