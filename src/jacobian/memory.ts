import {memory} from '@tensorflow/tfjs-core';
import {ggnError} from '../errors';

/** Floats in the largest block of dense rows that is formed at once, whatever the limit: 64 MiB. */
const LARGEST_BLOCK = 2 ** 24;

const BYTES = 4;

/** What a step may use, while it runs: steps are synchronous, so there is never more than one. */
interface Budget {
  readonly limit: number;
  /** Bytes that tensors took before the step's own. */
  readonly base: number;
  /** Floats of dense rows that uses keep. */
  kept: number;
}

let current: Budget = {limit: 2 ** 30, base: 0, kept: 0};

/**
 * Runs f with a limit on the bytes of tensors that it holds at once, beside those that exist when it begins: half of the
 * limit is for dense rows that uses keep, a sixteenth for each block of rows that is formed and dropped again.
 */
export function withMemoryLimit<T>(bytes: number, f: () => T): T {
  const before = current;
  current = {limit: bytes, base: memory().numBytes, kept: 0};
  try {
    return f();
  } finally {
    current = before;
  }
}

/** Floats that a block of dense rows may take. */
export const blockFloats = (): number => Math.max(1, Math.min(LARGEST_BLOCK, Math.floor(current.limit / 16 / BYTES)));

/** Whether a use may keep dense rows of this many floats for the rest of the step; counts them if so. */
export function mayKeep(floats: number): boolean {
  if ((current.kept + floats) * BYTES > current.limit / 2) {
    return false;
  }
  current.kept += floats;
  return true;
}

/** @throws when the tensors of the step take more than the limit. */
export function checkMemory(): void {
  const used = memory().numBytes - current.base;
  if (used > current.limit) {
    throw ggnError(`this step needs more than the option memoryLimit allows: ${inMebibytes(used)} MiB of tensors so far, the limit is ` +
        `${inMebibytes(current.limit)} MiB. Raise memoryLimit, use a smaller batchSize, or fewer outputs.`);
  }
}

const inMebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
