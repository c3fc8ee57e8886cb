/** Seeded random numbers: for data, splits, and the batch order of `fit`. */

/** Uniform in [0, 1). */
export type Random = () => number;

/** mulberry32. */
export function seeded(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let hash = Math.imul(state ^ (state >>> 15), state | 1);
    hash ^= hash + Math.imul(hash ^ (hash >>> 7), hash | 61);
    return ((hash ^ (hash >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Standard normal, by Box and Muller. */
export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** A copy in random order, by Fisher and Yates. */
export function shuffled<T>(list: readonly T[], random: Random): T[] {
  const result = [...list];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [result[i], result[j]] = [result[j], result[i]];
  }
  return result;
}

/** tfjs shuffles by Math.random and takes no seed; with this, every run sees the rows in the same order. */
export async function withSeed<T>(seed: number, run: () => T | Promise<T>): Promise<T> {
  const {random} = Math;
  Math.random = seeded(seed);
  try {
    return await run();
  } finally {
    Math.random = random;
  }
}
