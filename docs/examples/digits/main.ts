/** `npm run example:digits`: ggn against Adam on the angle of turned digits, with a convolutional network; a table and a plot. See README.md. */
import * as tf from '@tensorflow/tfjs';
import {relative} from 'node:path';
import {fileURLToPath} from 'node:url';
import {ggn} from 'tfjs-ggn'; // In this repository tsconfig.json points it to src/index.ts: no build needed.
import {BACKEND_NAMES, startBackend} from '../shared/backend';
import {oneOf, runExample, wholeNumber} from '../shared/command_line';
import {Progress} from '../shared/progress';
import type {Run} from '../shared/run';
import {loadData, MAX_ANGLE} from './data';
import {withFilterGradient} from './filter_gradient';
import {plot, results} from './report';
import {BATCH_SIZE, network, train, warmUp} from './train';
import type {DigitsContestant, DigitsPoint} from './train';

/** Epochs of each run. */
const EPOCHS = {ggn: 10, adam: 40};

/** The number is the learning rate. Colours differ in lightness too, so that they can be told apart without colour vision. */
const contestants = (epochs: {ggn: number; adam: number}): DigitsContestant[] => [
  {name: 'ggn (default)', colour: '#d55e00', epochs: epochs.ggn, make: () => ggn()},
  {name: 'adam 0.001', colour: '#9ecae1', epochs: epochs.adam, make: () => tf.train.adam(1e-3)},
  {name: 'adam 0.003', colour: '#3f8fc5', epochs: epochs.adam, make: () => tf.train.adam(3e-3)},
  {name: 'adam 0.01', colour: '#08306b', epochs: epochs.adam, make: () => tf.train.adam(1e-2)},
];

const HELP = `Usage: npm run example:digits -- [options]

Trains a convolutional network to tell by which angle a digit was turned, with ggn and Adam; prints a table and plots the error.

  --backend NAME    wasm (default), or tensorflow: tfjs-node, after npm run native
  --epochs N        epochs of ggn (default: ${EPOCHS.ggn})
  --adam-epochs N   epochs of each Adam (default: ${EPOCHS.adam})
  --seed N          seed of the angles and of the draw of the held-out digits (default: 0)
  --out FOLDER      where to write the plot (default: docs/examples/digits)
  --help            this text`;

interface Options {
  backend: 'wasm' | 'tensorflow';
  epochs: {ggn: number; adam: number};
  seed: number;
  out: string;
}

await runExample(HELP, ['backend', 'epochs', 'adam-epochs', 'seed', 'out'], (given): Options => ({
  backend: oneOf('backend', given.backend, ['wasm', 'tensorflow']),
  epochs: {ggn: wholeNumber('epochs', given.epochs, EPOCHS.ggn, 1), adam: wholeNumber('adam-epochs', given['adam-epochs'], EPOCHS.adam, 1)},
  seed: wholeNumber('seed', given.seed, 0, 0),
  out: given.out ?? fileURLToPath(new URL('.', import.meta.url)),
}), async ({backend, epochs, seed, out}) => {
  await startBackend(backend);
  const data = loadData(seed);
  const model = network();
  console.log(`Digits turned by up to ±${MAX_ANGLE}°: convolutional network of ${model.countParams()} parameters, ${data.training.x.shape[0]} digits to ` +
    `train, ${data.heldOut.x.shape[0]} held out, batch ${BATCH_SIZE}, ${BACKEND_NAMES[backend]}.\n`);
  model.dispose();

  const entered = contestants(epochs);
  const nameWidth = Math.max(...entered.map(({name}) => name.length));
  const runs: Run<DigitsPoint>[] = [];
  for (const contestant of entered) {
    const run = async (): Promise<Run<DigitsPoint>> => {
      await warmUp(contestant, data);
      const progress = new Progress(contestant.name.padEnd(nameWidth), contestant.epochs, 'epochs');
      const result = await train(contestant, data, ({epoch, seconds, heldOut}) =>
        progress.update(epoch, `${seconds.toFixed(1)} s, held-out error ${heldOut.toFixed(2)}°`));
      progress.end();
      return result;
    };
    const needsKernel = backend === 'wasm' && contestant.name.startsWith('adam');
    runs.push(await (needsKernel ? withFilterGradient(run) : run()));
  }

  console.log(`\n${results(runs)}\n`);
  console.log('Error: root mean squared, of the angle, over all digits after an epoch. Seconds: training alone, without that evaluation.\n' +
    'The held-out digits had no part in training.');
  if (backend === 'wasm') {
    console.log('tfjs has no gradient of a convolution in its filter on WebAssembly: Adam uses the one of filter_gradient.ts.');
  }
  const files = await plot(runs, backend, out);
  console.log(`\nPlot: ${files.map(file => relative('', file)).join(', ')}`);
});
