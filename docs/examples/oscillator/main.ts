/** `npm run example:oscillator`: ggn against Adam on a differential equation; a table and a plot. See README.md. */
import * as tf from '@tensorflow/tfjs';
import {relative} from 'node:path';
import {fileURLToPath} from 'node:url';
import {ggn} from 'tfjs-ggn'; // In this repository tsconfig.json points it to src/index.ts: no build needed.
import {BACKEND_NAMES, startBackend} from '../shared/backend';
import {oneOf, runExample, wholeNumber} from '../shared/command_line';
import {Progress} from '../shared/progress';
import type {Run} from '../shared/run';
import {lossByFormulas, lossByGrad} from './network';
import {plot, results} from './report';
import {train} from './train';
import type {OscillatorContestant, OscillatorPoint} from './train';

/** Steps of each run, at most. */
const STEPS = {ggn: 120, adam: 4000};

/** From the rate that Adam was made with down to nothing, along a cosine. */
const cosine = (rate: number) => (optimizer: tf.Optimizer, share: number): void => {
  (optimizer as unknown as {learningRate: number}).learningRate = rate * (1 + Math.cos(Math.PI * share)) / 2;
};

const adam = (rate: number, steps: number): Omit<OscillatorContestant, 'colour'> =>
  ({name: `adam ${rate}`, make: () => tf.train.adam(rate), loss: lossByFormulas, steps, every: 20});

/** The number is the learning rate. Colours differ in lightness too, so that they can be told apart without colour vision. */
const contestants = (steps: {ggn: number; adam: number}): OscillatorContestant[] => [
  {name: 'ggn (default)', colour: '#d55e00', make: () => ggn(), loss: lossByGrad, steps: steps.ggn, every: 1},
  {...adam(0.001, steps.adam), colour: '#9ecae1'},
  {...adam(0.003, steps.adam), colour: '#3f8fc5'},
  {...adam(0.01, steps.adam), colour: '#08306b'},
  {...adam(0.03, steps.adam), name: 'adam 0.03 to 0', colour: '#7a3b8f', schedule: cosine(0.03)},
];

const HELP = `Usage: npm run example:oscillator -- [options]

Solves the damped oscillator u'' + 0.4u' + 4u = 0 with a network, by ggn and Adam; prints a table and plots loss and solution.

  --backend NAME   wasm (default), cpu, or tensorflow: tfjs-node, after npm run native
  --steps N        steps of ggn at most (default: ${STEPS.ggn})
  --adam-steps N   steps of each Adam (default: ${STEPS.adam})
  --seed N         seed of the initial weights (default: 0)
  --out FOLDER     where to write the plot (default: docs/examples/oscillator)
  --help           this text`;

interface Options {
  backend: 'wasm' | 'cpu' | 'tensorflow';
  steps: {ggn: number; adam: number};
  seed: number;
  out: string;
}

await runExample(HELP, ['backend', 'steps', 'adam-steps', 'seed', 'out'], (given): Options => ({
  backend: oneOf('backend', given.backend, ['wasm', 'cpu', 'tensorflow']),
  steps: {ggn: wholeNumber('steps', given.steps, STEPS.ggn, 1), adam: wholeNumber('adam-steps', given['adam-steps'], STEPS.adam, 1)},
  seed: wholeNumber('seed', given.seed, 0, 0),
  out: given.out ?? fileURLToPath(new URL('.', import.meta.url)),
}), async ({backend, steps, seed, out}) => {
  await startBackend(backend);
  console.log(`Damped oscillator u'' + 0.4u' + 4u = 0 on [0, 5]: 1-24-24-1 tanh, 200 points and the start, ${BACKEND_NAMES[backend]}.\n`);

  const entered = contestants(steps);
  const nameWidth = Math.max(...entered.map(({name}) => name.length));
  const runs: Run<OscillatorPoint>[] = [];
  for (const contestant of entered) {
    train({...contestant, steps: 5}, seed, () => {}); // kernels and code are compiled, so that no run pays for what the others find ready
    const progress = new Progress(contestant.name.padEnd(nameWidth), contestant.steps, 'steps');
    runs.push(train(contestant, seed, ({step, seconds, loss, deviation}) =>
      progress.update(step, `${seconds.toFixed(1)} s, loss ${loss.toExponential(1)}, max deviation ${deviation.toExponential(1)}`)));
    progress.end();
  }

  console.log(`\n${results(runs)}\n`);
  console.log('Deviation: max |u - exact solution| over 301 times. Seconds: training alone, without the measurements.\n');
  const files = await plot(runs, backend, out);
  console.log(`Plot: ${files.map(file => relative('', file)).join(', ')}`);
});
