/** Random numbers that repeat. */

/** Uniform numbers in [0, 1), the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let hash = Math.imul(state ^ (state >>> 15), state | 1);
    hash ^= hash + Math.imul(hash ^ (hash >>> 7), hash | 61);
    return ((hash ^ (hash >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** tfjs shuffles by Math.random and takes no seed; with this, every run sees the rows in the same order. */
export async function withSeed<T>(seed: number, run: () => T | Promise<T>): Promise<T> {
  const {random} = Math;
  Math.random = seededRandom(seed);
  try {
    return await run();
  } finally {
    Math.random = random;
  }
}
