/** Whether all steps train on the same data: plain values, saved with the optimizer. */
export interface BatchHistory {
  /**
   * Fingerprint of the data of the last step; null before the first step, and if these were one of
   * several batches.
   */
  readonly fingerprint: number | null;
  /** Steps in a row before the last that had the same data. */
  readonly repeats: number;
  /** Whether any two steps had different data. */
  readonly changed: boolean;
  /** Whether the last step was on the full batch. */
  readonly isFull: boolean;
}

/** The history before the first step. */
export const NO_HISTORY: BatchHistory = {fingerprint: null, repeats: 0, changed: false, isFull: false};

/**
 * Repeats of a batch that count as the full batch, if other batches have been seen. Fewer may be
 * several steps on one mini-batch.
 */
const REPEATS = 8;

/** Signs by which the data of a step are recognised. */
export interface BatchSign {
  /**
   * A number that does not depend on the order of the examples; null in a `fit` with several
   * batches in an epoch.
   */
  readonly fingerprint: number | null;
  /**
   * Whether this batch is all the data of the present `fit`, and no tensor of the step looks
   * random.
   */
  readonly isWhole: boolean;
  /**
   * Whether a custom loop trains scalars and vectors only, as for a curve or a calibration, which
   * takes all its data in every step. So its first step counts as one on the full batch, and is
   * judged. The data of the second step decide for good.
   */
  readonly isCurve?: boolean;
}

/**
 * The history after one more step, with the fingerprint f of the step and f' of the last one:
 *
 *     f is null:    not full
 *     f' is null:   full if the batch is whole, or if this is the first step of a curve
 *     f ≠ f':       not full; the data have changed
 *     f = f':       full if the batch is whole, the data never changed, or f came 8 times again
 */
export function recognise(history: BatchHistory, {fingerprint, isWhole, isCurve = false}: BatchSign): BatchHistory {
  if (fingerprint === null) {
    return {fingerprint, repeats: 0, changed: true, isFull: false};
  }
  if (history.fingerprint === null) {
    return {...history, fingerprint, repeats: 0, isFull: isWhole || (isCurve && !history.changed)};
  }
  if (fingerprint !== history.fingerprint) {
    return {fingerprint, repeats: 0, changed: true, isFull: false};
  }
  const repeats = history.repeats + 1;
  return {...history, repeats, isFull: isWhole || !history.changed || repeats >= REPEATS};
}
