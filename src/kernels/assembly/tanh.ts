/**
 * e^x for x in [0, 20], to about 1 unit in the last place: 2^n e^r with |r| ≤ ln(2)/2, and a polynomial
 * of Cephes (expf).
 */
// @ts-ignore: decorator
@inline
function exponential(x: v128): v128 {
  const n = f32x4.nearest(f32x4.mul(x, f32x4.splat(1.44269504)));
  const r = f32x4.add(f32x4.sub(x, f32x4.mul(n, f32x4.splat(0.693359375))), f32x4.mul(n, f32x4.splat(2.12194440e-4)));
  let p = f32x4.add(f32x4.mul(f32x4.splat(1.9875691500e-4), r), f32x4.splat(1.3981999507e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(8.3334519073e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(4.1665795894e-2));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.6666665459e-1));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(5.0000001201e-1));
  const power = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23);
  return f32x4.mul(f32x4.add(f32x4.add(f32x4.mul(p, f32x4.mul(r, r)), r), f32x4.splat(1)), power);
}

/**
 * tanh x by |x|, with the sign of x at the end, so that -0 stays -0. Below 0.625 it is an odd
 * polynomial of Cephes (tanhf), else 1 - 2/(e^2|x| + 1), which is 1 from |x| = 9.02 on.
 */
// @ts-ignore: decorator
@inline
function value(x: v128): v128 {
  const a = f32x4.abs(x), one = f32x4.splat(1), two = f32x4.splat(2);
  const z = f32x4.mul(a, a);
  let p = f32x4.sub(f32x4.mul(f32x4.splat(-5.70498872745e-3), z), f32x4.splat(-2.06390887954e-2));
  p = f32x4.sub(f32x4.mul(p, z), f32x4.splat(5.37397155531e-2));
  p = f32x4.sub(f32x4.mul(p, z), f32x4.splat(-1.33314422036e-1));
  p = f32x4.sub(f32x4.mul(p, z), f32x4.splat(3.33332819422e-1));
  const low = f32x4.add(f32x4.mul(f32x4.mul(p, z), a), a);
  const e = exponential(f32x4.mul(two, f32x4.min(a, f32x4.splat(10))));
  const high = f32x4.sub(one, f32x4.div(two, f32x4.add(e, one)));
  const size = v128.bitselect(low, high, f32x4.lt(a, f32x4.splat(0.625)));
  return v128.or(size, v128.and(x, i32x4.splat(<i32>0x80000000)));
}

/** out = tanh x, for n entries. The output may be the input. */
export function tanh(x: usize, out: usize, n: i32): void {
  let i = 0;
  for (; i + 4 <= n; i += 4, x += 16, out += 16) {
    v128.store(out, value(v128.load(x)));
  }
  for (; i < n; i++, x += 4, out += 4) {
    v128.store_lane<f32>(out, value(v128.load32_zero(x)), 0);
  }
}
