import {util} from '@tensorflow/tfjs-core';
import {CustomCallback} from '@tensorflow/tfjs-layers';
import type {Logs} from '@tensorflow/tfjs-layers';
import {ggnError} from './errors';
import {GramGaussNewton} from './gram_gauss_newton';

/**
 * A tfjs callback that prints one line for every epoch of `fit` and `fitDataset`, where tfjs prints nothing (plain Node):
 *
 *     epoch 3/20  loss 0.0434  val_loss 0.0489  damping 9.0e-1  gain ratio -  4.1 ms/step  2.4 s left
 *
 * with the logs of the epoch (losses, metrics), the damping τ and, where the policy judges its steps, the gain ratio of the last step, the mean
 * milliseconds of a step of the epoch with everything around it, and the time left at the pace so far.
 *
 * @param optimizer - the optimizer that the model was compiled with.
 * @param say - gets the lines; `console.log` by default.
 * @throws Error for another optimizer.
 * @example
 * ```ts
 * await model.fit(x, y, {epochs: 20, batchSize: 128, verbose: 0, callbacks: logEpochs(optimizer)});
 * ```
 * @public
 */
export function logEpochs(optimizer: GramGaussNewton, say: (line: string) => void = console.log): CustomCallback {
  if (!(optimizer instanceof GramGaussNewton)) {
    throw ggnError('logEpochs() takes the optimizer that ggn() returned; other optimizers report no steps.');
  }
  return new EpochLines(optimizer, say);
}

class EpochLines extends CustomCallback {
  constructor(optimizer: GramGaussNewton, say: (line: string) => void) {
    let trainBegin = 0;
    let epochBegin = 0;
    let steps = 0;
    let done = 0;
    super({
      onTrainBegin: async () => {
        trainBegin = util.now();
        done = 0;
      },
      onEpochBegin: async () => {
        epochBegin = util.now();
        steps = 0;
      },
      onBatchEnd: async () => void steps++,
      onEpochEnd: async (epoch, logs) => {
        done++;
        const epochs = (this.params as {epochs?: number} | undefined)?.epochs ?? null;
        const now = util.now();
        const left = epochs === null ? null : (now - trainBegin) / done * (epochs - epoch - 1);
        say([`epoch ${epoch + 1}${epochs === null ? '' : `/${epochs}`}`, ...shownLogs(logs), ...shownStep(optimizer),
          `${((now - epochBegin) / Math.max(1, steps)).toFixed(1)} ms/step`, ...(left === null ? [] : [`${duration(left)} left`])].join('  '));
      },
    }, 'auto');
  }
}

/** Losses and metrics; what `stepMetrics` adds is said by the step itself. */
function shownLogs(logs: Logs | undefined): string[] {
  const own = new Set(['iteration', 'rows', 'parameters', 'damping', 'lambda', 'gradientNorm', 'stepNorm', 'stepMilliseconds', 'gainRatio', 'learningRate']);
  return Object.entries(logs ?? {}).filter(([name]) => !own.has(name)).map(([name, value]) => `${name} ${Number(value).toPrecision(3)}`);
}

function shownStep({lastStep}: GramGaussNewton): string[] {
  return lastStep === null ? [] : [`damping ${lastStep.damping.toExponential(1)}`, `gain ratio ${lastStep.gainRatio === null ? '-' : lastStep.gainRatio.toFixed(2)}`];
}

function duration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 100) / 10;
  if (seconds < 60) {
    return `${seconds.toFixed(1)} s`;
  }
  const whole = Math.round(milliseconds / 1000);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
