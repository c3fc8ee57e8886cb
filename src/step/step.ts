/**
 * One damped Gram-Gauss-Newton step of a recorded loss, w ← w + learningRate · d. q and H are the
 * derivatives of the loss in its rows r, J = dr/dw, e the gradient of all other terms, ρ of L2:
 *
 *     d = argmin  (Jᵀq + e)ᵀd + ½ dᵀ(JᵀHJ + 2ρ)d + (λ/2)|d - μ d_prev|²
 *
 * 1. Capture: average/ sets the training point, trace/capture.ts records f(); see api/training.ts.
 * 2. Rows: r by loss/rows.ts, q and H by loss/output_derivatives.ts.
 * 3. Jacobian: J by jacobian/checked_jacobian.ts, its units by model/units_of_step.ts.
 * 4. System: systems/system_of_step.ts, model/local_model.ts; bayesian/ takes the evidence's prior.
 * 5. Attempts: attempts.ts tries w + learningRate · d, judge/ decides, policy/ sets λ and μ.
 * 6. Write: api/training.ts writes the weights or their average, the report and the state.
 */
import type {Tensor, Variable} from '@tensorflow/tfjs-core';
import {collect, sweepBack} from '../derivatives/reverse_sweep';
import {checkedJacobian} from '../jacobian/checked_jacobian';
import type {PlanCache} from '../jacobian/plan/plan_cache';
import {couplesOutputs} from '../loss/functions/output_term';
import {readDerivatives} from '../loss/output_derivatives';
import {findRows, type Rows} from '../loss/rows';
import type {EvidenceState} from '../policy/evidence';
import type {StepPolicy} from '../policy/step_policy';
import type {UndampedDecrease} from '../solve/resolved_decrease';
import {takesGram} from '../solve/system';
import {rehearsalOf} from '../systems/systems';
import {ridgeOf} from '../systems/ridge';
import type {Scales} from '../systems/largest_scales';
import {systemOfStep, type ChosenBy} from '../systems/system_of_step';
import type {Clock} from '../tfjs/clock';
import type {FitBatch} from '../tfjs/fit_batch_hook';
import type {Trace} from '../trace/trace';
import {solveAttempts, type Move} from './attempts';
import {partsOf, Prior} from './bayesian/prior';
import {squaresOnly} from './bayesian/squares_only';
import {floatsOfTrial} from './judge/decrease';
import {mayLackDerivatives} from './judge/differentiable';
import {KnownResolution, type Resolution} from './judge/resolution';
import type {IdleLayer} from './model/layer_units';
import {examplesByGroup, jacobianBy, linearizationOf} from './model/linearization';
import {LocalModel} from './model/local_model';
import {observeBatch} from './observation';
import {wayOf, type StepReport} from './step_report';
import {linearizationInUnits} from './model/units_of_step';

/** A solved step, not yet taken. All tensors belong to the caller's scope. */
export interface SolvedStep {
  readonly policy: StepPolicy;
  readonly variables: readonly Variable[];
  /** The step to take; null if the weights stay. */
  readonly taken: Move | null;
  /** Whether the Jacobian at the new weights may be of no use, although their trial was good. */
  readonly mayLackJacobian: boolean;
  /** A layer that hardly learns; null if there is none, or if this step has not looked. */
  readonly idle: IdleLayer | null;
  /** The diagonals of JᵀHJ so far, to be kept; null if they are not. */
  readonly scales: Scales | null;
  readonly report: Omit<StepReport, 'iteration' | 'loss' | 'milliseconds'>;
  /** Prior and noise of the next step; null without regularization `'bayesian'`. */
  readonly priorState: EvidenceState | null;
  /** trace(C(C + λI)⁻¹), see `LocalModel.effectiveDimension`. */
  readonly effectiveDimension: () => number;
  /** See `LocalModel.undampedDecrease`. */
  readonly undampedDecrease: () => UndampedDecrease;
}

/** The options and the state that a step is solved with. */
interface StepSettings extends ChosenBy {
  /** κ, see `GgnOptions.weightDecay`. */
  readonly weightDecay: number | 'auto';
  /**
   * Prior and noise at the beginning of a step with the regularization `'bayesian'`; null without
   * it.
   */
  readonly priorState: ((variables: readonly Variable[]) => EvidenceState) | null;
  /** Whether a detour may begin with the next step, unless the variables are those of a curve. */
  readonly mayDetour: boolean;
  /** Number of the step, counted from 1. */
  readonly iteration: number;
  /** Whether the step may train a variable. */
  readonly isTrained: (variable: Variable) => boolean;
  /** The diagonals of JᵀHJ in earlier steps. */
  readonly scalesOf: (variables: readonly Variable[]) => Scales;
  /** The last accepted d of each variable; null if there is none. */
  readonly previous: (variables: readonly Variable[]) => Array<Tensor | null>;
}

/**
 * Solves the step of a recorded loss, stages 2 to 5 above. Nothing is written.
 *
 * @throws for a loss, a model or numbers that no exact step can be taken from.
 */
export function solveStep(trace: Trace, fitBatch: FitBatch | null, settings: StepSettings, cache: PlanCache,
    clock: Clock): SolvedStep {
  const rows = clock.time('linearize', () => findRows(trace, settings.isTrained, fitBatch));
  const {variables} = rows.dependence;
  const state = settings.priorState?.(variables) ?? null;
  const {examples, parameters, policy, chosen, mayChange, scaling, isOfFit} =
    systemOfStep(trace, rows, settings, state !== null);
  policy.begin(scaling);

  const ridgeOfLoss = ridgeOf(variables.map((_, v) => rows.head.ridge.get(v) ?? 0));
  const partOf = state === null ? ridgeOfLoss.partOf : partsOf(variables);
  const {solver, checked} = jacobianBy(chosen, mayChange, trace.signature, cache, system =>
    checkedJacobian(trace, rows, partOf, fitBatch, cache, clock, system, {
      trial: policy.judges || policy.guards ? () => floatsOfTrial(trace, rows, takesGram(system)) : null,
      products: rehearsalOf(system,
        {variables, rows: rows.count, partOf, couples: rows.head.outputTerms.some(couplesOutputs)}),
    }));
  const {plans} = checked;
  const derivatives = clock.time('gram', () =>
    readDerivatives(trace, rows, examplesByGroup(plans), policy.rejects));
  const prior = state === null ? null :
    new Prior(variables, partOf, squaresOnly(rows, plans, derivatives, fitBatch), state);
  const ridge = prior?.unitRidge ?? ridgeOfLoss;
  const areResiduals = rows.head.outputTerms.every(term => term.kind === 'function' && term.isResidual);
  const hasUnits = settings.scaling === 'auto' && scaling === 'levenberg' && prior === null;
  const {units, idle, linearization: inUnits} = clock.time('linearize', () => linearizationInUnits(
      {trace, variables, plans, derivatives, ridge, areResiduals, solver, iteration: settings.iteration},
      checked.linearization, hasUnits));
  const linearization = clock.time('linearize', () =>
    linearizationOf(trace, rows, plans, inUnits, derivatives, ridge, units));

  const keepsScales = policy.rejects && scaling === 'marquardt';
  const extra = clock.time('linearize', () => extraGradient(trace, rows));
  const value = trace.values[trace.result].dataSync()[0];
  const previous = settings.previous(variables);
  const ofRows = new LocalModel({variables, weights: variables, parameters, ridge, linearization, derivatives, value,
    extra, previous, solver, scaling,
    earlierScales: keepsScales ? settings.scalesOf(variables) : null}, clock, units);
  const known = prior === null ? null : clock.time('solve', () => prior.update(ofRows.relativeCurvature()));
  const penalty = known?.penalty ?? null;
  const model = penalty === null ? ofRows : ofRows.regularized(penalty.ridge, penalty.gradient());
  if (policy.estimates) {
    clock.time('solve', () => policy.estimate(damping => model.dampingByEvidence(damping)));
  }
  const agreement = observeBatch(policy, model,
      {z: derivatives.z, groups: rows.groups, examplesByGroup: examplesByGroup(plans), examples, areResiduals}, clock);

  const resolution = new KnownResolution(trace, rows, isOfFit, model.lossOfRows);
  const resolved = (decrease: number): Resolution => clock.time('trial', () => resolution.for(decrease));
  const scales = (): Scales | null => keepsScales ? model.scales() : null;
  const weightDecay = settings.weightDecay === 'auto' ? policy.weightDecay : settings.weightDecay;
  const {taken, ...attempted} = solveAttempts({trace, rows, model, policy, previous, weightDecay, penalty, scales,
    resolved, clock, mayDetour: settings.mayDetour && variables.some(({rank}) => rank > 1)});
  return {
    policy, variables, taken, idle, scales: scales(), priorState: known?.next ?? null,
    mayLackJacobian: policy.judges && mayLackDerivatives(trace, rows),
    undampedDecrease: model.undampedDecrease(!policy.judges ? 0 :
      clock.time('trial', () => resolution.ofFit(attempted.predictedDecrease ?? 0))),
    effectiveDimension: model.effectiveDimension(attempted.lambda),
    report: {
      rows: model.rows, parameters, solver, scaling, ...attempted, policy: policy.name, agreement,
      gradientNorm: model.gradientNorm(), jacobian: wayOf(rows, plans), curvature: derivatives.curvature,
      evidence: known?.evidence ?? null,
    },
  };
}

/** e by variable: the gradient of all terms of the loss that are no rows. */
function extraGradient(trace: Trace, {head, dependence}: Rows): Array<Tensor | null> {
  if (head.extra.size === 0) {
    return dependence.variables.map(() => null);
  }
  const cotangents = sweepBack(trace.values, trace.nodes, head.extra, value => dependence.dependent[value]);
  const gradients = collect(cotangents, dependence.variableOf.keys(), dependence.variableOf);
  return dependence.variables.map((_, v) => gradients.get(v) ?? null);
}
