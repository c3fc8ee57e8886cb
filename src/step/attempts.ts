import {tidy} from '@tensorflow/tfjs-core';
import type {Tensor, Variable} from '@tensorflow/tfjs-core';
import {allFinite} from '../tfjs/all_finite';
import type {Trace} from '../trace/trace';
import type {Clock} from '../tfjs/clock';
import {isDifferentiable} from './differentiable';
import {ggnError} from '../errors';
import {addScaled} from '../tfjs/fast_ops';
import type {LocalModel, ModelStep} from './local_model';
import type {StepPolicy} from '../policy/step_policy';
import type {Resolution} from './resolution';
import type {Rows} from '../loss/rows';
import type {StepReport} from './step_report';
import {isFlung} from './step_bound';
import {actualDecrease} from './decrease';
import {verdict} from './verdict';

/** A step to be taken. */
export interface Move {
  /** d by variable, before the learning rate. */
  readonly d: readonly Tensor[];
  /** The weights to go to, by variable. */
  readonly moved: readonly Tensor[];
}

/** What the attempts of a step are made with. */
export interface AttemptParts {
  readonly trace: Trace;
  readonly rows: Rows;
  readonly model: LocalModel;
  readonly policy: StepPolicy;
  readonly weightDecay: number;
  /** Of the damping, where it bounds the length of steps; else null. */
  readonly scale: () => Float64Array | null;
  readonly mayDetour: boolean;
  /** What rounding leaves of the loss, as closely as a decrease that is to be judged needs it; computed when asked for. */
  readonly resolved: (decrease: number) => Resolution;
  readonly clock: Clock;
}

export type Attempted = Pick<StepReport, 'status' | 'learningRate' | 'damping' | 'momentum' | 'lambda' | 'stepNorm' | 'attempts' | 'predictedDecrease' |
    'actualDecrease' | 'gainRatio'> & {readonly taken: Move | null};

/** How far the gain ratio is from 1 at most, where the loss falls as the quadratic model says, however long the step: that of linear parameters. */
const TRUSTED_GAIN = 1e-3;

/** Share of the loss below which a decrease is lost in rounding, also where the residuals themselves are exact: four units of float32. */
const RESOLUTION = 2 ** -22;

/**
 * Solves with the settings of the policy, until it accepts the step or has no attempts left.
 *
 * @throws where a policy that does not judge its steps would write weights that are not finite, or the weights are not finite already.
 */
export function solveAttempts(parts: AttemptParts): Attempted {
  const {policy, model, resolved, mayDetour} = parts;
  const resolvedLoss = (decrease: number): number => Math.max(RESOLUTION * model.lossOfRows, resolved(decrease).loss);
  for (let attempts = 1;; attempts++) {
    const attempted = scoped(() => ({...attempt(parts, resolvedLoss), attempts}));
    const {isUnresolved, ...result} = attempted;
    const {gainRatio, status, damping, momentum} = result;
    if (isUnresolved) {
      policy.unresolved();
    } else if (gainRatio !== null) {
      policy.judge(status === 'rejected' ? Math.min(0, gainRatio) : gainRatio);
    }
    if (status !== 'rejected') {
      return result;
    }
    const next = policy.settings;
    if (attempts >= policy.attempts || (next.damping === damping && next.momentum === momentum)) {
      policy.exhausted(mayDetour);
      return result;
    }
  }
}

type Attempt = Omit<Attempted, 'attempts'> & {readonly isUnresolved: boolean};

/** One solve, and what is judged of its step. */
function attempt({trace, rows, model, policy, weightDecay, scale, clock}: AttemptParts, resolvedLoss: (decrease: number) => number): Attempt {
  const {variables} = rows.dependence;
  const settings = policy.settings;
  const {learningRate} = settings;
  const {status, lambda, damping, step} = model.solve(settings.damping, settings.momentum, policy.rejects);
  if (status !== 'ok' && status !== 'flat' && status !== 'noCurvature') {
    policy.raise(damping);
  }
  const used = {...settings, damping, lambda};
  if (step === null) {
    return {...used, isUnresolved: false, status, stepNorm: 0, predictedDecrease: null, actualDecrease: null, gainRatio: null, taken: null};
  }
  const predictedDecrease = clock.time('solve', () => model.predictedDecrease(step, learningRate));
  const moved = clock.time('update', () => move(variables, step, learningRate));
  const written = clock.time('update', () => decay(variables, moved, learningRate * weightDecay));
  const isWritable = clock.time('update', () => allFinite(written));
  if (!isWritable) {
    explainUnwritable(variables, written, policy);
  }
  const actual = !policy.judges ? null : !isWritable ? NaN : clock.time('trial', () => actualDecrease(trace, rows, variables, moved));
  // Where the gradient is zero the step is, too, and nothing is wrong with it, unless a kernel made
  // a sum that is not finite of finite weights.
  const gainRatio = actual === null || (step.norm === 0 && isWritable) ? null : actual / predictedDecrease;
  const found = gainRatio === null ? 'taken' : verdict({rejects: policy.rejects, predictedDecrease, actualDecrease: actual!, resolvedLoss: () => resolvedLoss(predictedDecrease)});
  const bound = scale();
  const isBeyond = gainRatio !== null && bound !== null && Math.abs(gainRatio - 1) > TRUSTED_GAIN &&
      isFlung(bound, variables, step.d, learningRate, 2 * model.lossOfRows);
  const isTaken = found !== 'rejected' && !isBeyond && (gainRatio === null || clock.time('trial', () => isDifferentiable(trace, rows, written, model.isFloat32)));
  return {...used, isUnresolved: isTaken && found === 'unresolved', status: isTaken ? status : 'rejected', stepNorm: isTaken ? learningRate * step.norm : 0, predictedDecrease,
    actualDecrease: actual, gainRatio, taken: isTaken ? {d: step.d, moved: written} : null};
}

/** @throws unless more damping may help: a policy that judges its steps counts such a step as rejected. */
function explainUnwritable(variables: readonly Variable[], written: readonly Tensor[], policy: StepPolicy): void {
  const bad = variables.find(variable => !allFinite([variable]));
  if (bad !== undefined) {
    throw ggnError(`the variable '${bad.name}' holds values that are not finite. No step was taken.`);
  }
  if (!policy.judges) {
    const {name} = variables.find((_, v) => !allFinite([written[v]]))!;
    throw ggnError(`the step would take the variable '${name}' to values that are not finite: float32 overflows. The weights are unchanged; scale the data, or use ` +
        'more damping.');
  }
}

/** Keeps the tensors of an accepted attempt alone: those of ten rejected ones would be as many copies of the weights. */
function scoped<T extends {readonly taken: Move | null}>(run: () => T): T {
  let result!: T;
  tidy(() => {
    result = run();
    return [...result.taken?.d ?? [], ...result.taken?.moved ?? []];
  });
  return result;
}

/** w + learningRate · d. */
function move(variables: readonly Variable[], {d}: ModelStep, learningRate: number): Tensor[] {
  const addStep = addScaled(learningRate);
  return variables.map((variable, v) => addStep(variable, d[v]));
}

/** w - share · w beside the step, on matrices and what has more axes: not judged with it, since it does not lower the loss. */
function decay(variables: readonly Variable[], moved: readonly Tensor[], share: number): readonly Tensor[] {
  const shrink = share === 0 ? null : addScaled(-share);
  return shrink === null ? moved : moved.map((t, v) => variables[v].rank < 2 ? t : shrink(t, variables[v]));
}
