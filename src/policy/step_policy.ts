import {agreement} from './agreement';
import type {AgreementState} from './agreement';
import {determine, UNDETERMINED, worth} from './determined_batch';
import type {BatchSize} from './determined_batch';
import type {Determination} from './determined_batch';
import {custom, FIXED, fixed} from './fixed';
import {NO_HISTORY, recognise} from './full_batch';
import type {BatchHistory, BatchSign} from './full_batch';
import {levenbergMarquardt} from './levenberg_marquardt';
import type {LevenbergMarquardtOptions, LevenbergMarquardtState} from './levenberg_marquardt';
import type {Scaling} from '../solve/scaling';
import type {Observation, Policy, Settings} from './policy';

/**
 * Name of the policy that set a step.
 * @public
 */
export type PolicyName = 'fixed' | 'agreement' | 'levenbergMarquardt' | 'custom';

/** A setting that the user has given, or left to the policy. */
export type Given = {readonly [name in keyof Settings]: number | 'auto'};

/** Everything that policies remember, whichever of them are in use: plain values, saved with the optimizer. */
export interface PolicyState {
  readonly history: BatchHistory;
  readonly determination: Determination;
  readonly agreement: AgreementState;
  readonly levenbergMarquardt: LevenbergMarquardtState;
  /** What a function of the user's said last. */
  readonly custom: Settings;
  /** Steps that 'auto' still takes by 'agreement' on a full batch, after a step that no attempt could make decrease the loss. */
  readonly detour: number;
}

/** Steps of such a detour: a kink, of relu say, that no step along the gradient leads out of is passed by steps that may raise the loss. */
export const DETOUR = 10;

export const initialState = (options: Required<LevenbergMarquardtOptions>): PolicyState =>
  ({history: NO_HISTORY, determination: UNDETERMINED, agreement: agreement.initial, levenbergMarquardt: levenbergMarquardt(options).initial, custom: FIXED, detour: 0});

/** Whether nothing is left for a policy to set. */
export const isPinned = (given: Given): boolean => Object.values(given).every(value => value !== 'auto');

/** The policy of one step: it follows its attempts, and knows the state that they lead to. */
export class StepPolicy {
  private readonly policy: Policy<unknown>;
  private state: unknown;
  /** A given damping, after rejections and raises. */
  private givenDamping: number | 'auto';
  private rejections = 0;
  private isExhausted = false;
  private mayDetour = false;

  private constructor(readonly name: PolicyName, private readonly options: Required<LevenbergMarquardtOptions>, private readonly all: PolicyState,
      private readonly given: Given, private readonly isAuto: boolean, private readonly share: number, private readonly isDetour: boolean) {
    this.policy = policyOf(name, options);
    this.state = name === 'fixed' ? FIXED : all[name];
    this.givenDamping = given.damping;
  }

  /**
   * The policy of the coming step.
   *
   * @param wanted the option; 'auto' is Levenberg-Marquardt on the full batch and where batches determine the parameters by themselves, 'agreement' on other
   * mini-batches, and 'fixed' where every setting is given.
   * @param size examples and trained parameters of the step.
   * @param sign asked for where the policy depends on the data being the same as before.
   */
  static of(wanted: 'auto' | PolicyName, given: Given, options: Required<LevenbergMarquardtOptions>, state: PolicyState,
      size: BatchSize, sign: () => BatchSign): StepPolicy {
    if (wanted !== 'auto' || isPinned(given)) {
      return StepPolicy.after(wanted, given, options, state);
    }
    const known = {...state, history: recognise(state.history, sign()), determination: determine(state.determination, size)};
    return StepPolicy.after(wanted, given, options, known, known.history.isFull ? 1 : worth(known.determination, size));
  }

  /** The policy of the last step, or of the coming one as far as its data are not known. */
  static after(wanted: 'auto' | PolicyName, given: Given, options: Required<LevenbergMarquardtOptions>, state: PolicyState, share = 1): StepPolicy {
    const isAuto = wanted === 'auto' && !isPinned(given);
    const isDetour = isAuto && state.history.isFull && state.detour > 0;
    const isJudgedByItself = (state.history.isFull || state.determination.examples > 0) && !isDetour;
    const name = isAuto ? isJudgedByItself ? 'levenbergMarquardt' : 'agreement' : wanted === 'auto' ? 'fixed' : wanted;
    return new StepPolicy(name, options, {...state, detour: isDetour ? state.detour - 1 : 0}, given, isAuto, name === 'levenbergMarquardt' ? share : 1, isDetour);
  }

  /** Whether 'auto' trains on the same data as before. */
  get isOnFullBatch(): boolean {
    return this.isAuto && this.all.history.isFull;
  }

  /** Also in a detour, and in a first step whose data may turn out to be all there are: neither may lead to where the loss is not finite. */
  get judges(): boolean {
    const {fingerprint, repeats, changed} = this.all.history;
    return this.policy.judges || this.isDetour || (this.isAuto && fingerprint !== null && repeats === 0 && !changed);
  }

  get rejects(): boolean {
    return this.policy.rejects;
  }

  get attempts(): number {
    return this.policy.attempts;
  }

  /** Whether it wants to know how the rows of the new batch judge the last step. */
  get observes(): boolean {
    return this.policy.observe !== undefined;
  }

  /** What the policy says, where the user has not given it. */
  get settings(): Settings {
    const own = this.policy.settings(this.state);
    const {learningRate, momentum} = this.given;
    return {
      learningRate: learningRate === 'auto' ? this.share * own.learningRate : learningRate,
      // A given damping is where the attempts of a step begin.
      damping: this.givenDamping === 'auto' ? own.damping : this.givenDamping,
      // With momentum more damping draws the step to the last one, and not to 0.
      momentum: this.rejections > 0 && this.policy.rejects ? 0 : momentum === 'auto' ? own.momentum : momentum,
    };
  }

  /** To be told before the first solve. */
  begin(scaling: Scaling): void {
    this.state = this.policy.begin?.(this.state, scaling) ?? this.state;
  }

  observe(observation: Observation): void {
    this.state = this.policy.observe?.(this.state, observation) ?? this.state;
  }

  judge(gainRatio: number): void {
    this.state = this.policy.judge?.(this.state, gainRatio) ?? this.state;
    if (gainRatio > 0) {
      return;
    }
    if (this.givenDamping !== 'auto') {
      const {increase, maxDamping} = this.options;
      const raised = this.givenDamping * increase * 2 ** this.rejections;
      this.givenDamping = Math.max(this.givenDamping, Math.min(maxDamping, raised));
    }
    this.rejections++;
  }

  /** The step was taken, and promised too little to be judged. */
  unresolved(): void {
    this.state = this.policy.unresolved?.(this.state) ?? this.state;
  }

  /**
   * No attempt decreased the loss.
   *
   * @param mayDetour whether this is a place for a detour: not on a curve, nor where the last one led no lower.
   */
  exhausted(mayDetour: boolean): void {
    this.isExhausted = true;
    this.mayDetour = mayDetour;
  }

  /** A solve took more damping than asked: the next attempt, if there is one, goes on from there. */
  raise(damping: number): void {
    this.state = this.policy.raise?.(this.state, damping) ?? this.state;
    if (this.givenDamping !== 'auto') {
      this.givenDamping = damping;
    }
  }

  /** Whether a detour begins with the next step. */
  get beginsDetour(): boolean {
    return this.isExhausted && this.name === 'levenbergMarquardt' && this.isOnFullBatch && this.mayDetour;
  }

  /** The state to go on with. */
  get next(): PolicyState {
    const next = this.name === 'fixed' ? this.all : {...this.all, [this.name]: this.state};
    if (this.beginsDetour) {
      return {...withoutDetour(next, this.options), detour: DETOUR};
    }
    // What the damping has come to on one mini-batch says nothing of the next.
    return this.isExhausted && this.isAuto && !this.all.history.isFull ? withoutDetour(next, this.options) : next;
  }
}

/** After a way back, and before a detour: the damping that it has come to says nothing of the place that it leads to. */
export const withoutDetour = (state: PolicyState, options: Required<LevenbergMarquardtOptions>): PolicyState =>
  ({...state, levenbergMarquardt: levenbergMarquardt(options).initial, detour: 0});

function policyOf(name: PolicyName, options: Required<LevenbergMarquardtOptions>): Policy<unknown> {
  switch (name) {
    case 'agreement':
      return agreement;
    case 'levenbergMarquardt':
      return levenbergMarquardt(options);
    case 'custom':
      return custom;
    case 'fixed':
      return fixed;
  }
}
