/**
 * n numbers, uniform in [-1, 1], the same on every machine. They repeat after `PERIOD` numbers.
 *
 * Source: mulberry32, Tommy Ettinger.
 */
export function pseudoRandom(n: number, seed = 0x9e3779b9): Float32Array {
  const made = Math.min(n, PERIOD);
  const x = new Float32Array(n);
  let state = seed | 0;
  for (let i = 0; i < made; i++) {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    x[i] = ((t ^ (t >>> 14)) >>> 0) / 2 ** 31 - 1;
  }
  for (let from = made; from < n; from += made) {
    x.copyWithin(from, 0, Math.min(made, n - from));
  }
  return x;
}

/** Numbers in a period. It is a prime, so that no axis of a tensor has the same period. */
const PERIOD = 65521;
