/** RESULTS.md and its figures, from the runs and times that are kept. */
import {writeFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {BASELINES, validBaselines} from './baselines';
import {compare, inEpochs} from './comparison';
import type {Measure, Quantity} from './comparison';
import {plot} from './plot';
import type {Panel} from './plot';
import {readRuns} from './runs';
import type {Run} from './runs';
import {results} from './table';
import type {Compared} from './table';
import {BATCHES} from './tasks';
import type {Batch, Task} from './tasks';
import {inSeconds, isTimed} from './times';
import type {Times} from './times';

/** The seeds for which all baselines are there. */
export function wholeSeeds(baselines: readonly Run[], seeds: readonly number[]): number[] {
  return seeds.filter(seed => baselines.filter(run => run.seed === seed).length === Object.keys(BASELINES).length);
}

/** Compares by epochs, and by seconds where there are times. */
export function comparedOf(task: Task, batch: Batch, baselines: readonly Run[], ggn: readonly Run[], times: Times | null): Compared {
  return {
    title: task.title, epochs: compare(task.name, batch, baselines, ggn, inEpochs),
    seconds: isTimed(times, task.name, [batch]) ? compare(task.name, batch, baselines, ggn, inSeconds(times, task.name)) : null,
    runs: [...baselines, ...ggn],
  };
}

export async function writeReport(tasks: readonly Task[], seeds: readonly number[], times: Times | null): Promise<void> {
  const all: Compared[] = [];
  for (const task of tasks) {
    const baselines = await validBaselines(task, BATCHES, seeds);
    for (const batch of BATCHES) {
      const others = baselines.filter(run => run.batch === batch);
      const whole = wholeSeeds(others, seeds);
      const ggn = readRuns('ggn', task.name).filter(run => run.batch === batch && whole.includes(run.seed));
      if (ggn.length === 0) {
        console.log(`${task.name} ${batch}: left out, runs are missing`);
        continue;
      }
      all.push(comparedOf(task, batch, others, ggn, times));
    }
  }
  writeFileSync(fileURLToPath(new URL('RESULTS.md', import.meta.url)), results(all, times?.machine ?? null));

  const panels = (quantity: Quantity, measureOf: (task: string) => Measure): Panel[] => all.map(({title, epochs: {task, batch, losses}, runs}) => ({
    title: `${title}, batch ${batch}`, runs, shown: {adam: losses[quantity].adam.optimizer, sgd: losses[quantity].sgd.optimizer}, measure: measureOf(task),
  }));
  await plot('training-epochs.png', 'Training loss over epochs', 'epochs', 'training', panels('training', () => inEpochs), BATCHES.length);
  await plot('validation-epochs.png', 'Validation loss over epochs', 'epochs', 'validation', panels('validation', () => inEpochs), BATCHES.length);
  if (times !== null && all.every(({seconds}) => seconds !== null)) {
    await plot('training-seconds.png', 'Training loss over time', 'seconds', 'training', panels('training', task => inSeconds(times, task)), BATCHES.length);
  }
}
