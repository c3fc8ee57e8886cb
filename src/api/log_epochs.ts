import {util} from '@tensorflow/tfjs-core';
import type {GramGaussNewton} from './gram_gauss_newton';
import {STEP_METRICS} from './step_metrics';
import {checkOptimizer, trainingCallback, type CallbackLogs, type TrainingCallback} from './training_callback';

/**
 * A callback that prints one line for every epoch of `fit` and `fitDataset`, for plain Node, in
 * which tfjs prints nothing:
 *
 *     epoch 3/20  loss 0.04  val_loss 0.05  damping 9.0e-1  gain ratio -  4.1 ms/step  2.4 s left
 *
 * The line has the logs of the epoch (losses, metrics), the damping τ and the gain ratio of the
 * last step (`-` if the policy does not judge its steps), the mean milliseconds of a step of the
 * epoch with everything around it, and the time left at the pace so far.
 *
 * @param optimizer - the optimizer that the model was compiled with.
 * @param say - gets the lines; `console.log` by default.
 * @throws Error for another optimizer. `fit` throws for a model that was compiled with another one.
 * @example
 * ```ts
 * await model.fit(x, y, {epochs: 20, batchSize: 128, verbose: 0, callbacks: logEpochs(optimizer)});
 * ```
 * @public
 */
export function logEpochs(optimizer: GramGaussNewton, say: (line: string) => void = console.log): TrainingCallback {
  checkOptimizer('logEpochs', optimizer);
  let epochs: number | null = null;
  let trainBegin = 0;
  let epochBegin = 0;
  let steps = 0;
  let done = 0;
  return trainingCallback('logEpochs', optimizer, {
    onTrainBegin: () => {
      trainBegin = util.now();
      done = 0;
    },
    onEpochBegin: () => {
      epochBegin = util.now();
      steps = 0;
    },
    onBatchEnd: () => void steps++,
    onEpochEnd: async (epoch, logs) => {
      done++;
      const now = util.now();
      const left = epochs === null ? null : (now - trainBegin) / done * (epochs - epoch - 1);
      const number = `epoch ${epoch + 1}${epochs === null ? '' : `/${epochs}`}`;
      const pace = `${((now - epochBegin) / Math.max(1, steps)).toFixed(1)} ms/step`;
      const parts = [number, ...await shownLogs(logs), ...shownStep(optimizer), pace];
      say([...parts, ...(left === null ? [] : [`${duration(left)} left`])].join('  '));
    },
  }, params => {
    epochs = (params as {epochs?: number} | undefined)?.epochs ?? null;
  });
}

/**
 * Losses and metrics. The values that `stepMetrics` adds are left out, since the step shows them.
 */
async function shownLogs(logs: CallbackLogs): Promise<string[]> {
  const own = Object.entries(logs).filter(([name]) => !STEP_METRICS.has(name));
  return Promise.all(own.map(async ([name, value]) => {
    const number = typeof value === 'number' ? value : (await value.data())[0];
    return `${name} ${number.toPrecision(3)}`;
  }));
}

function shownStep({lastStep}: GramGaussNewton): string[] {
  return lastStep === null ? [] :
    [`damping ${lastStep.damping.toExponential(1)}`, `gain ratio ${lastStep.gainRatio?.toFixed(2) ?? '-'}`];
}

function duration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 100) / 10;
  if (seconds < 60) {
    return `${seconds.toFixed(1)} s`;
  }
  const whole = Math.round(milliseconds / 1000);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
