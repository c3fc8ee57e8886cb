/**
 * Faults in the middle of a step. After each, weights, optimizer state, moving averages and counters are bit for bit those before, no
 * tensor is left, and the next step is that of a twin that nothing has happened to.
 *
 * `npm run faults` injects one into every kernel, here one into some.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test, {type ExecutionContext} from 'ava';
import {countKernels, stepWith, type Fault} from './injector';
import {KINDS, reload, type Job} from './jobs';

const ALL = process.env['FAULTS'] === 'all';
/** Kernels of a step that get a fault here. */
const SOME = 9;

console.warn = () => {};

interface Snapshot {
  variables: number[][];
  state: Array<[string, number[]]>;
  config: string;
  iterations: number;
  tensors: number;
  buffers: number;
}

/** The number of entries d_prev in a state. */
const stepsIn = (names: readonly string[]): number => names.filter(name => name.includes('previousStep')).length;

async function snapshot({optimizer, variables}: Job): Promise<Snapshot> {
  const copies = await optimizer.getWeights();
  const state = copies.map(({name, tensor}): [string, number[]] => [name, [...tensor.dataSync()]]);
  tf.dispose(copies.map(({tensor}) => tensor));
  const {numTensors, numDataBuffers} = tf.memory();
  return {variables: variables().map(v => [...v.dataSync()]), state, config: JSON.stringify(optimizer.getConfig()), iterations: optimizer.iterations,
    tensors: numTensors, buffers: numDataBuffers};
}

/** A job and its twin, four steps on: the units of layers are measured again at the eighth. */
async function pair(make: () => Job): Promise<[Job, Job]> {
  const jobs: [Job, Job] = [make(), make()];
  for (const job of jobs) {
    for (let i = 0; i < 4; i++) {
      await job.step();
    }
  }
  return jobs;
}

async function goesOnLike(t: ExecutionContext, [job, twin]: [Job, Job], what: string): Promise<void> {
  await job.step();
  await twin.step();
  const [a, b] = [await snapshot(job), await snapshot(twin)];
  t.deepEqual([a.variables, a.state, a.config], [b.variables, b.state, b.config], what);
}

/** Kernels of a step of `count`: all, or some that are spread over it, others for each kind of fault. */
const places = (count: number, fault: number): number[] => ALL ? Array.from({length: count}, (_, k) => k) :
  [...new Set(Array.from({length: SOME}, (_, i) => Math.min(count - 1, Math.floor((i + (1 + fault) / 4) * count / SOME))))];

for (const backend of ['cpu', 'wasm']) {
  for (const kind of KINDS) {
    const {name, options, make, isLoaded = false, sparesHandles = false} = kind;
    /** Makes the next step of the jobs the first of a loaded optimizer, if the kind is so. */
    const begins = async (...jobs: Job[]): Promise<void> => {
      for (const job of isLoaded ? jobs : []) {
        await reload(kind, job);
      }
    };
    test.serial(`${backend}, ${name}: a kernel that throws, and all of them from some point on`, async t => {
      await tf.setBackend(backend);
      const jobs = await pair(() => make(options));
      const [job, twin] = jobs;
      const count = await countKernels(job);
      await twin.step();
      for (const [i, fault] of (['throws', 'lost'] as Fault[]).entries()) {
        await begins(job, twin);
        for (const k of places(count, i)) {
          const before = await snapshot(job);
          const {lastStep} = job.optimizer;
          await t.throwsAsync(stepWith(fault, k, job), undefined, `${fault} at ${k} of ${count}`);
          t.deepEqual(await snapshot(job), before, `${fault} at ${k} of ${count}`);
          t.is(job.optimizer.lastStep, lastStep);
        }
        await goesOnLike(t, jobs, `after '${fault}'`);
      }
      jobs.forEach(each => each.dispose());
    });

    test.serial(`${backend}, ${name}: a kernel that gives NaN`, async t => {
      await tf.setBackend(backend);
      const [job, twin] = await pair(() => make(options));
      const count = await countKernels(job);
      for (const k of places(count, 2)) {
        await begins(job);
        const before = await snapshot(job);
        let error: Error | null = null;
        await stepWith('nan', k, job, sparesHandles).catch((thrown: Error) => error = thrown);
        const after = await snapshot(job);
        if (error === null) {
          // f() is free in variables of its own: moving averages and counters.
          const written = [...job.trained().map(v => [...v.dataSync()]), ...after.state.map(([, values]) => values)];
          t.true(written.flat().every(Number.isFinite), `NaN at ${k} of ${count}`);
          t.is(after.tensors, before.tensors, `NaN at ${k} of ${count}`);
          if (options.regularization !== 'bayesian') {  // whose best weights share the data of the variables, or have their own
            t.is(after.buffers, before.buffers, `NaN at ${k} of ${count}`);
          }
        } else {
          t.deepEqual(after, before, `NaN at ${k} of ${count}: ${(error as Error).message}`);
          t.regex((error as Error).message, /^tfjs-ggn: /);
        }
      }
      [job, twin].forEach(each => each.dispose());
    });

    test.serial(`${backend}, ${name}: code of the user's that throws in f()`, async t => {
      await tf.setBackend(backend);
      const jobs = await pair(() => make(options));
      await begins(...jobs);
      const before = await snapshot(jobs[0]);
      await t.throwsAsync(jobs[0].step(() => {
        throw new Error('mine');
      }), {message: 'mine'});
      t.deepEqual(await snapshot(jobs[0]), before);
      await goesOnLike(t, jobs, 'after an error of the user\'s');
      jobs.forEach(each => each.dispose());
    });

    test.serial(`${backend}, ${name}: a variable disposed of in f()`, async t => {
      await tf.setBackend(backend);
      const [job, twin] = await pair(() => make(options));
      await begins(job);
      const {tensors, variables, state} = await snapshot(job);
      const [gone, ...others] = job.variables();  // tfjs-layers gives none of them any more when one is gone
      await t.throwsAsync(job.step(() => gone.dispose()), {message: /^tfjs-ggn: the variable '.*' was disposed of by the function given to minimize\(\)/});
      t.is(tf.memory().numTensors, tensors - 1);
      t.deepEqual(others.map(v => [...v.dataSync()]), variables.slice(1));
      // A state has training points of all variables or of none.
      t.is(stepsIn((await job.optimizer.getWeights()).map(({name}) => name)), stepsIn(state.map(([name]) => name)));
      job.optimizer.dispose();
      twin.dispose();
    });
  }
}
