import {agreement} from './agreement';
import type {AgreementState} from './agreement';
import {UNDETERMINED} from './determined_batch';
import type {Determination} from './determined_batch';
import {FIXED} from './fixed';
import {NO_HISTORY} from './full_batch';
import type {BatchHistory} from './full_batch';
import {levenbergMarquardt} from './levenberg_marquardt';
import type {LevenbergMarquardtOptions, LevenbergMarquardtState} from './levenberg_marquardt';
import type {Settings} from './policy';

/** The states of all policies, whichever are in use: plain values, saved with the optimizer. */
export interface PolicyState {
  readonly history: BatchHistory;
  readonly determination: Determination;
  readonly agreement: AgreementState;
  readonly levenbergMarquardt: LevenbergMarquardtState;
  /** The last settings of a function of the user's. */
  readonly custom: Settings;
  /** Steps that are left of a detour, see {@link DETOUR}. */
  readonly detour: number;
}

/**
 * Steps of a detour. If every attempt of a step on the full batch was rejected, 'auto' takes this
 * many steps by 'agreement', which may raise the loss. Such steps pass a kink of the loss (of a
 * relu, for instance) from which no step along the gradient leads down.
 */
export const DETOUR = 10;

/** The states before the first step. */
export const initialState = (options: Required<LevenbergMarquardtOptions>): PolicyState => ({
  history: NO_HISTORY,
  determination: UNDETERMINED,
  agreement: agreement.initial,
  levenbergMarquardt: levenbergMarquardt(options).initial,
  custom: FIXED,
  detour: 0,
});

/**
 * The states before a detour, and after a way back from one. Levenberg-Marquardt begins anew, since
 * its damping says nothing of other weights.
 */
export const withoutDetour = (state: PolicyState, options: Required<LevenbergMarquardtOptions>): PolicyState =>
  ({...state, levenbergMarquardt: levenbergMarquardt(options).initial, detour: 0});
