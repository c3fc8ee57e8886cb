import type {Policy, Settings} from './policy';

/** What `'auto'` stands for under the policy `'fixed'`. */
export const FIXED: Settings = {learningRate: 0.1, damping: 0.1, momentum: 0.9};

/** The same settings in every step. */
export const fixed: Policy<Settings> = {initial: FIXED, judges: false, rejects: false, attempts: 1, settings: state => state};

/** What a function of the user's said last. The report that it gets says how good each step was, and what the new batch says of the last one. */
export const custom: Policy<Settings> = {...fixed, judges: true, observe: state => state};
