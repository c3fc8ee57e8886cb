/** Kinds of functions of two tensors. ../kernels.ts has their names. */
const SUM = 0;
const DIFFERENCE = 1;

// @ts-ignore: decorator
@inline
function combine(kind: i32, a: v128, b: v128): v128 {
  return kind === SUM ? f32x4.add(a, b) : kind === DIFFERENCE ? f32x4.sub(a, b) : f32x4.mul(a, b);
}

/**
 * out[i, j] (r x c) = the function of this kind of a and b. Entry (i, j) of a lies at a + 4 (i·aRow +
 * j·aColumn), with an aColumn of 0 or 1. So a column, a row or one number may broadcast. b alike. The
 * output may be an input that does not broadcast.
 */
export function combined(kind: i32, a: usize, aRow: i32, aColumn: i32, b: usize, bRow: i32, bColumn: i32, out: usize,
    r: i32, c: i32): void {
  const aStep = <usize>aColumn << 2, bStep = <usize>bColumn << 2;
  for (let i = 0; i < r; i++) {
    let x = a + (<usize>i * aRow << 2), y = b + (<usize>i * bRow << 2);
    let j = 0;
    for (; j + 4 <= c; j += 4, x += 4 * aStep, y += 4 * bStep, out += 16) {
      const left = aColumn ? v128.load(x) : v128.load32_splat(x);
      const right = bColumn ? v128.load(y) : v128.load32_splat(y);
      v128.store(out, combine(kind, left, right));
    }
    for (; j < c; j++, x += aStep, y += bStep, out += 4) {
      v128.store_lane<f32>(out, combine(kind, v128.load32_zero(x), v128.load32_zero(y)), 0);
    }
  }
}

/** out = a + factor·b, for n entries. The output may be one of the inputs. */
export function addScaled(a: usize, factor: f32, b: usize, out: usize, n: i32): void {
  const scale = f32x4.splat(factor);
  let i = 0;
  for (; i + 4 <= n; i += 4, a += 16, b += 16, out += 16) {
    v128.store(out, f32x4.add(v128.load(a), f32x4.mul(scale, v128.load(b))));
  }
  for (; i < n; i++, a += 4, b += 4, out += 4) {
    store<f32>(out, load<f32>(a) + factor * load<f32>(b));
  }
}
