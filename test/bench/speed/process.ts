/** One measurement in a process of its own, which bundle.ts makes: `wasm steps W1 8` prints one line of JSON. */
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs';
import {type NodeBackend, useBackend} from '../../support/backends';
import {hottest, profiled} from './profile';
import type {Activation, NetworkName} from './rows';
import {firstSteps, kernelsOfStep, onlyGgn, stepTimes} from './steps';

const [backend, task, network, ...args] = process.argv.slice(2) as [NodeBackend, string, NetworkName, ...string[]];

const PROFILED_MS = 4000;
const HOTTEST = 12;

/** Milliseconds of a step in the hottest functions. */
async function profile(): Promise<object> {
  const run = await onlyGgn(network, backend);
  const start = performance.now();
  await run(60);
  const steps = Math.max(5, Math.round(PROFILED_MS / ((performance.now() - start) / 60)));
  const measured = await profiled(() => run(steps));
  const milliseconds = (measured.endTime - measured.startTime) / 1000 / steps;
  return {steps, milliseconds, hottest: hottest(measured, HOTTEST).map(({name, self}) => ({name, self: self / steps}))};
}

const TASKS: Record<string, () => Promise<object>> = {
  steps: () => stepTimes(network, backend, Number(args[0])),
  first: () => firstSteps(network, backend, args[0] as Activation, args[1] === 'ggn'),
  kernels: () => kernelsOfStep(network, backend),
  profile,
};

await useBackend(backend);
await tf.ready();
console.log(JSON.stringify(await TASKS[task]()));
