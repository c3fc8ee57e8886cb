import {tidy, type Tensor, type Variable} from '@tensorflow/tfjs-core';
import {ggnError} from '../errors';
import type {Rows} from '../loss/rows';
import type {StepPolicy} from '../policy/step_policy';
import type {SolveStatus} from '../solve/damped_step';
import {allFinite} from '../tfjs/all_finite';
import type {Scales} from '../systems/largest_scales';
import type {Clock} from '../tfjs/clock';
import {addScaled} from '../tfjs/fast_ops';
import type {Trace} from '../trace/trace';
import {actualDecrease as decreaseAt} from './judge/decrease';
import {isDifferentiable} from './judge/differentiable';
import type {LocalModel, ModelStep} from './model/local_model';
import type {Penalty} from './bayesian/prior';
import {RESOLUTION, type Resolution} from './judge/resolution';
import {isFlung} from './judge/step_bound';
import type {StepReport} from './step_report';
import {trustIn, verdict} from './judge/verdict';

/** A step to be taken. */
export interface Move {
  /** The next d_prev by variable: d, before the learning rate, or a sum, see `Policy.carry`. */
  readonly d: readonly Tensor[];
  /** The new weights, by variable. */
  readonly moved: readonly Tensor[];
}

/** Everything that the attempts of a step need. */
interface AttemptParts {
  readonly trace: Trace;
  readonly rows: Rows;
  readonly model: LocalModel;
  readonly policy: StepPolicy;
  /** d_prev by variable; null if there is none. */
  readonly previous: ReadonlyArray<Tensor | null>;
  /** κ, see `GgnOptions.weightDecay`. */
  readonly weightDecay: number;
  /** The penalty of a prior, whose decrease counts with that of the loss; null without one. */
  readonly penalty: Pick<Penalty, 'decrease'> | null;
  /** The diagonal of Marquardt's Σ, if it bounds the length of steps; else null. */
  readonly scales: () => Scales | null;
  /** Whether a detour may begin if no attempt is accepted. */
  readonly mayDetour: boolean;
  /** The resolution of the loss, as closely as the judgement of a decrease needs it. */
  readonly resolved: (decrease: number) => Resolution;
  readonly clock: Clock;
}

/** The fields of the report that the last attempt fills in, and the step to be taken. */
type Attempted = Pick<StepReport, 'status' | 'learningRate' | 'damping' | 'momentum' | 'lambda' | 'stepNorm' |
    'attempts' | 'predictedDecrease' | 'actualDecrease' | 'gainRatio'> & {readonly taken: Move | null};

interface Attempt extends Omit<Attempted, 'attempts'> {
  readonly isUnresolved: boolean;
  /** See `trustIn`; null if the step is not guarded. */
  readonly trust: number | null;
}

/** Outcomes of a solve that took more damping than asked, or found none that works. */
const RAISED: ReadonlySet<SolveStatus> = new Set(['raised', 'breakdown', 'precision']);

/**
 * Makes attempts with the settings of the policy, until one is not rejected, or the policy has no
 * attempts or no other settings left.
 *
 * After each attempt the policy gets the gain ratio, or the trust if the step is guarded, at most 0
 * for a rejected step.
 *
 * @throws for weights that are not finite, and for a policy that neither judges nor guards its
 * steps and would write such weights.
 */
export function solveAttempts(parts: AttemptParts): Attempted {
  const {policy, mayDetour} = parts;
  for (let attempts = 1;; attempts++) {
    const {isUnresolved, trust, ...attempted} = scoped(() => attempt(parts));
    const result = {...attempted, attempts};
    const {gainRatio, status, damping, momentum} = result;
    if (trust !== null) {
      policy.trust(status === 'rejected' ? Math.min(0, trust) : trust);
    } else if (isUnresolved) {
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

/**
 * One attempt: a solve with the settings of the policy, and the verdict on s = learningRate · d.
 *
 * - λ > λ_τ, that of the asked τ (`'raised'`), or no λ up to 10⁷ λ_0 gives a step (`'breakdown'`,
 *   `'precision'`): the policy goes on from the last λ.
 * - No step is there: trace(SᵀGS) = 0 and ρ = 0 with g = 0 (`'flat'`) or |g| > 0 (`'noCurvature'`),
 *   or no λ gives one. The status stays, and nothing is judged or moved.
 * - w + s is not finite: if the policy judges or guards, then a = NaN, else an error is thrown.
 * - s = 0, as the gradient is, or the policy neither judges nor guards: the step is taken, without
 *   a gain ratio.
 * - Else `verdict` decides by p, a = L(w) - L(w + s), the gain ratio a/p and the trust. The report
 *   has a and a/p if the policy judges.
 *
 * The status is that of the solve if the step is taken, else `'rejected'`.
 */
function attempt(parts: AttemptParts): Attempt {
  const {trace, rows, model, policy, previous, weightDecay, penalty, scales, resolved, clock} = parts;
  const {variables} = rows.dependence;
  const settings = policy.settings;
  const {learningRate} = settings;
  const {status, lambda, damping, step} = model.solve(settings.damping, settings.momentum,
    {isVerified: !policy.rejects, mayOverflow: policy.rejects || policy.guards});
  if (RAISED.has(status)) {
    policy.raise(damping);
  }
  const used = {...settings, damping, lambda};
  if (step === null) {
    return {...used, isUnresolved: false, trust: null, status, stepNorm: 0, predictedDecrease: null,
      actualDecrease: null, gainRatio: null, taken: null};
  }
  const predicted = clock.time('solve', () => model.predictedDecrease(step, learningRate));
  const predictedDecrease = predicted.decrease;
  const moved = clock.time('update', () => move(variables, step, learningRate));
  const written = clock.time('update', () => decay(variables, moved, learningRate * weightDecay));
  const isWritable = clock.time('update', () => allFinite(written));
  if (!isWritable) {
    explainUnwritable(variables, written, policy);
  }
  const tried = (): number => clock.time('trial', () =>
    decreaseAt(trace, rows, variables, moved) + (penalty?.decrease(moved) ?? 0));
  const isTried = policy.judges || policy.guards;
  const actualDecrease = !isTried ? null : isWritable ? tried() : NaN;
  // A kernel may make a sum that is not finite of finite weights, also in a step of length 0.
  const judged = step.norm === 0 && isWritable ? null : actualDecrease;
  const trust = judged === null || !policy.guards ? null : trustIn(predicted, judged, RESOLUTION * model.lossOfRows);
  const found = verdict({
    rejects: policy.rejects, trust, predictedDecrease, actualDecrease: judged, isWritable,
    resolvedLoss: () => Math.max(RESOLUTION * model.lossOfRows, resolved(predictedDecrease).ofLoss),
    isFlung: () => {
      const bound = scales()?.largest;
      return bound !== undefined && isFlung(bound, variables, step.d, learningRate, 2 * model.lossOfRows);
    },
    isDifferentiable: () => clock.time('trial', () => isDifferentiable(trace, rows, written, model.isFloat32)),
  });
  const isJudged = judged !== null && policy.judges;
  const outcome = {...used, trust, predictedDecrease, actualDecrease: policy.judges ? actualDecrease : null,
    gainRatio: isJudged ? judged / predictedDecrease : null};
  return found === 'rejected' ?
    {...outcome, isUnresolved: false, status: 'rejected', stepNorm: 0, taken: null} :
    {...outcome, isUnresolved: found === 'unresolved', status, stepNorm: learningRate * step.norm,
      taken: {d: remember(previous, step.d, policy.carry), moved: written}};
}

/** @throws unless more damping may help: a policy that judges its steps rejects such a step. */
function explainUnwritable(variables: readonly Variable[], written: readonly Tensor[], policy: StepPolicy): void {
  const bad = variables.find(variable => !allFinite([variable]));
  if (bad !== undefined) {
    throw ggnError(`the variable '${bad.name}' holds values that are not finite. No step was taken.`);
  }
  if (!policy.judges && !policy.guards) {
    const {name} = variables.find((_, v) => !allFinite([written[v]]))!;
    throw ggnError(`the step would take the variable '${name}' to values that are not finite: float32 overflows. The ` +
        'weights are unchanged; scale the data, or use more damping.');
  }
}

/**
 * Keeps only the tensors of an accepted attempt: those of ten rejected attempts would be as many
 * copies of the weights.
 */
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

/** carry · d_prev + d. */
function remember(previous: ReadonlyArray<Tensor | null>, d: readonly Tensor[], carry: number): readonly Tensor[] {
  const addPrevious = carry === 0 ? null : addScaled(carry);
  return d.map((t, v) => {
    const before = previous[v];
    return addPrevious === null || before === null ? t : addPrevious(t, before);
  });
}

/**
 * The moved weights without share · w, for variables of rank 2 and more. The decay is not judged
 * with the step, since it does not lower the loss.
 */
function decay(variables: readonly Variable[], moved: readonly Tensor[], share: number): readonly Tensor[] {
  const shrink = share === 0 ? null : addScaled(-share);
  return shrink === null ? moved : moved.map((t, v) => variables[v].rank < 2 ? t : shrink(t, variables[v]));
}
