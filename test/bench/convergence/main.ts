/** The benchmark that decides defaults: `npx tsx test/bench/convergence/main.ts --help`. */
import {parseArgs} from 'node:util';
import {ggn} from '../../../src/index';
import {computeBaselines, validBaselines} from './baselines';
import {comparedOf, wholeSeeds, writeReport} from './report';
import {runOf, saveRun} from './runs';
import type {Run} from './runs';
import {line, summary} from './table';
import type {Compared} from './table';
import {BATCHES, taskNamed, TASKS} from './tasks';
import type {Batch, Task} from './tasks';
import {measureTimes, readTimes} from './times';
import {runTask} from './train';
import type {Budget} from './train';

const HELP = `Usage: npx tsx test/bench/convergence/main.ts [options]

Trains with ggn(), Adam and SGD on the tasks of README.md. Without --only: all of the parts below, in turn.

  --only baselines     Adam and SGD: once, half an hour; kept in baselines/ and computed anew only where a task changed
  --only ggn           ggn() against the baselines; kept in ggn/, unless there are --options
  --tasks a,b          of ${TASKS.map(({name}) => name).join(', ')}
  --batches 32,full    of ${BATCHES.join(', ')}
  --seeds 0,1,2        (default)
  --options JSON       options of ggn(), such as '{"learningRate":0.3}': compares, and keeps nothing
  --quick              ends ggn's runs where they have reached both losses of Adam: no final losses, keeps nothing
  --epochs N           ggn's epochs, instead of those of the task; keeps nothing
  --only times         milliseconds per epoch of ggn(), Adam and SGD, in times.json: on a machine that does nothing else
  --only report        RESULTS.md and its figures, from what is kept`;

interface Settings {
  only: string | null;
  tasks: Task[];
  batches: Batch[];
  seeds: number[];
  options: object | null;
  quick: boolean;
  epochs: number | null;
}

function readSettings(): Settings | null {
  const text = {type: 'string'} as const;
  const {values} = parseArgs({options: {only: text, tasks: text, batches: text, seeds: text, options: text, epochs: text,
    quick: {type: 'boolean', default: false}, help: {type: 'boolean', default: false}}});
  if (values.help) {
    return null;
  }
  const batches = values.batches?.split(',').map(name => {
    const batch = BATCHES.find(candidate => String(candidate) === name);
    if (batch === undefined) {
      throw new Error(`unknown batch '${name}'; known are ${BATCHES.join(', ')}`);
    }
    return batch;
  });
  return {
    only: values.only ?? null,
    tasks: values.tasks?.split(',').map(taskNamed) ?? [...TASKS],
    batches: batches ?? [...BATCHES],
    seeds: (values.seeds ?? '0,1,2').split(',').map(Number),
    options: values.options === undefined ? null : JSON.parse(values.options) as object,
    quick: values.quick,
    epochs: values.epochs === undefined ? null : Number(values.epochs),
  };
}

/** Runs ggn and compares each task and batch with its baselines as soon as it is done. */
async function compareGgn({tasks, batches, seeds, options, quick, epochs}: Settings): Promise<void> {
  const times = readTimes();
  const all: Compared[] = [];
  for (const task of tasks) {
    const baselines = await validBaselines(task, batches, seeds);
    for (const batch of batches) {
      const others = baselines.filter(run => run.batch === batch);
      const start = performance.now();
      const runs: Run[] = [];
      for (const seed of seeds) {
        const budget: Budget = {epochs: epochs ?? task.epochs[batch].ggn, stop: quick ? stopAtTargets(others, seed) : undefined};
        const run = runOf({batch, optimizer: 'ggn', seed}, await runTask(task, batch, seed, () => ggn(options ?? {}), budget));
        runs.push(run);
        if (options === null && epochs === null && !quick) {
          saveRun('ggn', task.name, run);
        }
      }
      const seconds = `(${((performance.now() - start) / 1000).toFixed(0)} s)`;
      const whole = wholeSeeds(others, seeds);
      if (whole.length < seeds.length) {
        console.log(`${task.name} ${batch}: baselines of ${whole.length} of ${seeds.length} seeds; ggn ends at training ` +
          `${runs.map(run => run.training.at(-1)).join(' ')}, validation ${runs.map(run => run.validation.at(-1)).join(' ')}  ${seconds}`);
      }
      if (whole.length > 0) {
        const compared = comparedOf(task, batch, others, runs.filter(({seed}) => whole.includes(seed)), times);
        all.push(compared);
        console.log(`${line(compared)}  ${seconds}`);
      }
    }
  }
  if (all.length > 0) {
    console.log(`\n${summary(all)}`);
  }
}

/** Both of the lowest losses of any Adam reached. */
function stopAtTargets(baselines: readonly Run[], seed: number): Budget['stop'] {
  const adam = baselines.filter(run => run.seed === seed && run.optimizer.startsWith('adam'));
  const [training, validation] = [Math.min(...adam.flatMap(run => run.training)), 1.02 * Math.min(...adam.flatMap(run => run.validation))];
  const met = {training: false, validation: false};
  return point => {
    met.training ||= point.training <= training;
    met.validation ||= point.validation <= validation;
    return met.training && met.validation;
  };
}

async function main(): Promise<void> {
  const settings = readSettings();
  if (settings === null) {
    console.log(HELP);
    return;
  }
  const {only, tasks, batches, seeds} = settings;
  const wanted = (part: string): boolean => only === null || only === part;
  if (wanted('baselines')) {
    await computeBaselines(tasks, batches, seeds);
  }
  if (wanted('ggn')) {
    await compareGgn(settings);
  }
  if (wanted('times')) {
    await measureTimes(tasks, batches);
  }
  if (wanted('report')) {
    await writeReport(tasks, seeds, readTimes());
  }
}

await main();
