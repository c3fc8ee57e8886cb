/**
 * a·b + c. The order of operands and c as a local variable make a pattern of bytes which ../module.ts
 * turns into the fused instruction of relaxed SIMD.
 */
// @ts-ignore: decorator
@inline
export function multiplyAdd(a: v128, b: v128, c: v128): v128 {
  return f32x4.add(f32x4.mul(a, b), c);
}

/** The same for two numbers of float64. */
// @ts-ignore: decorator
@inline
export function multiplyAdd64(a: v128, b: v128, c: v128): v128 {
  return f64x2.add(f64x2.mul(a, b), c);
}
