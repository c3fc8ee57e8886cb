/** Kinds of entrywise functions of y and dy. ../kernels.ts has their names. */
const TANH = 0;
const SIGMOID = 1;
const RELU = 2;
const RELU6 = 3;
const ELU = 4;
const MULTIPLY = 5;
const ADD = 6;

/**
 * dy times the derivative of an activation at its output y; y·dy; y + dy. The step of a NaN is NaN, as
 * in tfjs.
 */
// @ts-ignore: decorator
@inline
function value(kind: i32, y: v128, dy: v128): v128 {
  const zero = f32x4.splat(0), one = f32x4.splat(1);
  switch (kind) {
    case TANH: return f32x4.mul(dy, f32x4.sub(one, f32x4.mul(y, y)));
    case SIGMOID: return f32x4.mul(dy, f32x4.mul(y, f32x4.sub(one, y)));
    case RELU6: y = v128.bitselect(zero, y, f32x4.ge(y, f32x4.splat(6)));   // falls through
    case RELU: return f32x4.mul(dy, v128.bitselect(one, f32x4.mul(y, zero), f32x4.gt(y, zero)));
    case ELU: return f32x4.mul(dy, v128.bitselect(one, f32x4.add(y, one), f32x4.gt(y, zero)));
    case MULTIPLY: return f32x4.mul(y, dy);
    default: return f32x4.add(y, dy);
  }
}

/** Whole vectors of n entries; returns their number of bytes. The kind is a constant, so that the loop has no choice in it. */
// @ts-ignore: decorator
@inline
function vectors(kind: i32, y: usize, dy: usize, out: usize, n: i32): usize {
  const end = <usize>(n & ~3) << 2;
  for (let at: usize = 0; at < end; at += 16) {
    v128.store(out + at, value(kind, v128.load(y + at), v128.load(dy + at)));
  }
  return end;
}

/** out = the function of this kind, for n entries. The output may be one of the inputs. */
export function entrywise(kind: i32, y: usize, dy: usize, out: usize, n: i32): void {
  let at: usize = 0;
  switch (kind) {
    case TANH: at = vectors(TANH, y, dy, out, n); break;
    case SIGMOID: at = vectors(SIGMOID, y, dy, out, n); break;
    case RELU: at = vectors(RELU, y, dy, out, n); break;
    case RELU6: at = vectors(RELU6, y, dy, out, n); break;
    case ELU: at = vectors(ELU, y, dy, out, n); break;
    case MULTIPLY: at = vectors(MULTIPLY, y, dy, out, n); break;
    default: at = vectors(ADD, y, dy, out, n);
  }
  for (const end = <usize>n << 2; at < end; at += 4) {
    v128.store_lane<f32>(out + at, value(kind, v128.load32_zero(y + at), v128.load32_zero(dy + at)), 0);
  }
}
