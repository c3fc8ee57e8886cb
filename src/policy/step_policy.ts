import {determine, worth, type BatchSize} from './determined_batch';
import {FIXED} from './fixed';
import {recognise, type BatchSign} from './full_batch';
import type {LevenbergMarquardtOptions} from './levenberg_marquardt';
import type {Scaling} from '../solve/scaling';
import type {EvidenceAt, LossKind, Observation, Policy, Settings} from './policy';
import {DETOUR, withoutDetour, type PolicyState} from './policy_state';
import {policies, type PolicyName} from './policies';

/** The settings that the user has given; `'auto'` leaves a setting to the policy. */
export type Given = {readonly [name in keyof Settings]: number | 'auto'};

/** Whether the user has given every setting. */
export const isPinned = (given: Given): boolean => Object.values(given).every(value => value !== 'auto');

/** Attempts of a guarded step, at most. */
const GUARDED_ATTEMPTS = 10;

/** Size of the batch of a step, and whether the evidence of its rows gives a damping. */
export interface StepSize extends BatchSize {
  /**
   * Whether the loss is one of squares and likelihoods without regularizers, of a network, with
   * fewer than three rows a parameter, in a system that has the evidence.
   */
  readonly mayDampByEvidence: boolean;
  /** Which losses are guarded depends on it, see `Policy.guards`. */
  readonly kind: LossKind;
}

/**
 * The policy of one step. It follows the attempts of the step, and has the state that they lead to.
 * 'auto' stands for
 *
 *     every setting is given:                                         'fixed'
 *     a detour on the full batch:                                     'agreement'
 *     the full batch with an evidence, neither τ nor μ given:         'evidenceDamping'
 *     the full batch, or batches that determine the parameters:       'levenbergMarquardt'
 *     other batches:                                                  'agreement'
 *
 * Under `'levenbergMarquardt'` a learning rate that is not given is multiplied by the share of a
 * full step that the batch is worth, see `worth`. A given damping τ is the first one of each step.
 * Its k-th rejection (k = 0, 1, ...) multiplies it,
 *
 *     τ ← min(maxDamping, τ · increase · 2^k)
 *
 * Source: the rules of the policies are in their files; this choice has no publication.
 */
export class StepPolicy {
  private readonly policy: Policy<unknown>;
  private state: unknown;
  /** The given damping after the rejections and raises of this step. */
  private givenDamping: number | 'auto';
  private rejections = 0;
  private isExhausted = false;
  private mayDetour = false;
  /** The state if the accepted attempt had been rejected. */
  private ifRejected: unknown;
  /** Whether a good step had the least damping, so that the policy cannot lower it. */
  private isAtLeast = false;

  /**
   * @param all the states before this step.
   * @param share share of a full step that the batch is worth.
   */
  private constructor(readonly name: PolicyName, private readonly options: Required<LevenbergMarquardtOptions>,
      private readonly all: PolicyState, private readonly given: Given, private readonly isAuto: boolean,
      private readonly share: number, private readonly isDetour: boolean, private readonly kind: LossKind) {
    this.policy = policies(options)[name];
    this.state = name === 'fixed' ? FIXED : all[name];
    this.ifRejected = this.state;
    this.givenDamping = given.damping;
  }

  /**
   * The policy of the coming step.
   *
   * @param wanted the option `policy`.
   * @param size examples and trained parameters of the step.
   * @param sign the signs of the data, called only if the policy depends on them.
   */
  static of(wanted: 'auto' | PolicyName, given: Given, options: Required<LevenbergMarquardtOptions>, state: PolicyState,
      size: StepSize, sign: () => BatchSign): StepPolicy {
    if (wanted !== 'auto' || isPinned(given)) {
      return StepPolicy.after(wanted, given, options, state, size.kind);
    }
    const history = recognise(state.history, sign());
    const determination = determine(state.determination, size);
    const share = history.isFull ? 1 : worth(determination, size);
    const all = {...state, history, determination, hasEvidence: size.mayDampByEvidence};
    return StepPolicy.after(wanted, given, options, all, size.kind, share);
  }

  /**
   * The policy of a step whose data are as `state` has them: of the last step, or of a coming step
   * with such data.
   */
  static after(wanted: 'auto' | PolicyName, given: Given, options: Required<LevenbergMarquardtOptions>,
      state: PolicyState, kind: LossKind = 'other', share = 1): StepPolicy {
    const isAuto = wanted === 'auto' && !isPinned(given);
    const isDetour = isAuto && state.history.isFull && state.detour > 0;
    const name = isAuto ? isDetour ? 'agreement' : choose(given, state) : wanted === 'auto' ? 'fixed' : wanted;
    const all = {...state, detour: isDetour ? state.detour - 1 : 0};
    return new StepPolicy(name, options, all, given, isAuto, name === 'levenbergMarquardt' ? share : 1, isDetour, kind);
  }

  /** Whether 'auto' trains on the full batch. */
  get isOnFullBatch(): boolean {
    return this.isAuto && this.all.history.isFull;
  }

  /**
   * Whether steps are judged. A detour is judged, too, and so is a first step whose data may turn
   * out to be the full batch: neither may lead to weights at which the loss is not finite.
   */
  get judges(): boolean {
    const {fingerprint, repeats, changed} = this.all.history;
    return this.policy.judges || this.isDetour || (this.isAuto && fingerprint !== null && repeats === 0 && !changed);
  }

  /** Whether steps that do not decrease the loss are rejected. */
  get rejects(): boolean {
    return this.policy.rejects;
  }

  /** Whether the step is guarded, see `Policy.guards`. The steps of a detour are not. */
  get guards(): boolean {
    return !this.isDetour && (this.policy.guards?.(this.state, this.kind) ?? false);
  }

  /** Attempts of the step, at most. */
  get attempts(): number {
    return this.guards ? GUARDED_ATTEMPTS : this.policy.attempts;
  }

  /** Whether the policy wants an observation of the new batch before the first solve. */
  get observes(): boolean {
    return this.policy.observe !== undefined;
  }

  /**
   * The settings of the coming attempt: those of the user, and for the others those of the policy.
   */
  get settings(): Settings {
    const own = this.policy.settings(this.state);
    const {learningRate, momentum} = this.given;
    return {
      learningRate: learningRate === 'auto' ? this.share * own.learningRate : learningRate,
      // A given damping is the damping of the first attempt.
      damping: this.givenDamping === 'auto' ? own.damping : this.givenDamping,
      // After a rejection there is no momentum: with it, more damping draws the step to the last
      // one, and not to 0.
      momentum: this.rejections > 0 && (this.policy.rejects || this.guards) ? 0 :
        momentum === 'auto' ? own.momentum : momentum,
    };
  }

  /** κ of the policy, see `Policy.weightDecay`. */
  get weightDecay(): number {
    return this.policy.weightDecay?.(this.state) ?? 0;
  }

  /** Whether the policy wants the evidence of the rows before the first solve. */
  get estimates(): boolean {
    return this.policy.estimate !== undefined;
  }

  /**
   * Share of d_prev that stays in a step, see `Policy.carry`. A given momentum takes the last step
   * alone for d_prev.
   */
  get carry(): number {
    return this.given.momentum === 'auto' ? this.policy.carry ?? 0 : 0;
  }

  /** Takes the metric of the damping, before the first solve. */
  begin(scaling: Scaling): void {
    this.state = this.policy.begin?.(this.state, scaling) ?? this.state;
  }

  /** Takes an observation of the batch, before the first solve. */
  observe(observation: Omit<Observation, 'isNew'>): void {
    this.state = this.policy.observe?.(this.state, {...observation, isNew: !this.isDetour}) ?? this.state;
  }

  /** Takes the evidence of the rows, before the first solve. */
  estimate(at: EvidenceAt): void {
    this.state = this.policy.estimate?.(this.state, at) ?? this.state;
  }

  /** Takes the gain ratio of an attempt, which is rejected unless the ratio is above 0. */
  judge(gainRatio: number): void {
    this.goOn(gainRatio > 0, this.policy.judge?.(this.state, gainRatio));
    this.noteRejection(gainRatio > 0);
  }

  /** Takes the trust in the model of a guarded attempt, which is rejected unless it is above 0. */
  trust(trust: number): void {
    this.state = this.policy.trust?.(this.state, trust) ?? this.state;
    this.noteRejection(trust > 0);
  }

  private noteRejection(isTaken: boolean): void {
    if (isTaken) {
      return;
    }
    if (this.givenDamping !== 'auto') {
      const {increase, maxDamping} = this.options;
      const raised = this.givenDamping * increase * 2 ** this.rejections;
      this.givenDamping = Math.max(this.givenDamping, Math.min(maxDamping, raised));
    }
    this.rejections++;
  }

  /** Notes that the step was taken unjudged, since it promised less than the loss resolves. */
  unresolved(): void {
    this.goOn(true, this.policy.unresolved?.(this.state));
  }

  /** Goes on to another state after a judgement. */
  private goOn(isTaken: boolean, next: unknown): void {
    const {damping} = this.settings;
    this.ifRejected = this.policy.judge?.(this.state, 0) ?? this.state;
    this.state = next ?? this.state;
    this.isAtLeast = isTaken && this.given.damping === 'auto' &&
        Math.max(damping, this.settings.damping) <= this.options.minDamping;
  }

  /**
   * Notes that every attempt was rejected.
   *
   * @param mayDetour whether a detour may begin here. None begins on a curve, or if the last detour
   *   has led to no lower loss.
   */
  exhausted(mayDetour: boolean): void {
    this.isExhausted = true;
    this.mayDetour = mayDetour;
  }

  /**
   * Notes that a solve took more damping than asked. The next attempt goes on from that damping.
   */
  raise(damping: number): void {
    this.state = this.policy.raise?.(this.state, damping) ?? this.state;
    if (this.givenDamping !== 'auto') {
      this.givenDamping = damping;
    }
  }

  /** Factor by which the scales of Marquardt's damping fade in place of a lower damping. */
  get fading(): number {
    return this.isAtLeast ? this.options.decrease : 1;
  }

  /** Whether a detour begins with the next step. */
  get beginsDetour(): boolean {
    return this.isExhausted && this.rejects && this.isOnFullBatch && this.mayDetour;
  }

  /** The states after this step. */
  get next(): PolicyState {
    const next = this.with(this.state);
    if (this.beginsDetour) {
      return {...withoutDetour(next, this.options), detour: DETOUR};
    }
    // A damping raised on one mini-batch says nothing of the next batch.
    const isStale = this.isExhausted && this.isAuto && !this.all.history.isFull;
    return isStale ? withoutDetour(next, this.options) : next;
  }

  /** The states after this step if the accepted attempt turns out to be of no use. */
  get nextIfRejected(): PolicyState {
    return this.with(this.ifRejected);
  }

  private with(state: unknown): PolicyState {
    return this.name === 'fixed' ? this.all : {...this.all, [this.name]: state};
  }
}

/** The policy that 'auto' stands for, but for detours. */
function choose({damping, momentum}: Given, {history, determination, hasEvidence}: PolicyState): PolicyName {
  if (history.isFull && hasEvidence && damping === 'auto' && momentum === 'auto') {
    return 'evidenceDamping';
  }
  return history.isFull || determination.examples > 0 ? 'levenbergMarquardt' : 'agreement';
}
