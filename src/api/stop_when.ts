import {ggnError} from '../errors';
import {EVIDENCE_PATIENCE} from '../policy/evidence';
import type {StepReport} from '../step/step_report';
import type {Convergence} from './convergence';
import type {GramGaussNewton} from './gram_gauss_newton';
import {checkOptimizer, trainingCallback, type TrainedModel, type TrainingCallback} from './training_callback';

/**
 * Criteria of {@link stopWhen}. Each criterion that is given is tested after every epoch.
 * @public
 */
export interface StopCriteria {
  /** Training stops if the mean gradient norm of the steps of an epoch is at most this. */
  gradientNorm?: number;
  /**
   * Training stops if the decrease of the loss by a step, as a share of the loss, is at most this
   * in the mean over the steps of an epoch. It is the actual decrease if the policy judges its
   * steps, else the predicted one, and 0 for a rejected step.
   */
  decrease?: number;
  /**
   * Training stops if {@link GramGaussNewton.remainingDecrease} of the last step of an epoch is at
   * most this. 1e-8 gives about as many digits as float32 has. The number is known on full batches
   * with fewer parameters than rows.
   */
  remaining?: number;
  /**
   * Training stops if the relative damping τ of the last step of an epoch is at least this: only
   * very short steps decrease the loss.
   */
  damping?: number;
  /**
   * Training with the regularization `'bayesian'` stops if the evidence has had no new maximum for
   * this many steps, 10 or more. After ten of them the weights are those of the maximum again.
   */
  evidence?: number;
  /**
   * `true` stops training if {@link GramGaussNewton.convergence} is `'converged'` or `'stuck'`
   * after an epoch. It takes full batches, since only their steps are judged.
   */
  converged?: boolean;
}

/** Names of the criteria that are numbers. */
const NUMBERS = ['gradientNorm', 'decrease', 'remaining', 'damping', 'evidence'];

/**
 * A callback that ends `fit` or `fitDataset` at the end of an epoch, as `trainlm` of MATLAB and
 * Ceres end, and tells the criterion that was met.
 * @public
 */
export interface StopWhen extends TrainingCallback {
  /** The criterion that has ended the training, in words; null before. */
  readonly reason: string | null;
}

/**
 * A callback that ends training when a criterion is met.
 *
 * On mini-batches the gradient norm does not go to 0, and `decrease` is a prediction. There, early
 * stopping on a validation loss is the better judge.
 *
 * @param optimizer - the optimizer that the model was compiled with.
 * @param criteria - at least one of `gradientNorm`, `decrease`, `remaining`, `damping`, numbers
 * above 0, `evidence`, a number of 10 or more, and `converged: true`.
 * @param say - gets the line with the reason for the end of training; `console.log` by default.
 * @returns a callback; its `reason` tells the criterion that was met.
 * @throws Error for another optimizer, for no criterion, and for an unknown one or one out of its
 * range. `fit` throws for a model that was compiled with another optimizer, and for `evidence`
 * without the regularization `'bayesian'`.
 * @example
 * ```ts
 * const callbacks = stopWhen(optimizer, {gradientNorm: 1e-6, decrease: 1e-6});
 * await model.fit(x, y, {batchSize: x.shape[0], epochs: 500, callbacks});
 * callbacks.reason;
 * ```
 * @public
 */
export function stopWhen(optimizer: GramGaussNewton, criteria: StopCriteria,
    say: (line: string) => void = console.log): StopWhen {
  checkOptimizer('stopWhen', optimizer, ', {gradientNorm: 1e-6}');
  checkCriteria(criteria);
  let reason: string | null = null;
  let trained: TrainedModel | null = null;
  let steps: StepReport[] = [];
  const callback = trainingCallback('stopWhen', optimizer, {
    setModel: model => {
      trained = model;
    },
    onTrainBegin: () => {
      if (trained === null) {
        throw ggnError('stopWhen() was told of no model that it could stop. With a copy of TensorFlow.js other than ' +
            'that which this package imports, call register(tf) first; in a loop of your own, its setModel(model).');
      }
      if (criteria.evidence !== undefined && optimizer.regularization !== 'bayesian') {
        throw ggnError("stopWhen() was given {evidence}, which the regularization 'bayesian' has; this optimizer has " +
            `'${optimizer.regularization}'. Make it by ggn({regularization: 'bayesian'}), or use other criteria.`);
      }
      reason = null;
      steps = [];
    },
    onBatchEnd: () => {
      if (optimizer.lastStep !== null) {
        steps.push(optimizer.lastStep);
      }
    },
    onEpochEnd: epoch => {
      const left = criteria.remaining === undefined ? NaN : optimizer.remainingDecrease();
      const end = criteria.converged === true && steps.length > 0 ? optimizer.convergence() : null;
      const met = criterionMet(criteria, steps, left, end);
      steps = [];
      if (met !== null && trained !== null) {
        reason = met;
        trained.stopTraining = true;
        say(`tfjs-ggn: training ends after epoch ${epoch + 1}: ${met}.`);
      }
    },
  });
  return Object.defineProperty(callback, 'reason', {get: () => reason, enumerable: true}) as StopWhen;
}

/** @throws unless at least one criterion is given, and each is known and in its range. */
function checkCriteria(criteria: unknown): void {
  const given = Object.entries((criteria ?? {}) as Record<string, unknown>).filter(([, value]) => value !== undefined);
  const isCriterion = ([name, value]: [string, unknown]): boolean =>
    name === 'converged' ? value === true : NUMBERS.includes(name) && typeof value === 'number' &&
        (name === 'evidence' ? value >= EVIDENCE_PATIENCE && value < Infinity : value > 0);
  if (given.length === 0 || !given.every(isCriterion)) {
    const received = given.map(([name, value]) => `${name}: ${String(value)}`).join(', ');
    throw ggnError(`stopWhen() takes at least one of ${NUMBERS.join(', ')}, each a number above 0 (evidence ` +
        `${EVIDENCE_PATIENCE} or more, since training goes back to the maximum then), and converged: true; received ` +
        `{${received}}.`);
  }
}

/**
 * The criterion that the steps of an epoch meet, in words; null if they meet none.
 *
 * @param left the remaining decrease, as a share of the loss; NaN if it is not known or not asked
 * for.
 * @param end the convergence; null if it is not asked for.
 */
export function criterionMet({gradientNorm, decrease, remaining, damping, evidence}: StopCriteria,
    steps: readonly StepReport[], left = NaN, end: Convergence | null = null): string | null {
  const last = steps.at(-1);
  if (last === undefined) {
    return null;
  }
  const norm = mean(steps.map(step => step.gradientNorm));
  if (gradientNorm !== undefined && norm <= gradientNorm) {
    return `the gradient norm, ${norm.toExponential(2)}, is at most ${gradientNorm}`;
  }
  const decreases = steps.filter(step => step.predictedDecrease !== null).map(relativeDecrease);
  if (decrease !== undefined && decreases.length > 0 && mean(decreases) <= decrease) {
    return `the relative decrease of the loss, ${mean(decreases).toExponential(2)}, is at most ${decrease}`;
  }
  if (remaining !== undefined && left <= remaining) {
    return `the share of the loss that is left to gain, ${left.toExponential(2)}, is at most ${remaining}`;
  }
  if (damping !== undefined && last.damping >= damping) {
    return `the damping, ${last.damping.toExponential(2)}, is at least ${damping}`;
  }
  const since = last.evidence?.stepsSinceMaximum ?? 0;
  if (evidence !== undefined && since >= evidence) {
    return `the evidence has had no new maximum for ${since} steps, and the weights are those of the maximum`;
  }
  if (end !== null && end.status !== 'improving') {
    return `${end.status === 'converged' ? 'it has converged' : 'it is stuck'}: ${end.reason}`;
  }
  return null;
}

/**
 * The decrease of the loss by a step that was solved, as a share of the loss; 0 for a rejected
 * step.
 */
const relativeDecrease = ({stepNorm, loss, actualDecrease, predictedDecrease}: StepReport): number =>
  stepNorm === 0 || loss === 0 ? 0 : (actualDecrease ?? predictedDecrease!) / Math.abs(loss);

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
