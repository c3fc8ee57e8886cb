import type {Scalar, Variable} from '@tensorflow/tfjs-core';
import {isNonFinite, markNonFinite} from '../errors';
import {PlanCache} from '../jacobian/plan/plan_cache';
import {explainNonFinite} from '../loss/non_finite';
import {isAtEnd, NO_EVIDENCE, type EvidenceState} from '../policy/evidence';
import type {BatchSign} from '../policy/full_batch';
import {afterDivergence, afterLowerTrend, withoutDetour} from '../policy/policy_state';
import {StepPolicy} from '../policy/step_policy';
import {batchSign} from '../step/data/batch_sign';
import {Detour, type Beginning} from '../step/ways_back/detour';
import {Retreat} from '../step/ways_back/retreat';
import {solveStep, type SolvedStep} from '../step/step';
import type {StepReport} from '../step/step_report';
import {assignAll, checkDisposed} from '../step/trained_variables';
import {UsablePoint} from '../step/ways_back/usable_point';
import {LargestScales} from '../systems/largest_scales';
import {Clock} from '../tfjs/clock';
import {aliasOf} from '../tfjs/handle';
import {Thrift, withMemoryLimit} from '../tfjs/memory';
import {capture, discard} from '../trace/capture';
import {notingOutputs} from '../trace/model_outputs';
import type {Trace} from '../trace/trace';
import {Patience} from './convergence';
import {beginEvidence} from '../step/bayesian/evidence_begin';
import {LastStep} from './last_step';
import type {CheckedOptions} from './check_options';
import {OptimizerState} from './optimizer_state';
import {PolicyStates} from './policy_states';
import {candidatesOf, isAveraged, isWatched, policyAfter, type Request} from './request';
import {Warnings} from './warnings';

/** The fields of a report after a return to earlier weights. */
const GONE_BACK = {status: 'rejected', stepNorm: 0} as const;

/**
 * The state of an optimizer from step to step, and the step itself: it captures f(), solves the
 * step, writes the weights or goes back to the beginning of a detour, and brings the state up to
 * date.
 */
export class Training {
  readonly last = new LastStep();
  readonly state = new OptimizerState();
  readonly patience = new Patience();
  readonly policies: PolicyStates;
  private readonly scales = new LargestScales();
  private readonly detour = new Detour();
  private readonly retreat = new Retreat();
  private readonly usable = new UsablePoint();
  private readonly plans = new PlanCache();
  private readonly thrift = new Thrift();
  private readonly warnings = new Warnings();

  constructor(private readonly levenbergMarquardt: CheckedOptions['levenbergMarquardt']) {
    this.policies = new PolicyStates(levenbergMarquardt);
  }

  /**
   * Takes one step, from the training point if the variables hold an average.
   *
   * @returns the loss at the point before the step; it belongs to the caller's scope.
   * @throws for a loss, a model or numbers that no step can be taken from. The weights, the
   * state and every variable that f() wrote are then as before.
   */
  takeStep(request: Request): Scalar {
    const {average} = this.state;
    if (average.isEntered) {
      return this.step(request);  // f() calls minimize(): the capture refuses it
    }
    average.enter(() => candidatesOf(request));
    this.retreat.begin();
    let isDone = false;
    try {
      const cost = this.step(request);
      this.retreat.settle();
      isDone = true;
      return cost;
    } finally {
      average.leave(isDone);
      if (!isDone) {
        this.retreat.takeBack();
      }
    }
  }

  private step(request: Request): Scalar {
    const {f, fitBatch} = request;
    const clock = new Clock();
    this.last.release();
    const noting = fitBatch === null ? f : notingOutputs(fitBatch.model, f);
    const {cost, trace} = clock.time('capture', () => capture(noting, fitBatch?.targets));
    let loss = NaN;
    try {
      this.state.average.choose(trace.variables.values());
      checkDisposed(trace, request.isTrained);
      loss = cost.dataSync()[0];
      if (this.retreats(request, trace, loss)) {
        trace.dispose();
        return cost;
      }
      if (!Number.isFinite(loss)) {
        throw markNonFinite(explainNonFinite(`the loss is ${loss}`, trace, fitBatch, request.isTrained));
      }
      this.solveAndWrite(request, trace, loss, clock);
    } catch (error) {
      let isBack = false;
      try {
        isBack = isNonFinite(error) &&
            (this.comesBack(request, trace, loss) || this.stepsBack(request, trace, loss));
      } finally {
        if (!isBack) {
          discard(trace, fitBatch?.targets ?? []);
        }
      }
      if (!isBack) {
        throw error;
      }
    }
    trace.dispose();
    return cost;
  }

  /**
   * Frees the state, its copies, the matrix of the last step and the beginning of a detour. The
   * evidence begins anew.
   */
  dispose(): void {
    this.state.dispose();
    this.policies.state = {...this.policies.state, evidence: NO_EVIDENCE};
    this.scales.clear();
    this.last.release();
    this.detour.end();
    this.retreat.dispose();
    this.usable.end();
  }

  /**
   * Goes back to the last good weights, if a training on mini-batches has diverged.
   *
   * @returns whether training has gone back.
   */
  private retreats(request: Request, trace: Trace, loss: number): boolean {
    const {report} = this.last;
    if (report === null || !isWatched(request, report) || this.detour.from(NaN) !== null) {
      this.retreat.end();
      return false;
    }
    const back = this.retreat.judge(trace, loss);
    if (back === null) {
      return false;
    }
    this.goBack(back, trace);
    trace.restoreVariables();
    this.policies.state = afterDivergence(this.policies.state);
    this.state.forget();
    this.retreat.wentBack();
    this.reportBack(report, request.iteration, loss);
    return true;
  }

  /** Sets variables to earlier weights. An average of them ends. */
  private goBack({variables, weights}: Pick<Beginning, 'variables' | 'weights'>, trace: Trace): void {
    assignAll(variables, weights, trace);
    this.state.average.leaveOut(variables);
  }

  /** Notes the report of a call that has gone back, and taken no step. */
  private reportBack(report: StepReport, iteration: number, loss: number, lossOfPoint = loss): void {
    this.last.report = Object.freeze({
      ...report, ...GONE_BACK, iteration, loss, predictedDecrease: null, actualDecrease: null, gainRatio: null});
    this.patience.note({...this.last.report, loss: lossOfPoint});
  }

  /** Solves the step, then writes the weights, or goes back to earlier ones. */
  private solveAndWrite(request: Request, trace: Trace, loss: number, clock: Clock): void {
    const beginning = this.detour.from(loss);
    const solved = this.solve(request, trace, loss, beginning, clock);
    if (solved.report.status === 'breakdown' && this.stepsBack(request, trace, loss)) {
      return;
    }
    const {policy, variables, idle, mayLackJacobian, scales, report, priorState} = solved;
    const isEnd = priorState !== null && isAtEnd(priorState);
    const taken = isEnd ? null : solved.taken;
    const isLost = taken === null || this.detour.isGivenUp;
    const back = beginning !== null && policy.isOnFullBatch && isLost ? beginning : null;
    const {iteration} = request;
    const done: StepReport = Object.freeze({
      iteration, loss, ...report, ...(back === null && !isEnd ? {} : GONE_BACK), milliseconds: clock.milliseconds});
    const next = policyAfter(policy, done, request.options);
    if (policy.beginsDetour) {
      this.detour.begin(variables, loss);
    }
    const before = priorState === null ? [] : variables.map(aliasOf);
    const start = mayLackJacobian ? variables.map(aliasOf) : [];
    if (back !== null) {
      this.goBack(back, trace);
    } else if (isEnd) {
      this.goBack({variables, weights: this.state.maximum.of(variables) ?? before}, trace);
    } else if (taken !== null) {
      clock.time('update', () => {
        if (isAveraged(request, trace, done) && beginning === null) {
          this.state.average.take(variables, taken.moved);
        } else {
          this.state.average.leaveOut(variables);
        }
        assignAll(variables, taken.moved, trace);
        this.state.accept(variables, taken.d);
        if (isWatched(request, done)) {
          this.retreat.wrote(variables);
        }
      });
    } else if (report.status !== 'rejected') {  // which is the way that Levenberg-Marquardt ends
      this.warnings.notTaken(report.status);
    }
    this.usable.note(mayLackJacobian && back === null && !isEnd ?
      {variables, weights: start, loss, state: policy.nextIfRejected} : null);
    if (idle !== null) {
      this.warnings.idle(idle);
    }
    if (report.curvature === 'unbounded') {
      this.warnings.unbounded();
    }
    Object.freeze(clock.milliseconds);
    this.policies.state = back !== null ? withoutDetour(next, this.levenbergMarquardt) :
      this.retreat.isAtBest ? afterLowerTrend(next) : next;
    if (priorState !== null) {
      this.policies.state = {...this.policies.state, evidence: priorState};
      this.state.maximum.wrote(variables, priorState.since === 0 ? before : null);
    }
    if (scales !== null) {
      this.scales.keep(variables, scales, policy.fading);
    }
    this.last.note(done, solved.effectiveDimension, solved.undampedDecrease);
    this.patience.note(done);
    const {isOnFullBatch, beginsDetour} = policy;
    this.detour.after({isOnFullBatch, isBack: back !== null, isGoing: beginning !== null, begins: beginsDetour});
  }

  /** @param beginning the beginning of the detour that is going on; null without a detour. */
  private solve({fitBatch, isTrained, options, iteration}: Request, trace: Trace, loss: number,
      beginning: Beginning | null, clock: Clock): SolvedStep {
    const state = beginning === null ? {...this.policies.state, detour: 0} : this.policies.state;
    const sign = (): BatchSign => batchSign(trace, fitBatch, isTrained);
    const isBayesian = options.regularization === 'bayesian';
    const wanted = isBayesian ? 'levenbergMarquardt' : options.policy;
    const begin = (variables: readonly Variable[]): EvidenceState => beginEvidence(state.evidence, sign(),
        fitBatch?.batchesPerEpoch() ?? null, this.state.maximum.areUntouched(variables));
    return withMemoryLimit(options.memoryLimit, () => solveStep(trace, fitBatch, {
      policyFor: size => StepPolicy.of(wanted, options.given, this.levenbergMarquardt, state, size, sign),
      priorState: isBayesian ? begin : null,
      mayDetour: this.detour.mayBegin(loss), iteration,
      solver: options.solver, scaling: options.scaling, weightDecay: options.weightDecay, isTrained,
      scalesOf: variables => this.scales.of(variables), previous: variables => this.state.previous(variables),
    }, this.plans, clock), this.thrift);
  }

  /** Goes back to the weights before the last step, if there are any to go back to. */
  private stepsBack({iteration}: Request, trace: Trace, loss: number): boolean {
    const point = this.usable.from(trace);
    if (point === null) {
      return false;
    }
    this.goBack(point, trace);
    trace.restoreVariables();
    this.policies.state = {...point.state, evidence: this.policies.state.evidence};
    this.state.forget();
    this.state.maximum.wrote(point.variables, null);
    this.reportBack(this.last.report!, iteration, loss, point.loss);
    this.usable.end();
    return true;
  }

  /**
   * Goes back to the beginning of a detour that has led to numbers that are not finite, if the step
   * is on the data that the detour began with.
   *
   * @returns whether training has gone back.
   */
  private comesBack({fitBatch, isTrained, iteration}: Request, trace: Trace, loss: number): boolean {
    const beginning = this.detour.from(NaN);
    const {fingerprint} = this.policies.state.history;
    const {report} = this.last;
    if (beginning === null || report === null || fingerprint === null ||
        batchSign(trace, fitBatch, isTrained).fingerprint !== fingerprint) {
      return false;
    }
    this.goBack(beginning, trace);
    trace.restoreVariables();
    this.policies.state = withoutDetour(this.policies.state, this.levenbergMarquardt);
    this.reportBack(report, iteration, loss);
    this.detour.fails();
    return true;
  }
}
