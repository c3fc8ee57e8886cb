/** What tells whether batches determine the parameters by themselves. Plain values, saved with the optimizer. */
export interface Determination {
  /** Examples of the largest batch that did; 0 where none did of late. */
  readonly examples: number;
  /** Whether the last batch was too small for that, as the rest of the data at the end of an epoch is. */
  readonly isShort: boolean;
}

/** Of a step. */
export interface BatchSize {
  readonly examples: number;
  /** Trained parameters m. */
  readonly parameters: number;
}

export const UNDETERMINED: Determination = {examples: 0, isShort: false};

/**
 * Examples for each parameter from which on full steps may be judged by the rows of their own batch. What steps of learning rate η on batches of B examples add to the loss of
 * other data is then, at η = 1, a sixteenth of the noise:
 *
 *     η/(2 - η) · m/B        of the noise, in the stationary state of w ← (1 - η) w + η ŵ, where ŵ, the minimum on a batch, is off by m/B
 *
 * Examples, not rows: the noise of the outputs of one example may be one.
 */
const FULL_STEPS = 16;

/** The same, from which on shorter steps are: at three, η is a third. */
const DETERMINED = 3;

/** η of Levenberg-Marquardt on a batch: that by which the noise stays a sixteenth. */
function learningRate({examples, parameters}: BatchSize): number {
  const ratio = Math.min(1, examples / (FULL_STEPS * parameters));
  return 2 * ratio / (1 + ratio);
}

/** What is known with one more batch. A single short one is the end of an epoch; after two, training goes on with other batches. */
export function determine(before: Determination, {examples, parameters}: BatchSize): Determination {
  if (examples >= DETERMINED * parameters) {
    return {examples: Math.max(before.examples, examples), isShort: false};
  }
  return before.examples > 0 && !before.isShort ? {...before, isShort: true} : UNDETERMINED;
}

/** Share of a full step that the last batch is worth; of those of its epoch a short one, which would fit its own few examples. */
export const worth = ({examples: most, isShort}: Determination, {examples, parameters}: BatchSize): number =>
  isShort ? examples / most * learningRate({examples: most, parameters}) : most === 0 ? 1 : learningRate({examples, parameters});
