import type {Observation, Policy} from './policy';

export interface AgreementState {
  readonly learningRate: number;
  /** ā: the agreement, smoothed over about twenty steps. */
  readonly agreement: number;
  readonly damping: number;
  readonly momentum: number;
  /** Factor of the damping, see `Observation.headroom`; 1 where there is none. */
  readonly headroom: number;
}

/** Share of the newest agreement in ā. */
const SMOOTHING = 0.05;

/** Growth of log(learning rate) per step where ā is far from 0, and the ā from which on it is. */
const [RATE, FAR] = [0.02, 0.05];

/** Of the learning rate. Below, the noise of the targets would stop disturbing, but the training would stop, too. */
const [LEAST, START, MOST] = [0.1, 0.3, 1];

/** Of the damping: the first steps, through large residuals, are short; what they leave is worth directions of less curvature. */
const [FIRST_DAMPING, FALL, LAST_DAMPING] = [1, 0.95, 0.03];

/** Of cross-entropies, whose quadratic model holds for a change of the logits of about 1 alone. */
const LAST_OF_ENTROPIES = 0.3;

/** Examples that the momentum averages over, 1/(1 - μ) batches; and the bounds of 1 - μ. */
const [AVERAGED, QUICKEST, SLOWEST] = [1280, 0.1, 0.04];

const clip = (x: number, least: number, most: number): number => Math.min(most, Math.max(least, x));

/**
 * For mini-batches: a learning rate that notices noise. Every new batch judges the last step by data that the step has not seen, at no cost, since the
 * momentum needs J d_prev anyway: where the agreement a is above 0 the step should have been longer, below 0 shorter.
 *
 *     ā ← 0.95 ā + 0.05 a,     learning rate ← clip(learning rate · exp(0.02 · clip(20 ā, -1, 1)), 0.1, 1),     at first 0.3
 *
 * The hypergradient of Baydin et al. (ICLR 2018) in the space of the rows. Damping falls from 1 to 0.03, by 0.95 a step; the momentum averages over
 * about 1280 examples, 1 - μ = clip(examples / 1280, 0.04, 0.1). All constants by `test/bench/convergence`.
 *
 * The curvature of a cross-entropy goes to zero as it fits, and λ with it: with λ from the trace alone, steps of the classification example grew until the units
 * were saturated, in the first epochs, at seven of nine settings tried. So its damping is relative to the curvature that the loss can have at most (it is multiplied by the
 * headroom), and falls to 0.3, and its momentum is 0.9: a loss of 0.005 after 8 epochs (with momentum 0.96 0.009, with 0.8 0.013; single runs on
 * that example alone).
 */
export const agreement: Policy<AgreementState> = {
  initial: {learningRate: START, agreement: 0, damping: FIRST_DAMPING, momentum: 1 - QUICKEST, headroom: 1},
  judges: false,
  rejects: false,
  attempts: 1,
  observe(state: AgreementState, {agreement: newest, examples, headroom: most = null}: Observation): AgreementState {
    const momentum = 1 - (most === null ? clip(examples / AVERAGED, SLOWEST, QUICKEST) : QUICKEST);
    const headroom = most ?? 1;
    if (newest === null) {
      return {...state, momentum, headroom};
    }
    const smoothed = (1 - SMOOTHING) * state.agreement + SMOOTHING * newest;
    return {
      agreement: smoothed,
      learningRate: clip(state.learningRate * Math.exp(RATE * clip(smoothed / FAR, -1, 1)), LEAST, MOST),
      damping: Math.max(most === null ? LAST_DAMPING : LAST_OF_ENTROPIES, state.damping * FALL),
      momentum,
      headroom,
    };
  },
  settings: ({learningRate, damping, momentum, headroom}) => ({learningRate, damping: damping * headroom, momentum}),
};
