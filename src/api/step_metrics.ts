import type {StepReport} from '../step/step_report';
import type {GramGaussNewton} from './gram_gauss_newton';
import {checkOptimizer, trainingCallback, type CallbackLogs, type TrainingCallback} from './training_callback';

/**
 * A callback that adds numbers of the optimizer's steps to the logs of `fit` and `fitDataset`:
 * those of its step to the logs of every batch, and those of the last step to the logs of every
 * epoch. So `history.history` has them like metrics.
 *
 * Keys: `iteration`, `rows`, `parameters`, `damping`, `lambda`, `gradientNorm`, `stepNorm` and
 * `learningRate`, as in {@link StepReport}; `gainRatio`, which is NaN if the policy did not judge
 * the step; and `stepMilliseconds`, the time of the whole step. The logs have the loss already. The
 * status and the parts of the time are in {@link GramGaussNewton.lastStep}.
 *
 * In a list of callbacks, those behind this one (TensorBoard, tfjs-vis, early stopping) see the
 * values, so put this one first. The others may be plain objects (`tfvis.show.fitCallbacks(...)`)
 * and `tf.Callback`s (`tf.callbacks.earlyStopping(...)`), also mixed. The progress bar of tfjs-node
 * comes before all callbacks and does not show the values.
 *
 * @param optimizer - the optimizer that the model was compiled with.
 * @throws Error for another optimizer. `fit` throws for a model that was compiled with another one.
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
  checkOptimizer('stepMetrics', optimizer);
  const add = (logs: CallbackLogs): void => {
    const step = optimizer.lastStep;
    if (step !== null) {
      Object.assign(logs, Object.fromEntries(Object.entries(METRICS).map(([key, read]) => [key, read(step)])));
    }
  };
  return trainingCallback('stepMetrics', optimizer, {onBatchEnd: add, onEpochEnd: (_, logs) => add(logs)});
}

/**
 * The numbers of a step by the key of the logs. Every step has every key, since plots and tables
 * assign the values to epochs by counting.
 */
const METRICS: Readonly<Record<string, (step: StepReport) => number>> = {
  iteration: step => step.iteration,
  rows: step => step.rows,
  parameters: step => step.parameters,
  damping: step => step.damping,
  lambda: step => step.lambda,
  gradientNorm: step => step.gradientNorm,
  stepNorm: step => step.stepNorm,
  learningRate: step => step.learningRate,
  gainRatio: step => step.gainRatio ?? NaN,
  stepMilliseconds: ({milliseconds}) => Object.values(milliseconds).reduce((sum, part) => sum + part, 0),
};

/** The keys that {@link stepMetrics} adds to logs. */
export const STEP_METRICS: ReadonlySet<string> = new Set(Object.keys(METRICS));
