/** The benchmark that decides defaults: `npx tsx test/bench/convergence/main.ts --help`. */
import {ggn} from '../../../src/index';
import {computeBaselines, keptBaselines} from './baselines';
import {batchesOf, epochsOf, stepsPerEpoch} from './data';
import {comparedOf, writeReport} from './report';
import {lineOf, runOf, saveLine} from './runs';
import type {Run} from './runs';
import {HELP, readSettings} from './settings';
import type {Settings} from './settings';
import type {Compared} from './summary';
import {line, summary} from './table';
import {measureTimes, readTimes} from './times';
import {runTask} from './train';

/** Runs ggn and compares each task and batch with its baselines as soon as it is done. */
async function compareGgn({tasks, batches, splits, options}: Settings): Promise<void> {
  const times = readTimes();
  const all: Compared[] = [];
  const began = process.cpuUsage();
  for (const task of tasks) {
    const adam = keptBaselines(task, batches, splits);
    for (const batch of batchesOf(task, batches)) {
      const before = process.cpuUsage();
      const epochs = epochsOf(task, batch, 'ggn');
      const runs: Run[] = [];
      for (const split of splits) {
        const curve = await runTask(task, batch, split, () => ggn(options ?? {}), epochs);
        const kept = lineOf({batch, optimizer: 'ggn', split}, stepsPerEpoch(task, batch), epochs, curve);
        runs.push(runOf(kept));
        if (options === null) {
          saveLine('ggn', task.name, kept);
        }
      }
      const seconds = `(${cpuSeconds(before).toFixed(0)} s)`;
      const compared = comparedOf(task, batch, adam, runs, times);
      if (compared === null) {
        const last = runs.map(run => run.validation.at(-1)).join(' ');
        console.log(`${task.name} ${batch}: no baselines; ggn ends at validation ${last}  ${seconds}`);
      } else {
        all.push(compared);
        console.log(`${line(compared)}  ${seconds}`);
      }
    }
  }
  if (all.length > 0) {
    console.log(`\n${summary(all)}\n\n${(cpuSeconds(began) / 60).toFixed(1)} CPU minutes.`);
  }
}

function cpuSeconds(since: NodeJS.CpuUsage): number {
  const {user, system} = process.cpuUsage(since);
  return (user + system) / 1e6;
}

async function main(): Promise<void> {
  const settings = readSettings(process.argv.slice(2));
  if (settings === null) {
    console.log(HELP);
    return;
  }
  const {only, tasks, batches, splits} = settings;
  const wanted = (part: string): boolean => only === null || only === part;
  if (wanted('baselines')) {
    await computeBaselines(tasks, batches, splits);
  }
  if (wanted('ggn')) {
    await compareGgn(settings);
  }
  if (wanted('times')) {
    await measureTimes(tasks, batches);
  }
  if (wanted('report')) {
    await writeReport(splits, readTimes());
  }
}

await main();
