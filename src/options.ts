import {ggnError} from './errors';

/**
 * Options of {@link ggn}.
 * @public
 */
export interface GgnOptions {
  /**
   * Share of the solved step that is taken: w ← w + learningRate · d. Above 0, at most 1; 1 is the full
   * Gauss-Newton step. 0.1 is robust to noise in the targets, 0.3 two to three times faster without noise.
   * Default 0.1.
   */
  learningRate?: number;
  /**
   * Relative Levenberg damping τ ≥ 0: λ = τ · trace(SᵀGS) / min(n, m), taken anew from every batch, so that τ does
   * not depend on the scale of the data, the loss or the width of the network. More damping means shorter, safer
   * steps. Default 0.1.
   */
  damping?: number;
  /**
   * SPRING momentum μ in [0, 1): the step is damped towards μ times the last one (Goldshlager, Abrahamsen, Lin,
   * 2024). Default 0.9.
   */
  momentum?: number;
  /**
   * Bytes of tensors that a step may hold at once, beside what f() itself holds (weights, activations, the state). Dense rows of the
   * Jacobian that do not fit are formed in blocks, which takes longer; a step that cannot be taken within the limit is refused with
   * an error. At least 2²⁰ (1 MiB). Default 2³⁰ (1 GiB).
   */
  memoryLimit?: number;
}

/** Defaults and ranges, in one table. */
const OPTIONS: Record<keyof GgnOptions, {value: number; valid: (x: number) => boolean; range: string}> = {
  learningRate: {value: 0.1, valid: x => x > 0 && x <= 1, range: 'above 0 and at most 1'},
  damping: {value: 0.1, valid: x => x >= 0 && x < Infinity, range: '0 or more, and finite'},
  momentum: {value: 0.9, valid: x => x >= 0 && x < 1, range: 'at least 0 and below 1'},
  memoryLimit: {value: 2 ** 30, valid: x => x >= 2 ** 20 && x < Infinity, range: 'of bytes, 1048576 (1 MiB) or more, and finite'},
};

/** Checks one option and returns it. */
export function checkOption(name: keyof GgnOptions, value: unknown): number {
  if (typeof value !== 'number' || !OPTIONS[name].valid(value)) {
    throw ggnError(`the option ${name} must be a number ${OPTIONS[name].range}; received ${show(value)}.`);
  }
  return value;
}

/** Fills in the defaults and refuses what it does not know. */
export function checkOptions(options: unknown): Required<GgnOptions> {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw ggnError(`ggn() takes an object of options, as in ggn({learningRate: 0.3}); received ${show(options)}.`);
  }
  const given = options as Record<string, unknown>;
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(OPTIONS, name)) {
      throw ggnError(`unknown option '${name}'. Known options: ${Object.keys(OPTIONS).join(', ')}.`);
    }
  }
  const read = (name: keyof GgnOptions): number => checkOption(name, given[name] === undefined ? OPTIONS[name].value : given[name]);
  return {learningRate: read('learningRate'), damping: read('damping'), momentum: read('momentum'),
    memoryLimit: read('memoryLimit')};
}

function show(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : typeof value === 'object' && value !== null ?
      Array.isArray(value) ? 'an array' : 'an object' : String(value);
}
