import {sum, tensor, tidy} from '@tensorflow/tfjs-core';
import type {Tensor, Variable} from '@tensorflow/tfjs-core';
import type {Trace} from './capture/trace';
import type {TrainStep} from './capture/train_step_hook';
import {checkedJacobian} from './checked_jacobian';
import type {CheckedJacobian} from './checked_jacobian';
import type {Clock} from './clock';
import {ggnError} from './errors';
import {upstream} from './jacobian/analysis';
import {gradientThroughStatistics, StatisticsJacobian, statisticsPieces} from './jacobian/frozen_statistics';
import {addScaled} from './jacobian/kernels';
import {collect, sweepBack} from './jacobian/parameter';
import type {Plan} from './jacobian/plan';
import type {PlanCache} from './jacobian/plan_cache';
import {LocalModel} from './local_model';
import type {ModelStep} from './local_model';
import type {Linearization} from './step_system';
import {readDerivatives} from './output_derivatives';
import type {StepDerivatives} from './output_derivatives';
import type {StepPolicy} from './policy/step_policy';
import {resolution} from './resolution';
import type {Resolution} from './resolution';
import {findRows, seedsOfRows} from './rows';
import type {Rows} from './rows';
import type {CurvatureRoot} from './solve/curvature_root';
import {chooseScaling, chooseSystem} from './system_choice';
import type {SystemOptions} from './system_choice';
import type {StepReport} from './step_report';
import {actualDecrease} from './trial';

/** A solved step, not yet taken. All tensors belong to the caller's scope. */
export interface SolvedStep {
  readonly policy: StepPolicy;
  readonly variables: readonly Variable[];
  /** null where no step is to be taken. */
  readonly taken: Move | null;
  readonly report: Omit<StepReport, 'iteration' | 'loss' | 'milliseconds'>;
  /** trace(C(C + λI)⁻¹), see `LocalModel.effectiveDimension`. */
  readonly effectiveDimension: () => number;
  /** See `LocalModel.undampedDecrease`; 0 where the rounding of the residuals amounts to more. */
  readonly undampedDecrease: () => number;
}

interface Move {
  /** d by variable, before the learning rate. */
  readonly d: readonly Tensor[];
  /** The weights to go to, by variable. */
  readonly moved: readonly Tensor[];
}

export interface StepSettings extends SystemOptions {
  /** The policy of this step. */
  readonly policyFor: (size: {readonly examples: number; readonly parameters: number}) => StepPolicy;
  readonly weightDecay: number;
  readonly isTrained: (variable: Variable) => boolean;
  /** The last accepted d of each variable; null if there is none. */
  readonly previous: (variables: readonly Variable[]) => Array<Tensor | null>;
}

/**
 * The damped Gram-Gauss-Newton step of a traced loss: rows, batch Jacobian, local model, and the attempts that the policy asks for, each
 * judged by a replay of the trace.
 *
 * @throws for a loss, model or numbers that no exact step can be taken from; nothing has been changed then.
 */
export function solveStep(trace: Trace, context: TrainStep | null, settings: StepSettings, cache: PlanCache, clock: Clock): SolvedStep {
  const rows = clock.time('linearize', () => findRows(trace, settings.isTrained, context));
  const {variables} = rows.dependence;
  const rhos = variables.map((_, v) => rows.head.ridge.get(v) ?? 0);
  const groupOf = LocalModel.groups(rhos);
  const width = variables.reduce((size, variable) => size + variable.size, 0);
  const size = {rows: rows.count, parameters: countParameters(trace, rows), width};
  const solver = chooseSystem(size, settings);
  const examples = rows.groups.reduce((sum, group) => sum + group.examples, 0);
  const policy = settings.policyFor({examples, parameters: size.parameters});
  const checked = checkedJacobian(trace, rows, groupOf, context, cache, clock, solver);
  const {plans} = checked;

  const loss = clock.time('gram', () => readDerivatives(trace, rows, plans));
  const linearization = clock.time('linearize', () =>
    withStatistics(checked, throughStatistics(trace, rows, plans, loss), loss, groupOf, variables.map(v => v.size)));
  const extra = clock.time('linearize', () => extraGradient(trace, rows));
  const parameters = variables.reduce((size, variable, v) => size + (plans.some(plan => plan.bySite[v].sites.length > 0) ? variable.size : 0), 0);
  const scaling = chooseScaling(solver, settings, policy.name, variables);
  const value = trace.values[trace.result].dataSync()[0];
  const model = new LocalModel({variables, parameters, rhos, linearization, loss, value, extra, previous: settings.previous(variables), solver, scaling}, clock);

  const agreement = policy.observes ? model.agreement() : null;
  const headroom = policy.observes ? clock.time('solve', () => model.headroom(policy.settings.momentum)) : null;
  policy.observe({agreement, headroom, examples});
  let known: Resolution | null = null;
  const resolved = (): Resolution => known ??= clock.time('trial', () => resolution(trace, rows));
  const {taken, ...attempted} = attempt(trace, rows, model, policy, settings, resolved, clock);
  const undamped = model.undampedDecrease();
  const {rows: rounding} = policy.judges ? resolved() : {rows: 0};
  const undampedDecrease = (): number => {
    const decrease = undamped();
    return decrease <= rounding ? 0 : decrease;
  };
  return {policy, variables, taken, undampedDecrease, effectiveDimension: model.effectiveDimension(attempted.lambda), report: {
    rows: model.rows, parameters, solver, scaling, ...attempted, policy: policy.name, agreement, gradientNorm: model.gradientNorm(), jacobian: describe(rows, plans), curvature: loss.curvature,
  }};
}

/** Share of the loss below which a decrease is lost in rounding, also where the residuals themselves are exact: four units of float32. */
const RESOLUTION = 2 ** -22;

type Attempted = Pick<StepReport, 'status' | 'learningRate' | 'damping' | 'momentum' | 'lambda' | 'stepNorm' | 'attempts' | 'predictedDecrease' |
    'actualDecrease' | 'gainRatio'> & {readonly taken: Move | null};

/**
 * Solves with the settings of the policy, until it accepts the step or has no attempts left.
 *
 * A step that promises less than the loss can resolve cannot be judged by it. It is taken unless the loss rises by more than that: its direction comes from the gradient, which is
 * known better, since the rounding of the loss is of first order in that of the residuals and the error of their minimiser of second.
 */
function attempt(trace: Trace, rows: Rows, model: LocalModel, policy: StepPolicy, {weightDecay}: StepSettings, resolved: () => Resolution, clock: Clock): Attempted {
  const {variables} = rows.dependence;
  let known: number | null = null;
  const resolvedLoss = (): number => known ??= Math.max(RESOLUTION * model.lossOfRows, resolved().loss);
  for (let attempts = 1;; attempts++) {
    const settings = policy.settings;
    const {isJudged, ...attempted} = scoped(() => {
      const {status, lambda, damping, step} = model.solve(settings.damping, settings.momentum, policy.rejects);
      const used = {...settings, damping, lambda, attempts};
      if (step === null) {
        if (status !== 'flat' && status !== 'noCurvature') {
          policy.raise(damping);
        }
        return {...used, isJudged: false, status, stepNorm: 0, predictedDecrease: null, actualDecrease: null, gainRatio: null, taken: null};
      }
      if (status === 'raised') {
        policy.raise(damping);
      }
      const predictedDecrease = clock.time('solve', () => model.predictedDecrease(step, settings.learningRate));
      const moved = clock.time('update', () => move(variables, step, settings.learningRate));
      const actual = !policy.judges ? null : !Number.isFinite(step.norm) ? NaN : clock.time('trial', () => actualDecrease(trace, rows, variables, moved));
      // Where the gradient is zero the step is, too, and nothing is wrong with it.
      const gainRatio = actual === null || step.norm === 0 ? null : actual / predictedDecrease;
      const isJudged = gainRatio === null || !policy.rejects || !(predictedDecrease >= 0 && predictedDecrease <= resolvedLoss());
      const isBetter = gainRatio === null || (actual! > 0 && predictedDecrease > 0);
      const isAccepted = isBetter || (policy.rejects ? !isJudged && actual! >= -resolvedLoss() : Number.isFinite(actual));
      return {...used, isJudged: isJudged || !isAccepted, status: isAccepted ? status : 'rejected', stepNorm: isAccepted ? settings.learningRate * step.norm : 0, predictedDecrease,
        actualDecrease: actual, gainRatio, taken: isAccepted ? {d: step.d, moved: decay(variables, moved, settings.learningRate * weightDecay)} : null};
    });
    const {gainRatio, status, damping} = attempted;
    if (!isJudged && gainRatio !== null) {
      policy.unresolved();
    } else if (gainRatio !== null) {
      policy.judge(status === 'rejected' ? Math.min(0, gainRatio) : gainRatio);
    }
    if (status !== 'rejected') {
      return attempted;
    }
    const {damping: next, momentum} = policy.settings;
    if (attempts >= policy.attempts || (next === damping && momentum === attempted.momentum)) {
      policy.exhausted();
      return attempted;
    }
  }
}

/** Keeps the tensors of an accepted attempt alone: those of ten rejected ones would be as many copies of the weights. */
function scoped<T extends Attempted>(run: () => T): T {
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

/** Trained parameters that the rows are computed from. */
function countParameters(trace: Trace, {dependence: {variables, variableOf}, blocks}: Rows): number {
  const reached = upstream(trace, blocks.map(({value}) => value));
  const used = new Set([...variableOf].filter(([value]) => reached.has(value)).map(([, v]) => v));
  return variables.reduce((size, variable, v) => size + (used.has(v) ? variable.size : 0), 0);
}

function describe({groups}: Rows, plans: readonly Plan[]): StepReport['jacobian'] {
  return plans.some(plan => plan.analysis.frozen.size > 0) ? 'frozenStatistics' :
    groups.some(({examples}, g) => plans[g].analysis.batch < examples) ? 'rowByRow' : 'batch';
}

/** e by variable: the gradient of everything in the loss that is not a row. */
function extraGradient(trace: Trace, {head, dependence}: Rows): Array<Tensor | null> {
  if (head.extra.size === 0) {
    return dependence.variables.map(() => null);
  }
  const cotangents = sweepBack(trace.values, trace.nodes, head.extra, value => dependence.dependent[value]);
  const gradients = collect(cotangents, dependence.variableOf.keys(), dependence.variableOf);
  return dependence.variables.map((_, v) => gradients.get(v) ?? null);
}

/** The part of the gradient of the rows that flows through frozen statistics, by variable; null where none are frozen. */
function throughStatistics(trace: Trace, rows: Rows, plans: readonly Plan[], {q}: StepDerivatives): Array<Tensor | null> | null {
  if (plans.every(plan => plan.analysis.frozen.size === 0)) {
    return null;
  }
  // Squares are what the trace says. Behind a softmax its kernels clip, and q does not.
  return gradientThroughStatistics(trace, rows.dependence, plans, rows.head.losses.length === 0 ? null : seedsOfRows(trace, rows, plans, q));
}

/** What the step is solved with: the checked Jacobian, made to say the whole gradient where it holds statistics constant. */
function withStatistics(checked: CheckedJacobian, f: ReadonlyArray<Tensor | null> | null, {q, z, root}: StepDerivatives, groupOf: readonly number[],
    sizes: readonly number[]): Linearization {
  const u = directionOf(q, z, root);
  if (f === null || u === null) {
    return checked;
  }
  if (f.some(t => t !== null && !Number.isFinite(sum(t).dataSync()[0]))) {
    throw ggnError('the gradient through a statistic of the batch is not finite. No step was taken.');
  }
  const jacobian = new StatisticsJacobian(checked.jacobian, u, f, sizes);
  let known: readonly Float64Array[] | null = null;
  return {pieces: statisticsPieces(checked.pieces, u, f, sizes), jacobian, grams: () => known ??= jacobian.grams(checked.grams(), groupOf),
    forEachRows: visit => checked.forEachRows((rows, from, count) => {
      const read = (): Float64Array => jacobian.dense(rows.read(), from);
      visit({read, tensor: () => tensor(Float32Array.from(read()), [count, sizes.reduce((m, size) => m + size, 0)])}, from, count);
    })};
}

/** u with uᵀq = 1: S⁻ᵀz / |z|², or q / |q|² where there is no z; null where the rows pull at nothing. */
function directionOf(q: Float64Array, z: Float64Array | null, root: CurvatureRoot): Float64Array | null {
  const pull = z ?? q;
  const size = pull.reduce((sum, x) => sum + x * x, 0);
  if (size === 0) {
    return null;
  }
  if (z === null) {
    return q.map(x => x / size);
  }
  const s = root.applyTranspose(new Float64Array(q.length).fill(1));  // squares alone: S is diagonal, and what has no weight is 0 in z
  return z.map((x, i) => x === 0 ? 0 : x / (s[i] * size));
}
