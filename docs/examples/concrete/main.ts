/** `npm run example`: ggn against Adam and SGD on the concrete-strength data; a table and a plot. See README.md. */
import * as tf from '@tensorflow/tfjs';
import {relative} from 'node:path';
import {fileURLToPath} from 'node:url';
import {ggn} from 'tfjs-ggn'; // In this repository tsconfig.json points it to src/index.ts: no build needed.
import {BACKEND_NAMES, startBackend} from '../shared/backend';
import {oneOf, runExample, wholeNumber} from '../shared/command_line';
import {Progress} from '../shared/progress';
import {withSeed} from '../shared/random';
import type {Contestant} from '../shared/run';
import {loadData} from './data';
import {plot, results} from './report';
import {BATCH_SIZE, train, warmUp} from './train';
import type {ConcreteRun} from './train';

/** Epochs at most, by backend: the best Adam reaches loss 0.03 in 141. The slower backend gets no more, to end within two minutes. */
const EPOCHS = {wasm: 320, cpu: 150};

/** A run ends early at this training loss. */
const ENOUGH = 0.02;

/** The number is the learning rate. Colours differ in lightness too, so that they can be told apart without colour vision. */
const CONTESTANTS: Contestant[] = [
  {name: 'ggn (default)', colour: '#d55e00', make: () => ggn()},
  {name: 'adam 0.001', colour: '#9ecae1', make: () => tf.train.adam(1e-3)},
  {name: 'adam 0.003', colour: '#3f8fc5', make: () => tf.train.adam(3e-3)},
  {name: 'adam 0.01', colour: '#08306b', make: () => tf.train.adam(1e-2)},
  {name: 'sgd 0.05', colour: '#999999', make: () => tf.train.sgd(0.05)},
];

const HELP = `Usage: npm run example -- [options]

Trains a network on the concrete-strength data with ggn, Adam and SGD; prints a table and plots training loss and validation error.

  --backend NAME  wasm (default) or cpu
  --epochs N      epochs of each run at most (default: ${EPOCHS.wasm} on wasm, ${EPOCHS.cpu} on cpu)
  --seed N        seed of the draw of the validation rows (default: 0)
  --out FOLDER    where to write the plot (default: docs/examples/concrete)
  --help          this text`;

interface Options {
  backend: 'wasm' | 'cpu';
  epochs: number;
  seed: number;
  out: string;
}

await runExample(HELP, ['backend', 'epochs', 'seed', 'out'], (given): Options => {
  const backend = oneOf('backend', given.backend, ['wasm', 'cpu']);
  return {backend, epochs: wholeNumber('epochs', given.epochs, EPOCHS[backend], 1), seed: wholeNumber('seed', given.seed, 0, 0),
    out: given.out ?? fileURLToPath(new URL('.', import.meta.url))};
}, async ({backend, epochs, seed, out}) => {
  await startBackend(backend);
  const data = await withSeed(seed, loadData);
  console.log(`Concrete strength: 8-64-64-1 tanh, ${data.training.x.shape[0]} rows to train, ${data.validation.x.shape[0]} to validate, ` +
    `batch ${BATCH_SIZE}, ${BACKEND_NAMES[backend]}.\nA run ends at training loss ${ENOUGH} or after ${epochs} epochs.\n`);

  for (const contestant of CONTESTANTS) {
    await warmUp(contestant, data);
  }
  const nameWidth = Math.max(...CONTESTANTS.map(({name}) => name.length));
  const runs: ConcreteRun[] = [];
  for (const contestant of CONTESTANTS) {
    const progress = new Progress(contestant.name.padEnd(nameWidth), epochs, 'epochs');
    runs.push(await train(contestant, data, {epochs, loss: ENOUGH}, ({epoch, seconds, loss}) =>
      progress.update(epoch, `${seconds.toFixed(1)} s, loss ${loss.toFixed(3)}`)));
    progress.end();
  }

  console.log(`\n${results(runs)}\n`);
  console.log('Loss: mean squared error over all training rows after an epoch, target standardised. Seconds: training alone, without that ' +
    'evaluation.\nValidation: root mean squared error at the end of the run, and at its lowest; its rows had no part in training.\n');
  const files = await plot(runs, backend, out);
  console.log(`Plot: ${files.map(file => relative('', file)).join(', ')}`);
});
