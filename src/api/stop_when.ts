import type {Convergence} from './convergence';
import {ggnError} from '../errors';
import {GramGaussNewton} from './gram_gauss_newton';
import type {StepReport} from '../step/step_report';
import {trainingCallback} from './training_callback';
import type {TrainedModel, TrainingCallback} from './training_callback';

/**
 * Criteria of {@link stopWhen}; each is looked at if it is given.
 * @public
 */
export interface StopCriteria {
  /** Stops when the gradient norm, in the mean over the steps of an epoch, is at most this. */
  gradientNorm?: number;
  /**
   * Stops when the decrease of the loss by a step, relative to the loss, is at most this, in the mean over the steps of an epoch (0 for one that was rejected): the
   * actual decrease where the policy judges its steps, else the predicted one.
   */
  decrease?: number;
  /**
   * Stops when what is left to gain where the last step of an epoch began, {@link GramGaussNewton.remainingDecrease}, is at most this: 1e-8 gives about as many digits as
   * float32 has. For full batches with fewer parameters than rows.
   */
  remaining?: number;
  /** Stops when the relative damping τ of the last step of an epoch is at least this: only very short steps decrease the loss. */
  damping?: number;
  /**
   * `true` stops when {@link GramGaussNewton.convergence} says after an epoch that training has converged or is stuck. For full batches, where steps are judged.
   */
  converged?: boolean;
}

/**
 * A callback that ends `fit` or `fitDataset` at the end of an epoch, as MATLAB's `trainlm` and Ceres end, and says which criterion was met.
 * @public
 */
export interface StopWhen extends TrainingCallback {
  /** What ended the training, in words; null while nothing has. */
  readonly reason: string | null;
}

/**
 * Ends training when a criterion is met. On mini-batches the gradient norm does not go to 0, and 'decrease' is a prediction: there early stopping on
 * a validation loss is the better judge.
 *
 * @param optimizer - the optimizer that the model was compiled with.
 * @param criteria - at least one of `gradientNorm`, `decrease`, `remaining`, `damping`, numbers above 0, and `converged: true`.
 * @param say - gets the line that says why training ended; `console.log` by default.
 * @returns a callback; its `reason` says which criterion was met.
 * @throws Error for another optimizer, and for criteria that are none; `fit` throws where the model was compiled with another optimizer.
 * @example
 * ```ts
 * await model.fit(x, y, {batchSize: x.shape[0], epochs: 500, callbacks: stopWhen(optimizer, {gradientNorm: 1e-6, decrease: 1e-6})});
 * ```
 * @public
 */
export function stopWhen(optimizer: GramGaussNewton, criteria: StopCriteria, say: (line: string) => void = console.log): StopWhen {
  if (!(optimizer instanceof GramGaussNewton)) {
    throw ggnError('stopWhen() takes the optimizer that ggn() returned, and criteria, as in stopWhen(optimizer, {gradientNorm: 1e-6}).');
  }
  const names = ['gradientNorm', 'decrease', 'remaining', 'damping'];
  const given = Object.entries(criteria ?? {}).filter(([, value]) => value !== undefined) as Array<[string, unknown]>;
  const isCriterion = ([name, value]: [string, unknown]): boolean =>
    name === 'converged' ? value === true : names.includes(name) && typeof value === 'number' && value > 0;
  if (given.length === 0 || !given.every(isCriterion)) {
    throw ggnError(`stopWhen() takes at least one of ${names.join(', ')}, each a number above 0, and converged: true; received ` +
        `{${given.map(([name, value]) => `${name}: ${String(value)}`).join(', ')}}.`);
  }
  let reason: string | null = null;
  let trained: TrainedModel | null = null;
  let steps: StepReport[] = [];
  const callback = trainingCallback('stopWhen', optimizer, {
    setModel: model => {
      trained = model;
    },
    onTrainBegin: () => {
      if (trained === null) {
        throw ggnError('stopWhen() was told of no model that it could stop. With a copy of TensorFlow.js other than that which this package imports, call register(tf) first; ' +
            'in a loop of your own, its setModel(model).');
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
      const met = criterionMet(criteria, steps, left, criteria.converged === true && steps.length > 0 ? optimizer.convergence() : null);
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

/** Which criterion the steps of an epoch meet, in words; null if none. */
export function criterionMet({gradientNorm, decrease, remaining, damping}: StopCriteria, steps: readonly StepReport[], left = NaN,
    end: Convergence | null = null): string | null {
  const last = steps.at(-1);
  if (last === undefined) {
    return null;
  }
  const norm = mean(steps.map(step => step.gradientNorm));
  if (gradientNorm !== undefined && norm <= gradientNorm) {
    return `the gradient norm, ${norm.toExponential(2)}, is at most ${gradientNorm}`;
  }
  // A step that was rejected decreases nothing.
  const decreases = steps.filter(step => step.predictedDecrease !== null)
    .map(step => step.stepNorm === 0 || step.loss === 0 ? 0 : (step.actualDecrease ?? step.predictedDecrease!) / Math.abs(step.loss));
  if (decrease !== undefined && decreases.length > 0 && mean(decreases) <= decrease) {
    return `the relative decrease of the loss, ${mean(decreases).toExponential(2)}, is at most ${decrease}`;
  }
  if (remaining !== undefined && left <= remaining) {
    return `what is left to gain, ${left.toExponential(2)} of the loss, is at most ${remaining}`;
  }
  if (damping !== undefined && last.damping >= damping) {
    return `the damping, ${last.damping.toExponential(2)}, is at least ${damping}`;
  }
  if (end !== null && end.status !== 'improving') {
    return `${end.status === 'converged' ? 'it has converged' : 'it is stuck'}: ${end.reason}`;
  }
  return null;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
