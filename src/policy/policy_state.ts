import {lessCautious, moreCautious} from './agreement';
import {UNDETERMINED, type Determination} from './determined_batch';
import {NO_EVIDENCE, type EvidenceState} from './evidence';
import {NO_HISTORY, type BatchHistory} from './full_batch';
import {levenbergMarquardt, type LevenbergMarquardtOptions} from './levenberg_marquardt';
import {ofPolicies, type PolicyStates} from './policies';

/** The states of all policies, whichever are in use: plain values, saved with the optimizer. */
export interface PolicyState extends PolicyStates {
  readonly history: BatchHistory;
  readonly determination: Determination;
  /** `mayDampByEvidence` of the last step, see `StepSize`. */
  readonly hasEvidence: boolean;
  /** Steps that are left of a detour, see {@link DETOUR}. */
  readonly detour: number;
  /** Prior and noise of the regularization `'bayesian'`. */
  readonly evidence: EvidenceState;
}

/**
 * Steps of a detour. If every attempt of a step on the full batch was rejected, 'auto' takes this
 * many steps by 'agreement', which may raise the loss. Such steps pass a kink of the loss (of a
 * relu, for instance) from which no step along the gradient leads down.
 */
export const DETOUR = 10;

/** The states after training has gone back from a divergence on mini-batches. */
export const afterDivergence = (state: PolicyState): PolicyState =>
  ({...state, agreement: moreCautious(state.agreement)});

/** The states after the loss on mini-batches has a lower trend than ever. */
export const afterLowerTrend = (state: PolicyState): PolicyState =>
  ({...state, agreement: lessCautious(state.agreement)});

/** The states before the first step. */
export const initialState = (options: Required<LevenbergMarquardtOptions>): PolicyState => ({
  history: NO_HISTORY,
  determination: UNDETERMINED,
  hasEvidence: false,
  ...ofPolicies(options, ({initial}) => initial),
  detour: 0,
  evidence: NO_EVIDENCE,
});

/**
 * The states before a detour, and after a way back from one. Levenberg-Marquardt begins anew, since
 * its damping says nothing of other weights. The damping of the evidence stays: it says how much
 * noise is in the data.
 */
export function withoutDetour(state: PolicyState, options: Required<LevenbergMarquardtOptions>): PolicyState {
  const {initial} = levenbergMarquardt(options);
  return {...state, levenbergMarquardt: initial, evidenceDamping: {...state.evidenceDamping, ...initial}, detour: 0};
}
