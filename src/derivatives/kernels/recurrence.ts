import {pad, slice, type Tensor} from '@tensorflow/tfjs-core';
import {add, mul} from '../../tfjs/fast_ops';

/**
 * The s with s_i = c_i + f_i s_(i - by) along an axis, where s is zero outside; `by` is 1 or -1.
 * The last axis has the number 1 and the one before it 2, since f broadcasts against c. Each round
 * doubles the distance that s reaches, so n entries take log2 n rounds.
 */
export function recurrence(c: Tensor, f: Tensor, axisFromBehind: number, by: number): Tensor {
  const n = c.shape[c.rank - axisFromBehind];
  let [s, factors] = [c, f];
  for (let distance = 1; distance < n; distance *= 2) {
    s = add(s, mul(factors, neighbour(s, axisFromBehind, -by * distance)));
    factors = mul(factors, neighbour(factors, axisFromBehind, -by * distance));
  }
  return s;
}

/** The entry i + by at the place i along an axis; zeros where there is none. */
export function neighbour(t: Tensor, axisFromBehind: number, by: number): Tensor {
  const axis = t.rank - axisFromBehind;
  const kept = slice(t, t.shape.map((_, k) => k === axis ? Math.max(by, 0) : 0),
      t.shape.map((size, k) => k === axis ? size - Math.abs(by) : size));
  return pad(kept, t.shape.map((_, k): [number, number] => k === axis ? [Math.max(-by, 0), Math.max(by, 0)] : [0, 0]));
}
