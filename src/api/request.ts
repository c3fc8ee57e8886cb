import {engine, type Scalar, type Variable} from '@tensorflow/tfjs-core';
import type {PolicyState} from '../policy/policy_state';
import type {StepPolicy} from '../policy/step_policy';
import type {StepReport} from '../step/step_report';
import type {FitBatch} from '../tfjs/fit_batch_hook';
import type {Trace} from '../trace/trace';
import {checkCustom, type CheckedOptions} from './check_options';

/** One call of `minimize`: the loss, its batch, and the options of the step. */
export interface Request {
  readonly f: () => Scalar;
  /** The batch of `fit`; null in a custom loop. */
  readonly fitBatch: FitBatch | null;
  /** The variables given to `minimize`; null for all that f() uses. */
  readonly varList: readonly Variable[] | null;
  /** Whether the step may train a variable. */
  readonly isTrained: (variable: Variable) => boolean;
  readonly options: CheckedOptions;
  /** Number of the step, counted from 1. */
  readonly iteration: number;
}

/**
 * Whether training may go back from the weights of a step. A loss without a lower bound, as of
 * policy gradients, says nothing of the weights.
 */
export const isWatched = ({options}: Request, {policy, curvature}: StepReport): boolean =>
  options.given.damping === 'auto' && policy === 'agreement' && curvature !== 'unbounded';

/**
 * Whether the variables hold an average after the step. Variables that f() writes, as the moving
 * averages of batch normalisation, suit the training point and no average.
 */
export const isAveraged = ({options}: Request, {hasOverwritten}: Trace, {policy, curvature}: StepReport): boolean =>
  options.averaging && policy === 'agreement' && curvature !== 'unbounded' && !hasOverwritten;

/**
 * The variables that a step may train: the given ones, else all of tfjs, the newest first. Of two
 * with the same weights that f() does not read, the newer one is the copy that was loaded.
 */
export const candidatesOf = ({varList}: Request): readonly Variable[] =>
  varList ?? Object.values(engine().registeredVariables).sort((a, b) => b.id - a.id);

/** The state of the policies after a step. A function of the user is asked here, and may throw. */
export function policyAfter({name, next}: StepPolicy, report: StepReport,
    {policyFunction}: CheckedOptions): PolicyState {
  return name === 'custom' && policyFunction !== null ?
    {...next, custom: checkCustom(policyFunction(report), next.custom)} : next;
}
