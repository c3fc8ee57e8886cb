import {ggnError} from '../errors';
import {GramGaussNewton} from './gram_gauss_newton';
import type {StepReport} from '../step/step_report';
import {trainingCallback} from './training_callback';
import type {CallbackLogs, TrainingCallback} from './training_callback';

/**
 * A callback that puts what the optimizer did into the logs of `fit` and `fitDataset`: at the end of every
 * batch and, with the values of the last batch, of every epoch, so that `history.history`, and in a list of callbacks those behind it (TensorBoard, tfjs-vis,
 * early stopping), get them like metrics. The progress bar of tfjs-node comes before all callbacks and does not show them.
 *
 * Keys: `iteration`, `rows`, `parameters`, `damping`, `lambda`, `gradientNorm`, `stepNorm`, `learningRate`, `stepMilliseconds` (the whole step)
 * and `gainRatio`, which is NaN where the policy did not judge the step.
 * The loss is in the logs already; the status and the parts of the time are in {@link GramGaussNewton.lastStep}.
 *
 * Put it first in a list of callbacks, so that the others see the values. They may be plain objects (`tfvis.show.fitCallbacks(...)`) and `tf.Callback`s
 * (`tf.callbacks.earlyStopping(...)`), also mixed.
 *
 * @param optimizer - the optimizer that the model was compiled with.
 * @throws Error for another optimizer; `fit` throws where the model was compiled with another one.
 * @example
 * ```ts
 * const optimizer = ggn();
 * model.compile({optimizer, loss: 'meanSquaredError'});
 * const history = await model.fit(x, y, {epochs: 20, callbacks: stepMetrics(optimizer)});
 * history.history.damping;
 * ```
 * @public
 */
export function stepMetrics(optimizer: GramGaussNewton): TrainingCallback {
  if (!(optimizer instanceof GramGaussNewton)) {
    throw ggnError('stepMetrics() takes the optimizer that ggn() returned; other optimizers report no steps.');
  }
  const add = (logs: CallbackLogs): void => {
    if (optimizer.lastStep !== null) {
      Object.assign(logs, metricsOf(optimizer.lastStep));
    }
  };
  return trainingCallback('stepMetrics', optimizer, {onBatchEnd: add, onEpochEnd: (_, logs) => add(logs)});
}

/** Every step has every key, as plots and tables put the values of an epoch in its place by counting. */
function metricsOf(step: StepReport): Record<string, number> {
  const {iteration, rows, parameters, damping, lambda, gradientNorm, stepNorm, learningRate} = step;
  const {capture, linearize, gram, solve, trial, update} = step.milliseconds;
  return {
    iteration, rows, parameters, damping, lambda, gradientNorm, stepNorm, learningRate, gainRatio: step.gainRatio ?? NaN,
    stepMilliseconds: capture + linearize + gram + solve + trial + update,
  };
}

/** The keys that {@link stepMetrics} adds to logs. */
export const STEP_METRICS: ReadonlySet<string> = new Set(['iteration', 'rows', 'parameters', 'damping', 'lambda', 'gradientNorm', 'stepNorm', 'learningRate', 'gainRatio',
  'stepMilliseconds']);
