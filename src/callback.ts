import {CustomCallback} from '@tensorflow/tfjs-layers';
import type {Logs} from '@tensorflow/tfjs-layers';
import {ggnError} from './errors';
import {GramGaussNewton} from './gram_gauss_newton';

/**
 * A tfjs callback that puts what the optimizer did into the logs of `fit` and `fitDataset`: at the end of every
 * batch and, with the values of the last batch, of every epoch, so that `history.history`, progress bars,
 * TensorBoard and tfjs-vis show them like metrics.
 *
 * Keys: `iteration`, `rows`, `parameters`, `damping`, `lambda`, `gradientNorm`, `stepNorm`, `learningRate`, `stepMilliseconds` (the whole step)
 * and, where the policy judges its steps, `gainRatio`.
 * The loss is in the logs already; the status and the parts of the time are in {@link GramGaussNewton.lastStep}.
 *
 * Put it first in a list of callbacks, so that the others see the values. It is a `tf.Callback`, so the others
 * must be too: wrap plain objects, as `new tf.CustomCallback(tfvis.show.fitCallbacks(...))`.
 *
 * @param optimizer - the optimizer that the model was compiled with.
 * @throws Error for another optimizer.
 * @example
 * ```ts
 * const optimizer = ggn();
 * model.compile({optimizer, loss: 'meanSquaredError'});
 * const history = await model.fit(x, y, {epochs: 20, callbacks: stepMetrics(optimizer)});
 * history.history.damping;
 * ```
 * @public
 */
export function stepMetrics(optimizer: GramGaussNewton): CustomCallback {
  if (!(optimizer instanceof GramGaussNewton)) {
    throw ggnError('stepMetrics() takes the optimizer that ggn() returned; other optimizers report no steps.');
  }
  const add = (_: number, logs?: Logs): void => {
    const step = optimizer.lastStep;
    if (logs === undefined || step === null) {
      return;
    }
    const {capture, linearize, gram, solve, trial, update} = step.milliseconds;
    Object.assign(logs, {
      iteration: step.iteration, rows: step.rows, parameters: step.parameters, damping: step.damping, lambda: step.lambda, gradientNorm: step.gradientNorm, stepNorm: step.stepNorm,
      stepMilliseconds: capture + linearize + gram + solve + trial + update,
      learningRate: step.learningRate, ...(step.gainRatio === null ? {} : {gainRatio: step.gainRatio}),
    });
  };
  return new CustomCallback({onBatchEnd: add, onEpochEnd: add}, 'auto');
}
