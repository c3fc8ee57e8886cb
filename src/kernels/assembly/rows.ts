import {multiplyAdd64} from './simd';

/** Two numbers of type T as float64. */
// @ts-ignore: decorator
@inline
function pair<T extends number>(p: usize): v128 {
  return sizeof<T>() === 4 ? f64x2.promote_low_f32x4(v128.load64_zero(p)) : v128.load(p);
}

// @ts-ignore: decorator
@inline
function single<T extends number>(p: usize): f64 {
  return <f64>load<T>(p);
}

/** Both lanes of x and y together. */
// @ts-ignore: decorator
@inline
export function total(x: v128): f64 {
  return f64x2.extract_lane(x, 0) + f64x2.extract_lane(x, 1);
}

/** Σ_k l[k] x[k] in float64, for l of type T and x of float64. */
export function dot64<T extends number>(l: usize, x: usize, n: i32): f64 {
  let s0 = f64x2.splat(0), s1 = s0, s2 = s0, s3 = s0;
  let k = 0;
  const size = <usize>sizeof<T>();
  for (; k + 8 <= n; k += 8, l += 8 * size, x += 64) {
    s0 = multiplyAdd64(pair<T>(l), v128.load(x), s0);
    s1 = multiplyAdd64(pair<T>(l + 2 * size), v128.load(x, 16), s1);
    s2 = multiplyAdd64(pair<T>(l + 4 * size), v128.load(x, 32), s2);
    s3 = multiplyAdd64(pair<T>(l + 6 * size), v128.load(x, 48), s3);
  }
  let sum = total(f64x2.add(f64x2.add(s0, s1), f64x2.add(s2, s3)));
  for (; k < n; k++, l += size, x += 8) {
    sum += single<T>(l) * load<f64>(x);
  }
  return sum;
}

/** x[k] += l[k] · factor for x of float64. */
export function addRow64<T extends number>(l: usize, factor: f64, x: usize, n: i32): void {
  const factors = f64x2.splat(factor);
  let k = 0;
  const size = <usize>sizeof<T>();
  for (; k + 4 <= n; k += 4, l += 4 * size, x += 32) {
    const x0 = v128.load(x), x1 = v128.load(x, 16);
    v128.store(x, multiplyAdd64(pair<T>(l), factors, x0));
    v128.store(x, multiplyAdd64(pair<T>(l + 2 * size), factors, x1), 16);
  }
  for (; k < n; k++, l += size, x += 8) {
    store<f64>(x, load<f64>(x) + single<T>(l) * factor);
  }
}

/** x (n) ← (L Lᵀ)⁻¹ x. Both substitutions read L by rows. */
// @ts-ignore: decorator
@inline
function solve<T extends number>(l: usize, n: i32, x: usize): void {
  const size = <usize>sizeof<T>();
  const row = <usize>n * size;
  for (let i = 0; i < n; i++) {
    const p = l + <usize>i * row, at = x + (<usize>i << 3);
    store<f64>(at, (load<f64>(at) - dot64<T>(p, x, i)) / single<T>(p + <usize>i * size));
  }
  for (let i = n - 1; i >= 0; i--) {
    const p = l + <usize>i * row, at = x + (<usize>i << 3);
    const xi = load<f64>(at) / single<T>(p + <usize>i * size);
    store<f64>(at, xi);
    addRow64<T>(p, -xi, x, i);
  }
}

export function solve64(l: usize, n: i32, x: usize): void {
  solve<f64>(l, n, x);
}

export function solve32(l: usize, n: i32, x: usize): void {
  solve<f32>(l, n, x);
}
