import type {Tensor} from '@tensorflow/tfjs-core';
import {isTensor} from '../trace/recorder';
import {ggnError} from '../errors';
import {isIn, whole} from '../policy/ranges';
import {shortened, shown} from '../shown';
import type {NamedTensor} from '../tfjs/save_hook';

/** Name of the iteration count, as the optimizers of tfjs save it. */
export const COUNT = 'iter';

/** Version of the format of the saved state. The names of the tensors have it. */
const FORMAT = 1;

/** Name of d_prev of the i-th variable. */
export const nameOfStep = (i: number): string => `ggn/${FORMAT}/previousStep/${i}`;

/** Name of the i-th variable at the maximum of the evidence. */
export const nameOfBest = (i: number): string => `ggn/${FORMAT}/bestWeights/${i}`;

/** Name of the number of steps in the average, and the fingerprints of the averages. */
export const AVERAGE = `ggn/${FORMAT}/average`;

/** Name of the training point of the i-th variable. */
export const nameOfPoint = (i: number): string => `ggn/${FORMAT}/trainingPoint/${i}`;

/** Range of the count, which is saved as int32. */
const COUNT_RANGE = whole(0, 2 ** 31 - 1);

/** Least number whose square overflows float32. A step with such a norm is never taken. */
const LONGEST = 2 ** 64;

const ADVICE = 'Load the state that a GramGaussNewton optimizer saved, whole and in its order';

/** Entries of a saved state so far. */
interface Seen {
  /** Shapes of d_prev, by variable. */
  readonly steps: string[];
  best: number;
  averages: number;
  points: number;
}

/** The numbers of a saved state beside d_prev and the training points. */
interface SavedNumbers {
  readonly iterations: number;
  /** The steps in the average and the fingerprints; null without an average. */
  readonly average: {readonly count: number; readonly fingerprints: readonly number[]} | null;
}

/**
 * Checks names, kinds and shapes of a saved state: the iteration count, then d_prev of every
 * variable, then the weights at the maximum of the evidence if there are any, then the numbers of
 * an average and the training points if the variables hold one, each in order.
 *
 * @throws Error with the name of the first entry that is wrong.
 */
export function checkEntries(saved: unknown): void {
  if (!Array.isArray(saved)) {
    throw ggnError(`setWeights() takes the list that getWeights() gave; received ${shown(saved)}.`);
  }
  const seen: Seen = {steps: [], best: 0, averages: 0, points: 0};
  Array.from(saved as unknown[]).forEach((entry, i) => {  // Array.from, since forEach skips holes
    const {name, tensor} = (entry ?? {}) as Partial<NamedTensor>;
    if (typeof name !== 'string') {
      throw ggnError(`entry ${i} of the saved state is ${shown(entry)}, not a named tensor. ${ADVICE}.`);
    }
    checkName(name, i, seen);
    if (!isTensor(tensor) || tensor.isDisposed) {
      const what = isTensor(tensor) ? 'is a tensor that was disposed of' : `holds ${shown(tensor)}, not a tensor`;
      throw ggnError(`'${name}' of the saved state ${what}. ${ADVICE}.`);
    }
    count(name, tensor, seen);
    if (name === AVERAGE) {
      return;
    }
    const isCount = i === 0;
    const {dtype, size} = tensor;
    if (isCount ? size !== 1 || !['int32', 'float32'].includes(dtype) : dtype !== 'float32') {
      throw ggnError(`'${name}' of the saved state is a tensor of ${dtype} with ${size} ` +
          `${size === 1 ? 'entry' : 'entries'} in place of ` +
          `${isCount ? 'the iteration count, one whole number' : 'float32'}. ${ADVICE}.`);
    }
  });
  const {steps: {length: steps}, best, averages, points} = seen;
  if (steps > 0 && best > 0 && best !== steps) {
    throw ggnError(`the saved state has ${best} of the ${steps} best weights that it should have. ${ADVICE}.`);
  }
  if (averages > 0 && points !== steps) {
    throw ggnError(`the saved state has ${points} training points of ${steps} variables: entries are missing. ` +
        `${ADVICE}.`);
  }
  if (saved.length === 0) {
    throw ggnError(`the saved state must begin with '${COUNT}'; received nothing. ${ADVICE}.`);
  }
}

/** Counts an entry. The average has a number for each variable, its points the shapes of d_prev. */
function count(name: string, {dtype, size, shape}: Tensor, seen: Seen): void {
  const {steps} = seen;
  if (name === nameOfStep(steps.length)) {
    steps.push(shape.join());
  } else if (name === nameOfBest(seen.best)) {
    checkShape(name, shape, steps, seen.best++);
  } else if (name === AVERAGE) {
    seen.averages++;
    if (dtype !== 'int32' || size !== steps.length + 1) {
      throw ggnError(`'${AVERAGE}' of the saved state is a tensor of ${dtype} with ${size} entries in place of ` +
          `int32 with ${steps.length + 1}. ${ADVICE}.`);
    }
  } else if (name === nameOfPoint(seen.points)) {
    checkShape(name, shape, steps, seen.points++);
  }
}

/** Checks that an entry of variable i has the shape of its d_prev, if there is one. */
function checkShape(name: string, shape: readonly number[], steps: readonly string[], i: number): void {
  if (i < steps.length && shape.join() !== steps[i]) {
    throw ggnError(`'${name}' of the saved state has the shape [${shortened(shape.join())}], and ` +
        `'${nameOfStep(i)}' has [${shortened(steps[i])}]. ${ADVICE}.`);
  }
}

/** Checks the name of entry i of a saved state, after the entries seen. */
function checkName(name: string, i: number, {steps: {length: steps}, best, averages, points}: Seen): void {
  const next = [nameOfStep(steps), nameOfBest(best), ...steps > 0 ? [AVERAGE] : []];
  const allowed = i === 0 ? [COUNT] : averages > 0 ? [nameOfPoint(points)] : next.slice(best > 0 ? 1 : 0);
  if (allowed.includes(name)) {
    return;
  }
  if (i === 0) {
    throw ggnError(`the saved state must begin with '${COUNT}'; received ${shown(name)}. ${ADVICE}.`);
  }
  const version = /^ggn\/(\d+)\//.exec(name)?.[1];
  if (version === undefined) {
    throw ggnError(`${shown(name)} is no state of GramGaussNewton. ${ADVICE}.`);
  }
  if (version !== String(FORMAT)) {
    throw ggnError(`the saved optimizer state has format ${shortened(version)}, this version of tfjs-ggn ` +
        `reads format ${FORMAT}. Use the version that saved it, or load the model without its optimizer ` +
        'and compile it with a new ggn().');
  }
  throw ggnError(`entry ${i} of the saved state is ${shown(name)} in place of '${allowed[0]}': entries are ` +
      `missing, doubled or in another order. ${ADVICE}.`);
}

/**
 * Reads the numbers of a saved state and checks them.
 *
 * @throws Error with the name of the first entry that is wrong.
 */
export async function checkNumbers(saved: readonly NamedTensor[]): Promise<SavedNumbers> {
  const all = await Promise.all(saved.map(async ({tensor}) => tensor.data()));
  const iterations = checkCount(COUNT, all[0][0]);
  const named = saved.findIndex(({name}) => name === AVERAGE);
  all.forEach((numbers, i) => {
    const bad = i === 0 || i === named ? undefined : (numbers as Float32Array).find(x => !(Math.abs(x) < LONGEST));
    if (bad !== undefined) {
      throw ggnError(`'${saved[i].name}' of the saved state holds ${bad}: only numbers below ` +
          `${LONGEST.toExponential(1)} are allowed. ${ADVICE}.`);
    }
  });
  if (named === -1) {
    return {iterations, average: null};
  }
  const [count, ...fingerprints] = all[named];
  return {iterations, average: {count: checkCount(AVERAGE, count), fingerprints}};
}

function checkCount(name: string, count: number): number {
  if (!isIn(COUNT_RANGE, count)) {
    const what = name === COUNT ? 'the iteration count' : 'the number of steps in the average';
    throw ggnError(`'${name}' of the saved state, ${what}, must be a number ${COUNT_RANGE.range}; ` +
        `received ${count}. ${ADVICE}.`);
  }
  return count;
}
