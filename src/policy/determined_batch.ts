/** What tells whether batches determine the parameters by themselves. Plain values, saved with the optimizer. */
export interface Determination {
  /** Examples of the largest batch that did; 0 where none did of late. */
  readonly examples: number;
  /** Whether the last batch was too small for that, as the rest of the data at the end of an epoch is. */
  readonly isShort: boolean;
}

export const UNDETERMINED: Determination = {examples: 0, isShort: false};

/**
 * Examples for each parameter from which on a batch determines the parameters by itself: what a full step on it adds to the loss of other data is then about
 * m/B, a sixteenth, of the noise, and Levenberg-Marquardt may judge it by its own rows. Examples, not rows: the noise of the outputs of one example may be one.
 */
const DETERMINED = 16;

/** What is known with one more batch. A single short one is the end of an epoch; after two, training goes on with other batches. */
export function determine(before: Determination, {examples, parameters}: {readonly examples: number; readonly parameters: number}): Determination {
  if (examples >= DETERMINED * parameters) {
    return {examples: Math.max(before.examples, examples), isShort: false};
  }
  return before.examples > 0 && !before.isShort ? {...before, isShort: true} : UNDETERMINED;
}

/** Share of a full step that the last batch is worth: a short one would fit its own few examples. */
export const worth = ({examples: most, isShort}: Determination, examples: number): number => isShort ? examples / most : 1;
