/**
 * n numbers, uniform in [-1, 1], the same on every machine. They repeat after `PERIOD` numbers.
 *
 * Source: mulberry32, Tommy Ettinger.
 */
export function pseudoRandom(n: number, seed = 0x9e3779b9): Float32Array {
  const made = Math.min(n, PERIOD);
  const x = new Float32Array(n);
  for (let i = 0; i < made; i++) {
    x[i] = bitsAt(seed, i) / 2 ** 31 - 1;
  }
  for (let from = made; from < n; from += made) {
    x.copyWithin(from, 0, Math.min(made, n - from));
  }
  return x;
}

/** Numbers in a period. It is a prime, so that no axis of a tensor has the same period. */
const PERIOD = 65521;

/**
 * n numbers of +1 and -1, the same on every machine. They do not repeat: their products with each
 * other have the mean 0.
 */
export function randomSigns(n: number, seed: number): Float64Array {
  const signs = new Float64Array(n);
  for (let i = 0, bits = 0; i < n; i++, bits >>>= 1) {
    if (i % 32 === 0) {
      bits = bitsAt(seed, i / 32);
    }
    signs[i] = bits & 1 ? 1 : -1;
  }
  return signs;
}

/** 32 random bits: number i of mulberry32. */
function bitsAt(seed: number, i: number): number {
  const state = (seed + Math.imul(i + 1, 0x6d2b79f5)) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return (t ^ (t >>> 14)) >>> 0;
}
