// @ts-ignore: decorator
@inline
function total(sums: v128): f32 {
  return f32x4.extract_lane(sums, 0) + f32x4.extract_lane(sums, 1) +
      (f32x4.extract_lane(sums, 2) + f32x4.extract_lane(sums, 3));
}

/** out[i] = Σ_j x[i, j]·y[i, j] for x and y [r, c]. */
export function rowDots(x: usize, y: usize, out: usize, r: i32, c: i32): void {
  for (let i = 0; i < r; i++, out += 4) {
    let s0 = f32x4.splat(0), s1 = f32x4.splat(0);
    let j = 0;
    for (; j + 8 <= c; j += 8, x += 32, y += 32) {
      s0 = f32x4.add(s0, f32x4.mul(v128.load(x), v128.load(y)));
      s1 = f32x4.add(s1, f32x4.mul(v128.load(x, 16), v128.load(y, 16)));
    }
    for (; j < c; j++, x += 4, y += 4) {
      s0 = f32x4.add(s0, f32x4.mul(v128.load32_zero(x), v128.load32_zero(y)));
    }
    store<f32>(out, total(f32x4.add(s0, s1)));
  }
}

/** Whether n entries are finite: 0·x is NaN for others. */
export function areFinite(x: usize, n: i32): bool {
  const zero = f32x4.splat(0);
  let zeros = zero;
  let i = 0;
  for (; i + 4 <= n; i += 4, x += 16) {
    zeros = f32x4.add(zeros, f32x4.mul(zero, v128.load(x)));
  }
  for (; i < n; i++, x += 4) {
    zeros = f32x4.add(zeros, f32x4.mul(zero, v128.load32_zero(x)));
  }
  return total(zeros) === 0;
}
