/** Measurements of steps in this process, on the backend that is current. */
import * as tf from '@tensorflow/tfjs';
import {ggn} from '../../../src/index';
import type {NodeBackend} from '../../support/backends';
import {KernelCounts, total} from './kernel_counts';
import {ACTIVATIONS, batchesOf, FIRST, modelOf, networkNamed} from './rows';
import type {Activation, NetworkName, Pair, SpeedNetwork} from './rows';

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
};

type Run = (batch: Pair) => unknown;

/** Milliseconds that all threads of this process have kept the processor busy: other processes do not count. */
function processorTime(): number {
  const {user, system} = process.cpuUsage();
  return (user + system) / 1000;
}

/** Milliseconds by the clock and of the processor, of each run. */
class Times {
  readonly clock: number[] = [];
  readonly busy: number[] = [];

  async add(run: Run, batch: Pair): Promise<void> {
    const [start, busy] = [performance.now(), processorTime()];
    await run(batch);
    this.clock.push(performance.now() - start);
    this.busy.push(processorTime() - busy);
  }

  forget(): void {
    this.clock.length = this.busy.length = 0;
  }
}

const training = (model: tf.LayersModel): Run => ({x, y}) => model.trainOnBatch(x, y);

const forward = (model: tf.LayersModel): Run => ({x}) => {
  const prediction = model.predictOnBatch(x) as tf.Tensor;
  prediction.dataSync();
  prediction.dispose();
};

/** ggn and what it is measured beside, with lists of their times in milliseconds. */
function contestants(network: SpeedNetwork, activation: Activation, backend: NodeBackend) {
  const optimizer = ggn();
  const model = modelOf(network, activation, optimizer);
  const beside = network.beside?.[backend] === 'forward' ? forward(model) :
    training(modelOf(network, activation, tf.train.adam(1e-3)));
  return {optimizer, runs: {ggn: training(model), beside}, times: {ggn: new Times(), beside: new Times()},
    parts: {} as Record<string, number[]>};
}

/** Milliseconds of ggn and of what it is measured beside, by the clock and of the processor. */
export interface Two {
  readonly ggn: number;
  readonly beside: number;
  readonly busyGgn: number;
  readonly busyBeside: number;
}

const summary = ({ggn, beside}: Record<'ggn' | 'beside', Times>, of: (values: readonly number[]) => number): Two =>
  ({ggn: of(ggn.clock), beside: of(beside.clock), busyGgn: of(ggn.busy), busyBeside: of(beside.busy)});

/** Medians of steps, and of the parts of ggn's steps. */
export interface StepTimes extends Two {
  readonly parts: Readonly<Record<string, number>>;
  readonly rounds: number;
}

const LEAST_ROUNDS = 5;
const MOST_ROUNDS = 400;
const WARM_UP_ROUNDS = 25;

/**
 * Steps of ggn and Adam with both activations in turn, for `seconds`, of which the first third, or 25 rounds, warm up.
 */
export async function stepTimes(name: NetworkName, backend: NodeBackend, seconds: number):
    Promise<Record<Activation, StepTimes>> {
  const network = networkNamed(name);
  const batches = batchesOf(network);
  const made = ACTIVATIONS.map(activation => contestants(network, activation, backend));
  const start = performance.now();
  const passed = (): number => (performance.now() - start) / 1000;
  let round = 0;
  const next = async (): Promise<void> => {
    const batch = batches[round++ % batches.length];
    for (const {optimizer, runs, times, parts} of made) {
      await times.ggn.add(runs.ggn, batch);
      await times.beside.add(runs.beside, batch);
      Object.entries(optimizer.lastStep!.milliseconds).forEach(([part, time]) => (parts[part] ??= []).push(time));
    }
  };
  do {
    await next();
  } while (round < WARM_UP_ROUNDS && passed() < seconds / 3);
  for (const {times, parts} of made) {
    times.ggn.forget();
    times.beside.forget();
    Object.values(parts).forEach(list => list.length = 0);
  }
  let rounds = 0;
  do {
    await next();
    rounds++;
  } while (rounds < LEAST_ROUNDS || rounds < MOST_ROUNDS && passed() < seconds);
  return Object.fromEntries(ACTIVATIONS.map((activation, i) => {
    const {times, parts} = made[i];
    const medians = Object.fromEntries(Object.entries(parts).map(([part, list]) => [part, median(list)]));
    return [activation, {...summary(times, median), parts: medians, rounds}];
  })) as Record<Activation, StepTimes>;
}

/** The first steps together, and the very first by the clock. */
export interface FirstSteps extends Two {
  readonly firstGgn: number;
  readonly firstBeside: number;
}

/** The first steps of a process, of ggn and Adam in turn. The one that comes first also warms up tfjs for the other. */
export async function firstSteps(name: NetworkName, backend: NodeBackend, activation: Activation, ggnFirst: boolean):
    Promise<FirstSteps> {
  const network = networkNamed(name);
  const batches = batchesOf(network);
  const {runs, times} = contestants(network, activation, backend);
  const order = ggnFirst ? ['ggn', 'beside'] as const : ['beside', 'ggn'] as const;
  for (let i = 0; i < FIRST.steps; i++) {
    for (const key of order) {
      await times[key].add(runs[key], batches[i % batches.length]);
    }
  }
  const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);
  return {...summary(times, sum), firstGgn: times.ggn.clock[0], firstBeside: times.beside.clock[0]};
}

/** Calls in one step, by name: of kernels, and on tfjs-node of functions of its addon. */
export interface Counted {
  readonly ggn: Record<string, number>;
  readonly beside: Record<string, number>;
}

/** The first steps check themselves and plan: they are not counted. */
const UNCOUNTED_STEPS = 10;

/** Steps differ, since some have a trial: that with the median number of calls stands for all. */
const COUNTED_STEPS = 7;

export async function kernelsOfStep(name: NetworkName, backend: NodeBackend):
    Promise<{kernels: Counted; addon: Counted | null}> {
  const network = networkNamed(name);
  const batches = batchesOf(network);
  const counts = new KernelCounts(backend);
  const {runs} = contestants(network, 'relu', backend);
  const counted = async (run: Run) => {
    const taken: ReturnType<typeof counts.taken>[] = [];
    for (let i = 0; i < UNCOUNTED_STEPS + COUNTED_STEPS; i++) {
      counts.reset();
      await run(batches[i % batches.length]);
      taken.push(counts.taken());
    }
    const later = taken.slice(UNCOUNTED_STEPS).sort((a, b) => total(a.kernels) - total(b.kernels));
    return later[COUNTED_STEPS >> 1];
  };
  const [a, b] = [await counted(runs.ggn), await counted(runs.beside)];
  return {kernels: {ggn: a.kernels, beside: b.kernels},
    addon: a.addon === null ? null : {ggn: a.addon, beside: b.addon!}};
}

/** Steps of ggn alone, for a profile. */
export async function onlyGgn(name: NetworkName, backend: NodeBackend): Promise<(steps: number) => Promise<void>> {
  const network = networkNamed(name);
  const batches = batchesOf(network);
  const {runs} = contestants(network, 'relu', backend);
  return async steps => {
    for (let i = 0; i < steps; i++) {
      await runs.ggn(batches[i % batches.length]);
    }
  };
}
