import type {Tensor} from '@tensorflow/tfjs-core';

/**
 * Entries of each row that are read: enough to tell examples apart, and few enough to cost nothing
 * beside a step.
 */
const ENTRIES = 32;

/**
 * Fingerprints by the data of a tensor. Data never change, so a custom loop on the same tensors
 * reads nothing twice.
 */
const known = new WeakMap<object, number>();

/**
 * Sum of the hashes of the rows, by the bits of their numbers. The sum is exact, so the order of
 * the rows leaves no rounding.
 */
export function fingerprintOf(leaf: Tensor): number {
  const before = known.get(leaf.dataId);
  if (before !== undefined) {
    return before;
  }
  const entries = leaf.dataSync();
  const bits = entries instanceof Float32Array ?
    new Uint32Array(entries.buffer, entries.byteOffset, entries.length) : entries;
  const rows = leaf.shape[0] ?? 1;
  const width = leaf.size / rows;
  const stride = Math.max(1, Math.ceil(width / ENTRIES));
  let sum = leaf.size;
  for (let row = 0, from = 0; row < rows; row++, from += width) {
    let hash = 0;
    for (let j = 0; j < width; j += stride) {
      hash = mix(hash, bits[from + j]);
    }
    sum = (sum + hash) >>> 0;
  }
  known.set(leaf.dataId, sum);
  return sum;
}

/** One step of a 32-bit hash (the finaliser of MurmurHash3, public domain), unsigned. */
export function mix(hash: number, value: number): number {
  let h = (Math.imul(hash, 31) + value) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
