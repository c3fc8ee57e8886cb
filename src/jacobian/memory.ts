import {memory} from '@tensorflow/tfjs-core';
import {ggnError} from '../errors';
import {ByteMeter} from './byte_meter';

/** Floats in the largest block of dense rows that is formed at once, whatever the limit: 64 MiB. */
const LARGEST_BLOCK = 2 ** 24;

const BYTES = 4;

/** What a step may use, while it runs: steps are synchronous, so there is never more than one. */
interface Budget {
  readonly limit: number;
  /** Bytes of the step's tensors. */
  readonly used: () => number;
  /** Most bytes so far. */
  readonly peak: () => number;
  /** Floats of dense rows that uses keep. */
  kept: number;
}

const none = (): number => 0;

let current: Budget = {limit: 2 ** 30, used: none, peak: none, kept: 0};

/**
 * Runs f with a limit on the bytes of tensor data that it holds at once, beside those that exist when it begins. The data that f makes
 * are followed kernel by kernel, and the first kernel that leaves more than the limit ends f with an error.
 *
 * So that f gets by with less, what could be formed at once is formed in blocks: half of the limit is for dense rows that uses keep, a
 * sixteenth for each block of rows that is formed and dropped again, less where less than four blocks are left.
 *
 * @throws when f needs more.
 */
export function withMemoryLimit<T>(bytes: number, f: () => T): T {
  const before = current;
  const meter = new ByteMeter();
  const isMetered = meter.start(checkMemory);
  const {numBytes} = memory();
  const handles = (): number => memory().numBytes - numBytes;
  current = {limit: bytes, used: isMetered ? () => meter.now : handles, peak: isMetered ? () => meter.peak : handles, kept: 0};
  try {
    const result = f();
    checkMemory();
    return result;
  } finally {
    meter.stop();
    current = before;
  }
}

/** Bytes that the step may still make. */
const left = (): number => Math.max(0, current.limit - current.used());

/** Floats that a block of dense rows may take; it and what is made of it take up to four times that. */
export const blockFloats = (): number => Math.max(1, Math.min(LARGEST_BLOCK, Math.floor(Math.min(current.limit / 16, left() / 4) / BYTES)));

/** Whether a use may keep dense rows of this many floats for the rest of the step; counts them if so. */
export function mayKeep(floats: number): boolean {
  const bytes = floats * BYTES;
  if (current.kept * BYTES + bytes > current.limit / 2 || 2 * bytes > left()) {  // twice while they are put together
    return false;
  }
  current.kept += floats;
  return true;
}

/** @throws when the tensors of the step have taken more than the limit. */
export function checkMemory(): void {
  const used = current.peak();
  if (used > current.limit) {
    throw ggnError(`this step needs more than the option memoryLimit allows: ${inMebibytes(used)} MiB of tensors so far, the limit is ` +
        `${inMebibytes(current.limit)} MiB. Raise memoryLimit, use a smaller batchSize, or fewer outputs.`);
  }
}

const inMebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
