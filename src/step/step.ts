import {sum} from '@tensorflow/tfjs-core';
import type {Tensor, Variable} from '@tensorflow/tfjs-core';
import type {Trace} from '../trace/trace';
import type {TrainStep} from '../tfjs/train_step_hook';
import {solveAttempts} from './attempts';
import type {Move} from './attempts';
import {checkedJacobian} from '../jacobian/checked_jacobian';
import type {Clock} from '../tfjs/clock';
import {upstream} from '../trace/dependence';
import {StatisticsLinearization} from '../jacobian/whole/frozen_statistics';
import type {Linearization} from '../jacobian/whole/linearization';
import {gradientThroughStatistics} from '../jacobian/whole/statistics_gradient';
import {collect, sweepBack} from '../derivatives/reverse_sweep';
import type {Plan} from '../jacobian/plan/plan';
import type {PlanCache} from '../jacobian/plan/plan_cache';
import {LocalModel} from './local_model';
import {readDerivatives} from '../loss/output_derivatives';
import type {StepDerivatives} from '../loss/output_derivatives';
import type {StepPolicy} from '../policy/step_policy';
import {KnownResolution} from './resolution';
import type {Resolution} from './resolution';
import {findRows, seedsOfRows} from '../loss/rows';
import type {Rows} from '../loss/rows';
import type {CurvatureRoot} from '../solve/curvature_root';
import type {UndampedDecrease} from '../solve/resolved_decrease';
import {chooseScaling, chooseSystem, isFit} from '../systems/system_choice';
import type {SystemOptions} from '../systems/system_choice';
import type {StepReport} from './step_report';

/** A solved step, not yet taken. All tensors belong to the caller's scope. */
export interface SolvedStep {
  readonly policy: StepPolicy;
  readonly variables: readonly Variable[];
  /** null where no step is to be taken. */
  readonly taken: Move | null;
  /** Of the damping, to be remembered; null where it is not. */
  readonly scale: Float64Array | null;
  readonly report: Omit<StepReport, 'iteration' | 'loss' | 'milliseconds'>;
  /** trace(C(C + λI)⁻¹), see `LocalModel.effectiveDimension`. */
  readonly effectiveDimension: () => number;
  /** See `LocalModel.undampedDecrease`. */
  readonly undampedDecrease: () => UndampedDecrease;
}

export interface StepSettings extends SystemOptions {
  /** The policy of this step. */
  readonly policyFor: (size: {readonly examples: number; readonly parameters: number}) => StepPolicy;
  readonly weightDecay: number;
  /** Whether a detour may begin with the next step, where the variables are not those of a curve. */
  readonly mayDetour: boolean;
  readonly isTrained: (variable: Variable) => boolean;
  /** What the scale of each parameter must not fall below, see `ScaleMemory`. */
  readonly scaleOf: (variables: readonly Variable[]) => Float64Array;
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
  const examples = rows.groups.reduce((sum, group) => sum + group.examples, 0);
  const policy = settings.policyFor({examples, parameters: size.parameters});
  const chosenFor = {policy: policy.name, variables};
  const solver = chooseSystem(size, settings, chosenFor);
  const scaling = chooseScaling(solver, settings, chosenFor);
  policy.begin(scaling);
  const {plans, linearization: checked} = checkedJacobian(trace, rows, groupOf, context, cache, clock, solver);

  const loss = clock.time('gram', () => readDerivatives(trace, rows, batchesOf(plans)));
  const linearization = clock.time('linearize', () =>
    withStatistics(checked, throughStatistics(trace, rows, plans, loss), loss, groupOf, variables.map(v => v.size)));
  const extra = clock.time('linearize', () => extraGradient(trace, rows));
  const parameters = variables.reduce((size, variable, v) => size + (plans.some(plan => plan.bySite[v].sites.length > 0) ? variable.size : 0), 0);
  const remembersScale = policy.rejects && scaling === 'marquardt';
  const value = trace.values[trace.result].dataSync()[0];
  const model = new LocalModel({variables, parameters, rhos, linearization, loss, value, extra, previous: settings.previous(variables), solver, scaling,
    leastScale: remembersScale ? settings.scaleOf(variables) : null}, clock);

  const agreement = policy.observes ? model.agreement() : null;
  const headroom = policy.observes ? clock.time('solve', () => model.headroom(policy.settings.momentum)) : null;
  policy.observe({agreement, headroom, examples});
  const resolution = new KnownResolution(trace, rows, isFit(chosenFor));
  const resolved = (decrease: number): Resolution => clock.time('trial', () => resolution.for(decrease));
  const scale = (): Float64Array | null => remembersScale ? model.scale() : null;
  const {taken, ...attempted} = solveAttempts({trace, rows, model, policy, weightDecay: settings.weightDecay, scale, resolved, clock,
    mayDetour: settings.mayDetour && variables.some(({rank}) => rank > 1)});
  const undampedDecrease = model.undampedDecrease(policy.judges ? resolved(attempted.predictedDecrease ?? 0).rows : 0);
  return {policy, variables, taken, scale: scale(), undampedDecrease, effectiveDimension: model.effectiveDimension(attempted.lambda), report: {
    rows: model.rows, parameters, solver, scaling, ...attempted, policy: policy.name, agreement, gradientNorm: model.gradientNorm(), jacobian: describe(rows, plans), curvature: loss.curvature,
  }};
}

/** Trained parameters that the rows are computed from. */
/** The examples B that each group of rows counts. */
const batchesOf = (plans: readonly Plan[]): number[] => plans.map(({analysis}) => analysis.batch);

function countParameters(trace: Trace, {dependence: {variables, variableOf}, blocks}: Rows): number {
  const reached = upstream(trace, blocks.map(({value}) => value));
  const used = new Set([...variableOf].filter(([value]) => reached.has(value)).map(([, v]) => v));
  return variables.reduce((size, variable, v) => size + (used.has(v) ? variable.size : 0), 0);
}

function describe({groups}: Rows, plans: readonly Plan[]): StepReport['jacobian'] {
  return plans.some(plan => plan.analysis.frozen.size > 0) ? 'frozenStatistics' :
    groups.some(({examples}, g) => plans[g].forward === undefined && plans[g].analysis.batch < examples) ? 'rowByRow' :
      plans.some(plan => plan.forward !== undefined) ? 'forward' : 'batch';
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
  // Squares are what the trace says. Behind a softmax its kernels clip, and q does not; and a root has no derivative at 0.
  const isTrace = rows.head.losses.length + rows.head.functions.length === 0;
  return gradientThroughStatistics(trace, rows.dependence, plans, isTrace ? null : seedsOfRows(trace, rows, batchesOf(plans), q));
}

/** The linearization that the step is solved with: if it holds statistics constant, corrected so that its gradient is exact. */
function withStatistics(checked: Linearization, f: ReadonlyArray<Tensor | null> | null, {q, z, root}: StepDerivatives,
    groupOf: readonly number[], sizes: readonly number[]): Linearization {
  const u = directionOf(q, z, root);
  if (f === null || u === null) {
    return checked;
  }
  if (f.some(t => t !== null && !Number.isFinite(sum(t).dataSync()[0]))) {
    throw checked.notFinite();
  }
  return new StatisticsLinearization(checked, u, f, groupOf, sizes);
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
