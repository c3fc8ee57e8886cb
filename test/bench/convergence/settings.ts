/** The command line of the benchmark. */
import {parseArgs} from 'node:util';
import {BATCHES, QUICK, taskNamed, TASKS} from './tasks';
import type {Batch, Task} from './tasks';

export const HELP = `Usage: npx tsx test/bench/convergence/main.ts [options]

Trains with ggn() and Adam on the tasks of README.md. Without --only: baselines, ggn, times and report, in turn.

  --only baselines     Adam at four rates: once; kept in baselines/, only missing runs are computed
  --only ggn           ggn() against the baselines; kept in ggn/, unless there are --options
  --only times         milliseconds per epoch of ggn() and Adam, in times.json: on a machine that does nothing else
  --only report        RESULTS.md and its figures, from the kept runs
  --tasks a,b          of ${TASKS.filter(({judged}) => !judged).map(({name}) => name).join(', ')}
  --batches 32,full    of ${BATCHES.join(', ')}
  --splits 0,1         of 0,1,2,3,4 (default: all five)
  --options JSON       options of ggn(), such as '{"learningRate":0.3}': compares, and keeps nothing
  --quick              ${QUICK.join(', ')}; batches 32 and full, splits 0 and 1
  --judged             the tasks that are judged, not chosen on, in the place of the others; once, at the end
  --shard 1/2          the first half of the tasks, every second one, for one of two processes`;

export interface Settings {
  readonly only: string | null;
  readonly tasks: readonly Task[];
  readonly batches: readonly Batch[];
  readonly splits: readonly number[];
  readonly options: object | null;
}

export const SPLITS: readonly number[] = [0, 1, 2, 3, 4];

/** Null for --help. */
export function readSettings(args: string[]): Settings | null {
  const text = {type: 'string'} as const;
  const flag = {type: 'boolean', default: false} as const;
  const {values} = parseArgs({args, options: {only: text, tasks: text, batches: text, splits: text, options: text,
    shard: text, quick: flag, judged: flag, help: flag}});
  if (values.help) {
    return null;
  }
  const known = TASKS.filter(({judged}) => judged === values.judged);
  const named = values.tasks?.split(',').map(taskNamed);
  const wrong = named?.find(task => !known.includes(task));
  if (wrong !== undefined) {
    throw new Error(wrong.judged ? `'${wrong.name}' judges: defaults are not chosen on it. It runs with --judged.` :
        `'${wrong.name}' is none of the tasks of --judged`);
  }
  const tasks = named ?? (values.quick && !values.judged ? QUICK.map(taskNamed) : known);
  return {
    only: values.only ?? null,
    tasks: values.shard === undefined ? tasks : shardOf(tasks, values.shard),
    batches: values.batches?.split(',').map(batchNamed) ?? (values.quick ? [32, 'full'] : BATCHES),
    splits: values.splits?.split(',').map(Number) ?? (values.quick ? SPLITS.slice(0, 2) : SPLITS),
    options: values.options === undefined ? null : JSON.parse(values.options) as object,
  };
}

function batchNamed(name: string): Batch {
  const batch = BATCHES.find(candidate => String(candidate) === name);
  if (batch === undefined) {
    throw new Error(`unknown batch '${name}'; known are ${BATCHES.join(', ')}`);
  }
  return batch;
}

/** Shard `i/n`, i from 1 to n. Runs of a task share a file, so that a task has one process. */
export function shardOf<T>(list: readonly T[], shard: string): T[] {
  const [i, n] = shard.split('/').map(Number);
  if (!(Number.isInteger(i) && Number.isInteger(n) && i >= 1 && i <= n)) {
    throw new Error(`a shard is i/n with i from 1 to n, such as 1/2; received '${shard}'`);
  }
  return list.filter((_, at) => at % n === i - 1);
}
