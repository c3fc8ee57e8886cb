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

/** Range of the count, which is saved as int32. */
const COUNT_RANGE = whole(0, 2 ** 31 - 1);

/** Least number whose square overflows float32. A step with such a norm is never taken. */
const LONGEST = 2 ** 64;

const ADVICE = 'Load the state that a GramGaussNewton optimizer saved, whole and in its order';

/**
 * Checks names, kinds and shapes of a saved state: the iteration count, then d_prev of every
 * variable, then the best weights if there are any, each in order.
 *
 * @throws Error with the name of the first entry that is wrong.
 */
export function checkEntries(saved: unknown): void {
  if (!Array.isArray(saved)) {
    throw ggnError(`setWeights() takes the list that getWeights() gave; received ${shown(saved)}.`);
  }
  let steps = 0;
  Array.from(saved as unknown[]).forEach((entry, i) => {  // Array.from, since forEach skips holes
    const {name, tensor} = (entry ?? {}) as Partial<NamedTensor>;
    if (typeof name !== 'string') {
      throw ggnError(`entry ${i} of the saved state is ${shown(entry)}, not a named tensor. ${ADVICE}.`);
    }
    checkName(name, i, steps);
    steps += name === nameOfStep(steps) ? 1 : 0;
    if (!isTensor(tensor) || tensor.isDisposed) {
      const what = isTensor(tensor) ? 'is a tensor that was disposed of' : `holds ${shown(tensor)}, not a tensor`;
      throw ggnError(`'${name}' of the saved state ${what}. ${ADVICE}.`);
    }
    const isCount = i === 0;
    const {dtype, size} = tensor;
    if (isCount ? size !== 1 || !['int32', 'float32'].includes(dtype) : dtype !== 'float32') {
      throw ggnError(`'${name}' of the saved state is a tensor of ${dtype} with ${size} ` +
          `${size === 1 ? 'entry' : 'entries'} in place of ` +
          `${isCount ? 'the iteration count, one whole number' : 'float32'}. ${ADVICE}.`);
    }
  });
  const best = saved.length - 1 - steps;
  if (steps > 0 && best > 0 && best !== steps) {
    throw ggnError(`the saved state has ${best} of the ${steps} best weights that it should have. ${ADVICE}.`);
  }
  if (saved.length === 0) {
    throw ggnError(`the saved state must begin with '${COUNT}'; received nothing. ${ADVICE}.`);
  }
}

/** Checks the name of entry i of a saved state, after `steps` entries of d_prev. */
function checkName(name: string, i: number, steps: number): void {
  const best = nameOfBest(i - 1 - steps);
  const allowed = i === 0 ? [COUNT] : steps === i - 1 ? [nameOfStep(steps), best] : [best];
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
 * @returns the iteration count.
 * @throws Error with the name of the first entry that is wrong.
 */
export async function checkNumbers(saved: readonly NamedTensor[]): Promise<number> {
  const [counted, ...steps] = await Promise.all(saved.map(async ({tensor}) => tensor.data()));
  if (!isIn(COUNT_RANGE, counted[0])) {
    throw ggnError(`'${COUNT}' of the saved state, the iteration count, must be a number ${COUNT_RANGE.range}; ` +
        `received ${counted[0]}. ${ADVICE}.`);
  }
  steps.forEach((numbers, i) => {
    const bad = (numbers as Float32Array).find(x => !(Math.abs(x) < LONGEST));
    if (bad !== undefined) {
      throw ggnError(`'${saved[i + 1].name}' of the saved state holds ${bad}: only numbers below ` +
          `${LONGEST.toExponential(1)} are allowed. ${ADVICE}.`);
    }
  });
  return counted[0];
}
