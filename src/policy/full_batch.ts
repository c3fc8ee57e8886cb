/** What tells whether training goes on with the same data in every step. Plain values, saved with the optimizer. */
export interface BatchHistory {
  /** Of the data of the last step; null before the first, and where it was known to be one of several batches. */
  readonly fingerprint: number | null;
  /** Steps in a row, before the last, that had its data. */
  readonly repeats: number;
  /** Whether there have ever been steps with different data. */
  readonly changed: boolean;
  /** Whether the last step was on the full batch. */
  readonly isFull: boolean;
}

export const NO_HISTORY: BatchHistory = {fingerprint: null, repeats: 0, changed: false, isFull: false};

/** Equal batches in a row that count as full batch once others have been seen: less may be several steps on one mini-batch. */
const REPEATS = 8;

/** What a step says of its data. */
export interface BatchSign {
  /** Independent of the order of the examples; null in `fit` with several batches in an epoch. */
  readonly fingerprint: number | null;
  /** Whether `fit` says that this batch is all the data, and nothing in the step looks random. */
  readonly isWhole: boolean;
  /**
   * Whether a custom loop trains scalars and vectors only: a curve, or a calibration, which takes all its data in every step. So its first step counts as one on the
   * full batch, and is judged; what the second step sees decides for good.
   */
  readonly isCurve?: boolean;
}

/** The history with one more step: its `isFull` says whether that step is on the full batch. */
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
