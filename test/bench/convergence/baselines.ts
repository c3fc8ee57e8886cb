/** Adam, at the rates of which validation picks one. */
import * as tf from '@tensorflow/tfjs';
import {batchesOf, epochsOf, stepsPerEpoch} from './data';
import {runDenseAdam} from './dense_adam';
import {lineOf, readLines, runOf, sameKey, saveLine} from './runs';
import type {Run, RunKey} from './runs';
import type {Batch, Task} from './tasks';
import {runTask} from './train';
import type {Curve} from './train';

/** Learning rates. */
const RATES: readonly number[] = [3e-4, 1e-3, 3e-3, 1e-2];

const nameOf = (rate: number): string => `adam ${rate}`;

/** The rate of those who tune nothing. */
export const USUAL = nameOf(1e-3);

/** The runs of a task that its definition still describes: the same epochs. */
export function keptBaselines(task: Task, batches: readonly Batch[], splits: readonly number[]): Run[] {
  return readLines('baselines', task.name)
      .filter(({batch, split}) => batches.includes(batch) && splits.includes(split))
      .filter(({batch, epochs, perEpoch}) =>
        epochs === epochsOf(task, batch, 'adam') && perEpoch === stepsPerEpoch(task, batch))
      .map(runOf);
}

/** Of these runs, the splits that have a run of every rate. */
export const wholeSplits = (runs: readonly Run[], splits: readonly number[]): number[] =>
  splits.filter(split => RATES.every(rate => runs.some(run => run.split === split && run.optimizer === nameOf(rate))));

/** Computes the runs that are missing, and saves each as soon as it is done. */
export async function computeBaselines(tasks: readonly Task[], batches: readonly Batch[],
    splits: readonly number[]): Promise<void> {
  for (const task of tasks) {
    const kept = keptBaselines(task, batches, splits);
    const start = process.cpuUsage();
    let count = 0;
    for (const batch of batchesOf(task, batches)) {
      const epochs = epochsOf(task, batch, 'adam');
      for (const split of splits) {
        for (const rate of RATES) {
          const key: RunKey = {batch, optimizer: nameOf(rate), split};
          if (!kept.some(run => sameKey(run, key))) {
            const curve = await runAdam(task, batch, split, rate, epochs);
            saveLine('baselines', task.name, lineOf(key, stepsPerEpoch(task, batch), epochs, curve));
            count++;
          }
        }
      }
    }
    const {user, system} = process.cpuUsage(start);
    console.log(`${task.name}: ${count} runs of Adam, ${((user + system) / 1e6).toFixed(0)} CPU seconds`);
  }
}

const runAdam = (task: Task, batch: Batch, split: number, rate: number, epochs: number): Promise<Curve> =>
  task.network.kind === 'dense' ? runDenseAdam(task, batch, split, rate, epochs) :
      runTask(task, batch, split, () => tf.train.adam(rate), epochs);
