import type {Policy} from './policy';

export interface AgreementState {
  readonly learningRate: number;
  /** ā: the agreement, smoothed over about twenty steps. */
  readonly agreement: number;
}

/** Share of the newest agreement in ā. */
const SMOOTHING = 0.05;

/** Growth of log(learning rate) per step where ā is far from 0. */
const RATE = 0.02;

/** ā from which on it counts as far from 0. */
const FAR = 0.05;

const [LEAST, START, MOST] = [0.05, 0.3, 1];
const DAMPING = 0.1;
const MOMENTUM = 0.9;

/**
 * For mini-batches: a learning rate that notices noise. Every new batch judges the last step by data that the step has not seen, at no cost, since the
 * momentum needs J d_prev anyway: where the agreement a is above 0 the step should have been longer, below 0 shorter.
 *
 *     ā ← 0.95 ā + 0.05 a,     learning rate ← clip(learning rate · exp(0.02 · clip(20 ā, -1, 1)), 0.05, 1)
 *
 * with relative damping 0.1 and momentum 0.9. It is the hypergradient of Baydin et al. (ICLR 2018) in the space of the rows.
 */
export const agreement: Policy<AgreementState> = {
  initial: {learningRate: START, agreement: 0},
  judges: false,
  rejects: false,
  attempts: 1,
  observe(state, newest) {
    if (newest === null) {
      return state;
    }
    const smoothed = (1 - SMOOTHING) * state.agreement + SMOOTHING * newest;
    const direction = Math.min(1, Math.max(-1, smoothed / FAR));
    return {agreement: smoothed, learningRate: Math.min(MOST, Math.max(LEAST, state.learningRate * Math.exp(RATE * direction)))};
  },
  settings: ({learningRate}) => ({learningRate, damping: DAMPING, momentum: MOMENTUM}),
};
