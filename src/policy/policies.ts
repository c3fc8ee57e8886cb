import {agreement} from './agreement';
import {evidenceDamping} from './evidence_damping';
import {custom, fixed} from './fixed';
import {hypergradient} from './hypergradient';
import {levenbergMarquardt, LEVENBERG_MARQUARDT, type LevenbergMarquardtOptions} from './levenberg_marquardt';
import type {Policy} from './policy';

/**
 * Name of the policy that set a step.
 * @public
 */
export type PolicyName =
  'fixed' | 'agreement' | 'hypergradient' | 'evidenceDamping' | 'levenbergMarquardt' | 'custom';

/** The policies by name. A new policy is one row, and a name in {@link PolicyName}. */
export const policies = (options: Required<LevenbergMarquardtOptions>) => ({
  agreement,
  hypergradient,
  evidenceDamping: evidenceDamping(options),
  levenbergMarquardt: levenbergMarquardt(options),
  fixed,
  custom,
});

type StateOf<P> = P extends Policy<infer State> ? State : never;

/** The states of the policies by name. That of `'fixed'` never changes and is not saved. */
export type PolicyStates = {
  readonly [name in Exclude<PolicyName, 'fixed'>]: StateOf<ReturnType<typeof policies>[name]>};

/**
 * Names that the option `policy` takes, beside `'auto'`. A function is given in the place of
 * `'custom'`.
 */
export const POLICY_NAMES = Object.keys(policies(LEVENBERG_MARQUARDT)).filter(name => name !== 'custom') as
    ReadonlyArray<Exclude<PolicyName, 'custom'>>;

/** A value of each policy that has a saved state, by name. */
export function ofPolicies<T>(options: Required<LevenbergMarquardtOptions>, value: (policy: Policy<never>) => T):
    Record<keyof PolicyStates, T> {
  const {fixed: _, ...saved} = policies(options);
  return Object.fromEntries(Object.entries(saved).map(([name, policy]) =>
    [name, value(policy as Policy<never>)])) as Record<keyof PolicyStates, T>;
}
