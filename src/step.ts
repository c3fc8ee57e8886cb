import {sum, tidy} from '@tensorflow/tfjs-core';
import type {Tensor, Variable} from '@tensorflow/tfjs-core';
import type {Trace} from './capture/trace';
import type {TrainStep} from './capture/train_step_hook';
import {checkedJacobian} from './checked_jacobian';
import type {CheckedJacobian} from './checked_jacobian';
import type {Clock} from './clock';
import {ggnError} from './errors';
import {upstream} from './jacobian/analysis';
import {gradientThroughStatistics, StatisticsJacobian} from './jacobian/frozen_statistics';
import {addScaled} from './jacobian/kernels';
import {collect, sweepBack} from './jacobian/parameter';
import type {Plan} from './jacobian/plan';
import type {PlanCache} from './jacobian/plan_cache';
import {LocalModel} from './local_model';
import type {Linearization, ModelStep} from './local_model';
import {squaredError} from './losses/squared_error';
import type {StepPolicy} from './policy/step_policy';
import type {SystemName} from './solve/system';
import {findRows, readResiduals} from './rows';
import type {Rows} from './rows';
import {chooseScaling, chooseSystem} from './system_choice';
import type {SystemOptions} from './system_choice';
import type {StepReport} from './step_report';
import {actualDecrease} from './trial';

/** A solved step, not yet taken. All tensors belong to the caller's scope. */
export interface SolvedStep {
  readonly variables: readonly Variable[];
  /** null where no step is to be taken. */
  readonly taken: Move | null;
  readonly report: Omit<StepReport, 'iteration' | 'loss' | 'milliseconds'>;
  /** trace(C(C + λI)⁻¹), see `LocalModel.effectiveDimension`. */
  readonly effectiveDimension: () => number;
}

interface Move {
  /** d by variable, before the learning rate. */
  readonly d: readonly Tensor[];
  /** The weights to go to, by variable. */
  readonly moved: readonly Tensor[];
}

export interface StepSettings extends SystemOptions {
  readonly policy: StepPolicy;
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
  const solver = chooseSystem({rows: rows.count, parameters: countParameters(trace, rows), width}, settings);
  const checked = checkedJacobian(trace, rows, groupOf, context, cache, clock, solver);
  const {plans} = checked;

  const {residual, weight} = clock.time('gram', () => readResiduals(trace, rows, plans));
  if (weight.some(w => w < 0)) {
    throw ggnError('the loss has squares with a negative weight: it is not a sum of squares. Check class weights and signs.');
  }
  const loss = squaredError(residual, weight);
  const linearization = clock.time('linearize', () =>
    withStatistics(checked, gradientThroughStatistics(trace, rows.dependence, plans), residual, loss.z, groupOf, variables.map(v => v.size), solver));
  const extra = clock.time('linearize', () => extraGradient(trace, rows));
  const parameters = variables.reduce((size, variable, v) => size + (plans.some(plan => plan.bySite[v].sites.length > 0) ? variable.size : 0), 0);
  const scaling = chooseScaling(solver, settings, settings.policy.name, variables);
  const model = new LocalModel({variables, parameters, rhos, linearization, loss, extra, previous: settings.previous(variables), solver, scaling}, clock);

  const agreement = settings.policy.observes ? model.agreement() : null;
  settings.policy.observe({agreement, examples: rows.groups.reduce((sum, {examples}) => sum + examples, 0)});
  const {taken, ...attempted} = attempt(trace, rows, model, settings, clock);
  return {variables, taken, effectiveDimension: model.effectiveDimension(attempted.lambda), report: {
    rows: model.rows, parameters, solver, scaling, ...attempted, policy: settings.policy.name, agreement, gradientNorm: model.gradientNorm(), jacobian: describe(rows, plans),
  }};
}

/** Share of the loss below which a decrease is lost in the rounding of float32 residuals. */
const RESOLUTION = 2 ** -22;

type Attempted = Pick<StepReport, 'status' | 'learningRate' | 'damping' | 'momentum' | 'lambda' | 'stepNorm' | 'attempts' | 'predictedDecrease' |
    'actualDecrease' | 'gainRatio'> & {readonly taken: Move | null};

/** Solves with the settings of the policy, until it accepts the step or has no attempts left. */
function attempt(trace: Trace, rows: Rows, model: LocalModel, {policy, weightDecay}: StepSettings, clock: Clock): Attempted {
  const {variables} = rows.dependence;
  for (let attempts = 1;; attempts++) {
    const settings = policy.settings;
    const attempted = scoped((): Attempted => {
      const {status, lambda, damping, step} = model.solve(settings.damping, settings.momentum, policy.rejects);
      const used = {...settings, damping, lambda, attempts};
      if (step === null) {
        if (status !== 'flat') {
          policy.raise(damping);
        }
        return {...used, status, stepNorm: 0, predictedDecrease: null, actualDecrease: null, gainRatio: null, taken: null};
      }
      if (status === 'raised') {
        policy.raise(damping);
      }
      const predictedDecrease = clock.time('solve', () => model.predictedDecrease(step, settings.learningRate));
      const moved = clock.time('update', () => move(variables, step, settings.learningRate));
      const actual = policy.judges ? clock.time('trial', () => actualDecrease(trace, rows, variables, moved)) : null;
      // Where the gradient is zero the step is, too, and nothing is wrong with it.
      const gainRatio = actual === null || step.norm === 0 ? null : actual / predictedDecrease;
      const isBetter = gainRatio === null || (actual! > 0 && predictedDecrease > 0);
      const isAccepted = isBetter || (!policy.rejects && Number.isFinite(actual));
      return {...used, status: isAccepted ? status : 'rejected', stepNorm: isAccepted ? settings.learningRate * step.norm : 0, predictedDecrease,
        actualDecrease: actual, gainRatio, taken: isAccepted ? {d: step.d, moved: decay(variables, moved, settings.learningRate * weightDecay)} : null};
    });
    const {gainRatio, predictedDecrease, status, damping} = attempted;
    if (status === 'rejected' && predictedDecrease! >= 0 && predictedDecrease! <= RESOLUTION * model.lossOfRows) {
      policy.unresolved();
      return attempted;
    }
    if (gainRatio !== null) {
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
function scoped(run: () => Attempted): Attempted {
  let result: Attempted;
  tidy(() => {
    result = run();
    return [...result.taken?.d ?? [], ...result.taken?.moved ?? []];
  });
  return result!;
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
function countParameters(trace: Trace, {dependence: {variables, variableOf}, head}: Rows): number {
  const reached = upstream(trace, head.squares.map(({block: {value}}) => value));
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

/** What the step is solved with: the checked Jacobian, made to say the whole gradient where it holds statistics constant. */
function withStatistics(checked: CheckedJacobian, f: ReadonlyArray<Tensor | null> | null, residual: Float64Array, z: Float64Array,
    groupOf: readonly number[], sizes: readonly number[], solver: SystemName): Linearization {
  const size = z.reduce((sum, x) => sum + x * x, 0);
  if (f === null || size === 0) {
    return checked;
  }
  if (f.some(t => t !== null && !Number.isFinite(sum(t).dataSync()[0]))) {
    throw ggnError('the gradient through a statistic of the batch is not finite. No step was taken.');
  }
  // S⁻ᵀz is the residual; what has no weight is 0 in it.
  const jacobian = new StatisticsJacobian(checked.jacobian, residual.map(r => r / size), f, sizes);
  let known: readonly Float64Array[] | null = null;
  if (solver === 'cg') {
    throw ggnError("the solver 'cg' takes the Jacobian as it is, and this model has statistics of the batch (batch normalisation), which change it. Use solver 'auto' " +
        'and a smaller batchSize.');
  }
  return {pieces: [], jacobian, grams: () => known ??= jacobian.grams(checked.grams(), groupOf), forEachRows: visit => checked.forEachRows((dense, from, count) =>
    visit(jacobian.dense(dense, from), from, count))};
}
