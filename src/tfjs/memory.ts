import {memory, tidy, type Tensor} from '@tensorflow/tfjs-core';
import {ggnError} from '../errors';
import {ByteMeter} from './byte_meter';

/** Floats in the largest block of dense rows that is formed at once, for any limit: 64 MiB. */
const LARGEST_BLOCK = 2 ** 24;

/** Bytes of a float. */
const BYTES = 4;

/**
 * Ways to divide a limit, the more thrifty the later. `kept` is the share of the dense rows that
 * uses keep for the rest of the step. `block` is the share of each block of rows that is formed and
 * released again. Thrifty steps form rows more often.
 */
const SHARES = [{kept: 1 / 2, block: 1 / 16}, {kept: 1 / 8, block: 1 / 32}, {kept: 1 / 32, block: 1 / 64}];

/** The memory of the step that runs. Steps are synchronous, so that there is one at most. */
interface Budget {
  readonly limit: number;
  readonly shares: typeof SHARES[number];
  /** Bytes of the step's tensors. */
  readonly used: () => number;
  /** The most bytes so far. */
  readonly peak: () => number;
  /** Floats of dense rows that uses keep. */
  kept: number;
}

const none = (): number => 0;

let current: Budget = {limit: 2 ** 30, shares: SHARES[0], used: none, peak: none, kept: 0};

/** The step took more memory than the limit. */
class MemoryExceeded extends Error {
  constructor(readonly needs: string) {
    super(ggnError(needs).message);  // code that runs kernels lets errors with the name of the package pass
  }
}

/** Whether an error says that the step took more memory than the limit. */
export const isMemoryExceeded = (error: unknown): boolean => error instanceof MemoryExceeded;

/** The way to divide the limit, an index of `SHARES`, which one step hands to the next. */
export class Thrift {
  level = 0;
}

/**
 * Runs f with a limit on the bytes of tensor data that it holds at once. Data that exist when f
 * begins do not count. The bytes are counted after every kernel, and the first kernel that leaves
 * more than the limit ends f. Then f runs again, more thriftily, if there is a more thrifty way.
 *
 * @param bytes the limit.
 * @param f may run several times.
 * @returns the result of f. Tensors that f made and did not return are disposed of.
 * @throws Error if f exceeds the limit in the most thrifty way, too.
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
  const isMetered = meter.start(() => checkMemory());
  const {numBytes} = memory();
  const handles = (): number => memory().numBytes - numBytes;
  current = {limit, shares, kept: 0,
    used: isMetered ? () => meter.now : handles, peak: isMetered ? () => meter.peak : handles};
  try {
    const result = f();
    checkMemory();
    return result;
  } finally {
    meter.stop();
    current = before;
  }
}

/** The limit and the way in which it is divided, as a key. */
export const divisionOfLimit = (): string => `${current.limit} ${SHARES.indexOf(current.shares)}`;

/** Floats of the tensors of the step. */
export const usedFloats = (): number => current.used() / BYTES;

/** Bytes that are left to the step. */
const left = (): number => Math.max(0, current.limit - current.used());

/**
 * Floats that a block of dense rows may take. The block and the tensors made of it take up to four
 * times as much.
 */
export function blockFloats(): number {
  const bytes = Math.min(current.limit * current.shares.block, left() / 4);
  return Math.max(1, Math.min(LARGEST_BLOCK, Math.floor(bytes / BYTES)));
}

/**
 * Number of parts that an op is best cut into, if each part is released after its use; 1 if the
 * whole op fits.
 *
 * @param floats floats that the whole op holds at once.
 * @param result floats of its result.
 */
export function partsOf(floats: number, result: number): number {
  const bytes = floats * BYTES;
  return bytes <= left() ? 1 : Math.ceil(bytes / Math.max(1, (left() - result * BYTES) / 2));
}

/** Whether a linearization of this many floats leaves enough memory for the products with it. */
export const mayBeWhole = (floats: number): boolean =>
  floats * BYTES <= Math.min(left(), current.limit * current.shares.kept) / 2;

/**
 * Refuses a step before its sweeps.
 *
 * @param floats floats that have to exist at once.
 * @param what the floats, in words.
 * @param why more advice for the message.
 * @throws Error if they exceed the memory that is left to the step.
 */
export function checkLeast(floats: number, what: string, why = (): string => ''): void {
  const bytes = current.used() + floats * BYTES;
  if (bytes > current.limit) {
    throw ggnError(needs(bytes, `of ${what} at least`, why()));
  }
}

/**
 * Ends this way to divide the limit before its kernels run.
 *
 * @param floats floats that will exist at once if the limit is divided in this way.
 * @throws MemoryExceeded if they exceed the memory that is left to the step.
 */
export function checkRoom(floats: number): void {
  const bytes = current.used() + floats * BYTES;
  if (bytes > current.limit) {
    throw new MemoryExceeded(needs(bytes, 'of tensors at least'));
  }
}

/**
 * Whether a use may keep dense rows of this many floats for the rest of the step. If so, they are
 * counted.
 */
export function mayKeep(floats: number): boolean {
  const bytes = floats * BYTES;
  const isWithinShare = current.kept * BYTES + bytes <= current.limit * current.shares.kept;
  if (!isWithinShare || 2 * bytes > left()) {  // their concatenation holds them twice
    return false;
  }
  current.kept += floats;
  return true;
}

/**
 * Runs f in a scope of its own. Dense rows that uses keep in f count until the scope ends, as their
 * tensors live until then.
 *
 * @param listed the tensors of the result that outlive the scope.
 * @returns the result of f.
 */
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

/**
 * @param what the tensors, in words.
 * @throws MemoryExceeded if the tensors of the step have taken more than the limit.
 */
export function checkMemory(what = 'of tensors so far'): void {
  const used = current.peak();
  if (used > current.limit) {
    throw new MemoryExceeded(needs(used, what));
  }
}

const needs = (bytes: number, what: string, why = ''): string =>
  `this step needs more than the option memoryLimit allows: ${inMebibytes(bytes)} MiB ${what}, the limit is ` +
  `${inMebibytes(current.limit)} MiB. ${why}Raise memoryLimit, use a smaller batchSize, or fewer outputs.`;

const inMebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
