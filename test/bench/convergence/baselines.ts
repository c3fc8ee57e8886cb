/** Adam and SGD with momentum, each at the rates from which the best is chosen in hindsight. */
import * as tf from '@tensorflow/tfjs';
import {useBackend} from '../../support/backends';
import {readRuns, runOf, sameKey, saveRun} from './runs';
import type {Run, RunKey} from './runs';
import {dataOf, networkOf} from './tasks';
import type {Batch, Task} from './tasks';
import {evaluationSteps, meanSquaredError, runTask, stepsPerEpoch} from './train';

/** By name; the number is the learning rate. */
export const BASELINES: Readonly<Record<string, () => tf.Optimizer>> = {
  ...Object.fromEntries([3e-4, 1e-3, 3e-3, 1e-2].map(rate => [`adam ${rate}`, () => tf.train.adam(rate)])),
  ...Object.fromEntries([0.01, 0.1].map(rate => [`sgd ${rate}`, () => tf.train.momentum(rate, 0.9)])),
};

/** The runs of a task that its definition still describes: same data and initial weights, as the losses at the start tell, same epochs. */
export async function validBaselines(task: Task, batches: readonly Batch[], seeds: readonly number[]): Promise<Run[]> {
  await useBackend(task.backend);
  const initial = new Map(seeds.map(seed => [seed, initialLosses(task, seed)]));
  return readRuns('baselines', task.name).filter(run => batches.includes(run.batch) && seeds.includes(run.seed) && isValid(run, task, initial.get(run.seed)!));
}

function initialLosses(task: Task, seed: number): number[] {
  return tf.tidy(() => {
    const {training, validation} = dataOf(task, seed);
    const model = networkOf(task, seed);
    const losses = [training, validation].map(part => meanSquaredError(model, part));
    model.dispose();
    return losses;
  });
}

function isValid(run: Run, task: Task, initial: readonly number[]): boolean {
  const near = (a: number, b: number): boolean => Math.abs(a / b - 1) < 1e-3;
  const points = evaluationSteps(stepsPerEpoch(task, run.batch), task.epochs[run.batch].baseline).length + 1;
  const isWhole = run.epoch.length === points && run.epoch.at(-1) === task.epochs[run.batch].baseline;
  return near(run.training[0], initial[0]) && near(run.validation[0], initial[1]) && (isWhole || run.diverged !== null);
}

/** Runs what is missing, saving each as soon as it is done. */
export async function computeBaselines(tasks: readonly Task[], batches: readonly Batch[], seeds: readonly number[]): Promise<void> {
  for (const task of tasks) {
    const valid = await validBaselines(task, batches, seeds);
    for (const batch of batches) {
      for (const [optimizer, make] of Object.entries(BASELINES)) {
        for (const seed of seeds) {
          const key: RunKey = {batch, optimizer, seed};
          if (!valid.some(run => sameKey(run, key))) {
            const start = performance.now();
            const run = runOf(key, await runTask(task, batch, seed, make, {epochs: task.epochs[batch].baseline}));
            saveRun('baselines', task.name, run);
            console.log(`${task.name} ${batch} ${optimizer} seed ${seed}: training ${run.training.at(-1)}, validation ${run.validation.at(-1)}, ` +
              `${((performance.now() - start) / 1000).toFixed(1)} s${run.diverged === null ? '' : `, diverged: ${run.diverged}`}`);
          }
        }
      }
    }
  }
}
