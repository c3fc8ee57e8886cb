/** The loss over the last mini-batches, each at weights that have not seen its batch. */
export interface LossTrend {
  /** Losses so far. */
  readonly count: number;
  /** L̄, their mean over about twenty batches. */
  readonly mean: number;
  /** D, the mean |L - L̄| over about twenty batches. */
  readonly spread: number;
}

/** The trend before the first loss. */
export const NO_TREND: LossTrend = {count: 0, mean: 0, spread: 0};

/** Batches that the means look back on. */
const BATCHES = 20;

/**
 * Spreads D* of the best trend by which L̄ may lie above its mean: chance alone takes it 1 or 2 up.
 */
const SPREADS = 4;

/**
 * The trend after one more loss L, with w = max(1/k, 1/20) for the k-th loss:
 *
 *     D ← D + w (|L - L̄| - D)        L̄ ← L̄ + w (L - L̄)
 */
export function follow({count, mean, spread}: LossTrend, loss: number): LossTrend {
  const weight = Math.max(1 / (count + 1), 1 / BATCHES);
  const change = loss - mean;
  return {
    count: count + 1,
    mean: count === 0 ? loss : mean + weight * change,
    spread: count === 0 ? 0 : spread + weight * (Math.abs(change) - spread),
  };
}

/** Whether the means look back on enough batches to compare trends by them. */
export const isSettled = ({count}: LossTrend): boolean => count >= BATCHES;

/** Whether the trend is lower than the best so far by more than a little chance, D/8. */
export const isLower = ({mean, spread}: LossTrend, best: LossTrend): boolean => mean < best.mean - spread / 8;

/**
 * Whether a loss, of one batch or a mean, is far above the best trend:
 *
 *     L - L̄* > max(|L̄*|, 4 D*)
 *
 * A loss above 0 has then more than doubled.
 */
export const isFarAbove = (loss: number, best: LossTrend): boolean => !(loss - best.mean <= far(best));

const far = ({mean, spread}: LossTrend): number => Math.max(Math.abs(mean), SPREADS * spread);

/** The loss as it counts in a trend: an outlier takes L̄ two such distances up at most. */
export const counted = (loss: number, best: LossTrend): number =>
  Math.min(loss, best.mean + 2 * BATCHES * far(best));
