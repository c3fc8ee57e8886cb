/** A range of numbers, and its words in an error. */
export interface Range {
  readonly valid: (x: number) => boolean;
  readonly range: string;
}

/** Whether a value is a number of the range. */
export const isIn = ({valid}: Range, value: unknown): boolean => typeof value === 'number' && valid(value);

/** [least, most]. */
export const between = (least: number, most: number): Range =>
  ({valid: x => x >= least && x <= most, range: `from ${least} to ${most}`});

export const FINITE: Range = {valid: Number.isFinite, range: 'that is finite'};

/** (0, most]. */
export const aboveZero = (most: number): Range =>
  ({valid: x => x > 0 && x <= most, range: `above 0 and at most ${most}`});

/**
 * Whole numbers in [least, most]. The default of `most` is the largest number up to which
 * JavaScript counts exactly.
 */
export const whole = (least: number, most = Number.MAX_SAFE_INTEGER): Range => ({
  valid: x => Number.isInteger(x) && x >= least && x <= most,
  range: most === Number.MAX_SAFE_INTEGER ? `that is whole and at least ${least}` :
    `that is whole, from ${least} to ${most}`,
});

export const POSITIVE: Range = {valid: x => x > 0 && x < Infinity, range: 'above 0, and finite'};
export const ABOVE_ONE: Range = {valid: x => x > 1 && x < Infinity, range: 'above 1, and finite'};
export const SHARE = aboveZero(1);
export const NOT_NEGATIVE: Range = {valid: x => x >= 0 && x < Infinity, range: '0 or more, and finite'};
export const BELOW_ONE: Range = {valid: x => x >= 0 && x < 1, range: 'at least 0 and below 1'};

/**
 * The ranges of the values of a state, in the shape of that state. With `orNull` a value may also
 * be null. `each` is the range of all entries of a list.
 */
export type RangesOf<State> = {readonly [key in keyof State]:
  State[key] extends boolean ? 'boolean' :
  State[key] extends number ? Range :
  State[key] extends number | null ? {readonly orNull: Range} :
  State[key] extends readonly number[] ? {readonly each: Range} : RangesOf<State[key]>};
