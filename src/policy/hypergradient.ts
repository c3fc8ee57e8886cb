import {agreement, type AgreementState} from './agreement';
import type {Policy} from './policy';

/**
 * The policy of mini-batches of version 0.1.0, for whoever wants its steps again: the learning rate
 * follows the agreement of new batches, and nothing else does.
 *
 *     ā ← 0.95 ā + 0.05 a
 *     η ← clip(η · exp(0.02 · clip(20 ā, -1, 1)), 0.1, 1)        at first 0.3
 *     τ ← max(0.03, 0.95 τ)                                      at first 1
 *     1 - μ = clip(examples / 1280, 0.04, 0.1)
 *
 * Cross-entropies have τ ← max(0.3, 0.95 τ), times the headroom, and μ = 0.9. There is no way back
 * from a divergence, no average of the weights and no decay.
 *
 * Source: the hypergradient of Baydin et al., ICLR 2018, taken in the space of the rows.
 */
export const hypergradient: Policy<AgreementState> = {
  initial: agreement.initial,
  ranges: agreement.ranges,
  judges: false,
  rejects: false,
  attempts: 1,
  observe: (state, observation) => agreement.observe!(state, {...observation, areResiduals: true, isNew: false}),
  settings: agreement.settings,
};
