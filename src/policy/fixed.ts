import {SETTINGS, type Policy, type Settings} from './policy';

/** The settings that `'auto'` stands for under the policy `'fixed'`: η = 0.1, τ = 0.1, μ = 0.9. */
export const FIXED: Settings = {learningRate: 0.1, damping: 0.1, momentum: 0.9};

/** The policy `'fixed'`: settings_t = settings_0 in every step t. */
export const fixed: Policy<Settings> =
  {initial: FIXED, ranges: SETTINGS, judges: false, rejects: false, attempts: 1, settings: state => state};

/**
 * The policy of a function f of the user's: settings_t = f(report of step t - 1), which this state
 * holds. The report has the gain ratio of each step and the agreement of the new batch with the
 * last step.
 */
export const custom: Policy<Settings> = {...fixed, judges: true, observe: state => state};
