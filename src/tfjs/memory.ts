import {memory, tidy} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {ggnError} from '../errors';
import {ByteMeter} from './byte_meter';

/** Floats in the largest block of dense rows that is formed at once, whatever the limit: 64 MiB. */
const LARGEST_BLOCK = 2 ** 24;

const BYTES = 4;

/**
 * Ways to share out a limit: parts for the dense rows that uses keep for the rest of the step, and for each block of rows that is formed and
 * dropped again. The more thrifty, the more often rows are formed.
 */
const SHARES = [{kept: 1 / 2, block: 1 / 16}, {kept: 1 / 8, block: 1 / 32}, {kept: 1 / 32, block: 1 / 64}];

/** What a step may use, while it runs: steps are synchronous, so there is never more than one. */
interface Budget {
  readonly limit: number;
  readonly shares: typeof SHARES[number];
  /** Bytes of the step's tensors. */
  readonly used: () => number;
  /** Most bytes so far. */
  readonly peak: () => number;
  /** Floats of dense rows that uses keep. */
  kept: number;
}

const none = (): number => 0;

let current: Budget = {limit: 2 ** 30, shares: SHARES[0], used: none, peak: none, kept: 0};

/** The step took more memory than the limit. */
class MemoryExceeded extends Error {
  constructor(readonly needs: string) {
    super(ggnError(needs).message);  // with the name of the package: what runs the kernels lets such errors pass
  }
}

/** How thrifty steps have to be, remembered from one to the next: an index of the ways to share out a limit. */
export class Thrift {
  level = 0;
}

/**
 * Runs f, which may run again, with a limit on the bytes of tensor data that it holds at once, beside those that exist when it begins. The
 * data that f makes are followed kernel by kernel, and the first kernel that leaves more than the limit ends it. Then it runs again, in
 * smaller blocks and with fewer rows kept, if it can.
 *
 * @returns what f returned; of its tensors, those that are in there.
 * @throws when f needs more.
 */
export function withMemoryLimit<T>(bytes: number, f: () => T, thrift = new Thrift()): T {
  for (;; thrift.level++) {
    try {
      return tidy(() => runWithin(bytes, SHARES[thrift.level], f) as never);
    } catch (error) {
      if (!(error instanceof MemoryExceeded)) {
        throw error;
      }
      if (thrift.level === SHARES.length - 1) {
        thrift.level = 0;
        throw ggnError(error.needs);
      }
    }
  }
}

function runWithin<T>(limit: number, shares: Budget['shares'], f: () => T): T {
  const before = current;
  const meter = new ByteMeter();
  const isMetered = meter.start(checkMemory);
  const {numBytes} = memory();
  const handles = (): number => memory().numBytes - numBytes;
  current = {limit, shares, used: isMetered ? () => meter.now : handles, peak: isMetered ? () => meter.peak : handles, kept: 0};
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
export const blockFloats = (): number => Math.max(1, Math.min(LARGEST_BLOCK, Math.floor(Math.min(current.limit * current.shares.block, left() / 4) / BYTES)));

/**
 * Of how many parts an op is best made, if whole it holds this many floats at once, each part being freed when it has been used: 1 where the
 * whole fits.
 */
export function partsOf(floats: number, result: number): number {
  const bytes = floats * BYTES;
  return bytes <= left() ? 1 : Math.ceil(bytes / Math.max(1, (left() - result * BYTES) / 2));
}

/** Whether a linearization of this many floats leaves enough for what is made of it. */
export const mayBeWhole = (floats: number): boolean => floats * BYTES <= Math.min(left(), current.limit * current.shares.kept) / 2;

/**
 * @param why what else could be done about it, for the message.
 * @throws at once where what has to be there together, of so many floats, is more than the step may still make.
 */
export function checkLeast(floats: number, why: () => string): void {
  const bytes = current.used() + floats * BYTES;
  if (bytes > current.limit) {
    throw ggnError(needs(bytes, 'of cotangents or changes of weights at least', why()));
  }
}

/** Whether a use may keep dense rows of this many floats for the rest of the step; counts them if so. */
export function mayKeep(floats: number): boolean {
  const bytes = floats * BYTES;
  if (current.kept * BYTES + bytes > current.limit * current.shares.kept || 2 * bytes > left()) {  // twice while they are put together
    return false;
  }
  current.kept += floats;
  return true;
}

/** Runs f in a scope of its own; what uses may keep counts as long as that lasts, as their tensors do. @returns what f returned, and of its tensors those that it lists. */
export function inScope<T>(f: () => T, listed: (result: T) => readonly Tensor[] = () => []): T {
  const {kept} = current;
  let result: T;
  try {
    tidy(() => {
      result = f();
      return listed(result) as Tensor[];
    });
    return result!;
  } finally {
    current.kept = kept;
  }
}

/** @throws when the tensors of the step have taken more than the limit. */
export function checkMemory(): void {
  const used = current.peak();
  if (used > current.limit) {
    throw new MemoryExceeded(needs(used, 'of tensors so far'));
  }
}

const needs = (bytes: number, what: string, why = ''): string => `this step needs more than the option memoryLimit allows: ${inMebibytes(bytes)} MiB ${what}, the limit is ` +
    `${inMebibytes(current.limit)} MiB. ${why}Raise memoryLimit, use a smaller batchSize, or fewer outputs.`;

const inMebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
