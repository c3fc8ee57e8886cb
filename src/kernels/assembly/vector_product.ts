import {multiplyAdd} from './simd';

function dot(a: usize, b: usize, k: i32): f32 {
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
  let p = 0;
  for (; p + 16 <= k; p += 16, a += 64, b += 64) {
    s0 = multiplyAdd(v128.load(a), v128.load(b), s0);
    s1 = multiplyAdd(v128.load(a, 16), v128.load(b, 16), s1);
    s2 = multiplyAdd(v128.load(a, 32), v128.load(b, 32), s2);
    s3 = multiplyAdd(v128.load(a, 48), v128.load(b, 48), s3);
  }
  for (; p + 4 <= k; p += 4, a += 16, b += 16) {
    s0 = multiplyAdd(v128.load(a), v128.load(b), s0);
  }
  s0 = f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3));
  let sum = f32x4.extract_lane(s0, 0) + f32x4.extract_lane(s0, 1) + (f32x4.extract_lane(s0, 2) + f32x4.extract_lane(s0, 3));
  for (; p < k; p++, a += 4, b += 4) {
    sum += load<f32>(a) * load<f32>(b);
  }
  return sum;
}

/** t += x · s for n entries that follow each other. */
function addMultiple(x: usize, s: f32, t: usize, n: i32): void {
  const factor = f32x4.splat(s);
  let i = 0;
  for (; i + 4 <= n; i += 4, x += 16, t += 16) {
    const sum = v128.load(t);
    v128.store(t, multiplyAdd(v128.load(x), factor, sum));
  }
  for (; i < n; i++, x += 4, t += 4) {
    store<f32>(t, load<f32>(t) + load<f32>(x) * s);
  }
}

/** t = A v, with A read where it lies. `scratch` takes k floats. */
export function multiplyVector(a: usize, row: usize, column: usize, v: usize, stride: usize, t: usize, m: i32, k: i32,
    scratch: usize): void {
  row <<= 2;
  column <<= 2;
  stride <<= 2;
  if (row === 4 && column !== 4) {
    memory.fill(t, 0, <usize>m << 2);
    for (let p = 0; p < k; p++, a += column, v += stride) {
      addMultiple(a, load<f32>(v), t, m);
    }
    return;
  }
  if (stride !== 4) {
    for (let p = 0; p < k; p++, v += stride) {
      store<f32>(scratch + (<usize>p << 2), load<f32>(v));
    }
    v = scratch;
  }
  for (let i = 0; i < m; i++, a += row, t += 4) {
    if (column === 4) {
      store<f32>(t, dot(a, v, k));
      continue;
    }
    let sum: f32 = 0;
    for (let p = 0; p < k; p++) {
      sum += load<f32>(a + <usize>p * column) * load<f32>(v + (<usize>p << 2));
    }
    store<f32>(t, sum);
  }
}
