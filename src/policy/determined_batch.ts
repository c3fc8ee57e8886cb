/**
 * Whether batches determine the parameters by themselves: plain values, saved with the optimizer.
 */
export interface Determination {
  /** Examples of the largest batch that did; 0 if no recent batch did. */
  readonly examples: number;
  /** Whether the last batch was too small for that, as the last batch of an epoch may be. */
  readonly isShort: boolean;
}

/** Size of the batch of a step. */
export interface BatchSize {
  /** B. */
  readonly examples: number;
  /** m, trained parameters. */
  readonly parameters: number;
}

/** The state before the first batch. */
export const UNDETERMINED: Determination = {examples: 0, isShort: false};

/**
 * B/m from which on full steps may be judged by the rows of their own batch. A step of learning
 * rate η goes from w to (1 - η) w + η ŵ, and the minimum ŵ on a batch is off by a noise of m/B. In
 * the stationary state such steps add to the loss of other data
 *
 *     η/(2 - η) · m/B      of the noise,
 *
 * which at η = 1 is a sixteenth. B counts examples, not rows, since the outputs of one example may
 * share their noise.
 *
 * Source: the variance of the recursion above; no publication.
 */
const FULL_STEPS = 16;

/** Least B/m at which steps of this learning rate are judged. At 3, η is 6/19, about a third. */
export const DETERMINED = 3;

/**
 * η of Levenberg-Marquardt on a batch: 2r/(1 + r) with r = min(1, B/(16 m)), which keeps the noise
 * at a sixteenth.
 */
function learningRate({examples, parameters}: BatchSize): number {
  const ratio = Math.min(1, examples / (FULL_STEPS * parameters));
  return 2 * ratio / (1 + ratio);
}

/**
 * The state after one more batch:
 *
 *     B ≥ 3 m:                                   examples ← max(examples, B)
 *     B < 3 m, the first after larger batches:   examples stays; this is the end of an epoch
 *     B < 3 m otherwise:                         examples ← 0; training goes on with small batches
 */
export function determine(before: Determination, {examples, parameters}: BatchSize): Determination {
  if (examples >= DETERMINED * parameters) {
    return {examples: Math.max(before.examples, examples), isShort: false};
  }
  return before.examples > 0 && !before.isShort ? {...before, isShort: true} : UNDETERMINED;
}

/**
 * Share of a full step that the last batch is worth, at most 1. A short batch at the end of an
 * epoch would fit its own few examples, so that it is worth its share of the examples of a whole
 * batch.
 */
export function worth({examples: most, isShort}: Determination, {examples, parameters}: BatchSize): number {
  if (isShort) {
    return examples / most * learningRate({examples: most, parameters});
  }
  return most === 0 ? 1 : learningRate({examples, parameters});
}
