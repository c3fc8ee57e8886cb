/**
 * The milliseconds of an epoch, measured apart from the runs: real `fit`s of ggn and Adam at once,
 * a step of each in turn, medians.
 */
import * as tf from '@tensorflow/tfjs';
import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import {cpus} from 'node:os';
import {fileURLToPath} from 'node:url';
import {ggn} from '../../../src/index';
import {useBackend} from '../../support/backends';
import type {Measure} from './comparison';
import {batchesOf, batchSize, dataOf, rowsOfTask, stepsPerEpoch} from './data';
import type {Data} from './data';
import {networkOf} from './networks';
import type {Batch, Task} from './tasks';
import {partTensors, retriesOf} from './train';

export const FAMILIES = ['ggn', 'adam'] as const;
export type Family = typeof FAMILIES[number];

/** Milliseconds. */
export interface EpochTime {
  /** An epoch without what follows. */
  readonly epoch: number;
  /**
   * What the first step on every shape of batch takes longer than the others: ggn's self-check, its
   * plan.
   */
  readonly first: number;
  /** Every solve beyond the first of a step. */
  readonly retry: number;
}

export interface TaskTimes {
  /** Training rows: times of another number are of another task. */
  readonly rows: number;
  readonly batches: Partial<Record<Batch, Record<Family, EpochTime>>>;
}

export interface Times {
  machine: string;
  tasks: Record<string, TaskTimes>;
}

const MAKE: Readonly<Record<Family, () => tf.Optimizer>> = {ggn: () => ggn(), adam: () => tf.train.adam(1e-3)};

/** Trainings from the start, and in each of them epochs and steps at least. */
const [REPETITIONS, EPOCHS, STEPS] = [3, 3, 12];

const PATH = fileURLToPath(new URL('times.json', import.meta.url));

export function readTimes(): Times | null {
  return existsSync(PATH) ? JSON.parse(readFileSync(PATH, 'utf8')) as Times : null;
}

/** Measures and saves; tasks and batches not asked for keep their times. */
export async function measureTimes(tasks: readonly Task[], batches: readonly Batch[]): Promise<void> {
  const times = readTimes() ?? {machine: '', tasks: {}};
  const date = new Date().toISOString().slice(0, 10);
  times.machine = `Node ${process.version}, ${cpus().length} cores of ${cpus()[0].model.trim()}, ${date}`;
  for (const task of tasks) {
    await useBackend(task.backend);
    const data = dataOf(task, 0);
    const rows = rowsOfTask(task).training;
    for (const batch of batchesOf(task, batches)) {
      await stepsInTurn(task, batch, data, 2);   // code and kernels are compiled
      const perEpoch = stepsPerEpoch(task, batch);
      const trainings: Step[][][] = [];
      for (let i = 0; i < REPETITIONS; i++) {
        trainings.push(await stepsInTurn(task, batch, data, Math.max(EPOCHS, Math.ceil(STEPS / perEpoch))));
      }
      const found = Object.fromEntries(FAMILIES.map((family, f) =>
        [family, epochTime(trainings.map(steps => steps[f]), perEpoch)])) as Record<Family, EpochTime>;
      const kept = times.tasks[task.name];
      times.tasks[task.name] = {rows, batches: {...kept?.rows === rows ? kept.batches : {}, [batch]: found}};
      const epochs = FAMILIES.map(family => `${family} ${found[family].epoch} ms per epoch`).join(', ');
      console.log(`${task.name} ${batch}: ${epochs}, ggn's first steps ${found.ggn.first} ms more, ` +
        `a retry ${found.ggn.retry} ms`);
      writeFileSync(PATH, JSON.stringify(times, null, 2) + '\n');
    }
  }
}

/**
 * Seconds to a point of a run: what was measured here, for its epochs, its first steps and its
 * retries.
 */
export function inSeconds(times: Times, task: string): Measure {
  return (run, point) => {
    const {epoch, first, retry} = times.tasks[task].batches[run.batch]![run.optimizer.split(' ')[0] as Family];
    return (first + epoch * run.epoch[point] + retry * (run.retries?.[point] ?? 0)) / 1000;
  };
}

/** Whether there are times of a task and batch, with as many training rows as it has. */
export const isTimed = (times: Times | null, task: Task, batch: Batch): times is Times =>
  times?.tasks[task.name]?.rows === rowsOfTask(task).training && times.tasks[task.name].batches[batch] !== undefined;

export interface Step {
  readonly milliseconds: number;
  readonly retries: number;
}

/** The steps of every family, in the order of FAMILIES. */
async function stepsInTurn(task: Task, batch: Batch, data: Data, epochs: number): Promise<Step[][]> {
  const turns = new Turns(FAMILIES.length);
  const {x, y} = partTensors(task, data.training, data.columns);
  const steps = await Promise.all(FAMILIES.map(async (family, f) => {
    const model = networkOf(task, 0, data.columns);
    const optimizer = MAKE[family]();
    model.compile({optimizer, loss: task.loss.compiled as 'meanSquaredError'});
    const steps: Step[] = [];
    let start = 0;
    const clock = new tf.CustomCallback({
      onBatchBegin: async () => {
        await turns.wait(f);
        start = performance.now();
      },
      onBatchEnd: async () => {
        steps.push({milliseconds: performance.now() - start, retries: retriesOf(optimizer)});
        turns.pass();
      },
    });
    await model.fit(x, y, {epochs, batchSize: batchSize(task, batch), callbacks: clock, verbose: 0,
      yieldEvery: 'never'});
    model.dispose();
    optimizer.dispose();
    return steps;
  }));
  tf.dispose([x, y]);
  return steps;
}

/** Lets several go on, one after the other, round and round. */
class Turns {
  private turn = 0;
  private readonly waiting = new Map<number, () => void>();

  constructor(private readonly count: number) {}

  async wait(who: number): Promise<void> {
    if (this.turn !== who) {
      await new Promise<void>(resolve => this.waiting.set(who, resolve));
    }
  }

  pass(): void {
    this.turn = (this.turn + 1) % this.count;
    const next = this.waiting.get(this.turn);
    this.waiting.delete(this.turn);
    next?.();
  }
}

/**
 * From the steps of several trainings. The last batch of an epoch may be smaller than the others,
 * so that its steps are counted apart.
 */
export function epochTime(trainings: readonly (readonly Step[])[], perEpoch: number): EpochTime {
  const shapes = perEpoch === 1 ? [[0, 1]] : [[0, perEpoch - 1], [perEpoch - 1, perEpoch]];
  let [epoch, first, retry, retries] = [0, 0, 0, 0];
  for (const [from, to] of shapes) {
    const own = trainings.map(steps => steps.filter((_, s) => s % perEpoch >= from && s % perEpoch < to));
    const later = own.flatMap(steps => steps.slice(1));
    const plain = later.filter(step => step.retries === 0);
    const usual = median((plain.length > 0 ? plain : later).map(({milliseconds}) => milliseconds));
    epoch += usual * (to - from);
    first += Math.max(0, median(own.map(([step]) => step.milliseconds)) - usual);
    for (const step of later.filter(other => other.retries > 0)) {
      retry += step.milliseconds - usual;
      retries += step.retries;
    }
  }
  const round = (value: number): number => Number(value.toPrecision(4));
  return {epoch: round(epoch), first: round(first), retry: retries === 0 ? 0 : round(Math.max(0, retry / retries))};
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}
