/** `npm run example:classification`: ggn against Adam on handwritten digits, with cross-entropy; a table and a plot. See README.md. */
import * as tf from '@tensorflow/tfjs';
import {relative} from 'node:path';
import {fileURLToPath} from 'node:url';
import {ggn} from 'tfjs-ggn'; // In this repository tsconfig.json points it to src/index.ts: no build needed.
import {BACKEND_NAMES, startBackend} from '../shared/backend';
import {oneOf, runExample, wholeNumber} from '../shared/command_line';
import {Progress} from '../shared/progress';
import type {Run} from '../shared/run';
import {loadData} from './data';
import {plot, results} from './report';
import {BATCH_SIZE, network, train, warmUp} from './train';
import type {ClassificationContestant, ClassificationPoint} from './train';

/** Epochs of each run. */
const EPOCHS = {ggn: 20, adam: 60};

/** The number is the learning rate. Colours differ in lightness too, so that they can be told apart without colour vision. */
const contestants = (epochs: {ggn: number; adam: number}): ClassificationContestant[] => [
  {name: 'ggn (default)', colour: '#d55e00', epochs: epochs.ggn, make: () => ggn()},
  {name: 'adam 0.001', colour: '#9ecae1', epochs: epochs.adam, make: () => tf.train.adam(1e-3)},
  {name: 'adam 0.003', colour: '#3f8fc5', epochs: epochs.adam, make: () => tf.train.adam(3e-3)},
  {name: 'adam 0.01', colour: '#08306b', epochs: epochs.adam, make: () => tf.train.adam(1e-2)},
];

const HELP = `Usage: npm run example:classification -- [options]

Trains a small network to tell handwritten digits, with ggn and Adam; prints a table and plots the loss.

  --backend NAME    wasm (default), or tensorflow: tfjs-node, after npm run native
  --epochs N        epochs of ggn (default: ${EPOCHS.ggn})
  --adam-epochs N   epochs of each Adam (default: ${EPOCHS.adam})
  --seed N          seed of the draw of the held-out digits (default: 0)
  --out FOLDER      where to write the plot (default: docs/examples/classification)
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
  console.log(`Handwritten digits, ten classes: network of ${model.countParams()} parameters, ${data.training.x.shape[0]} digits to train, ` +
    `${data.heldOut.x.shape[0]} held out, batch ${BATCH_SIZE}, ${BACKEND_NAMES[backend]}.\n`);
  model.dispose();

  const entered = contestants(epochs);
  const nameWidth = Math.max(...entered.map(({name}) => name.length));
  const runs: Run<ClassificationPoint>[] = [];
  for (const contestant of entered) {
    await warmUp(contestant, data);
    const progress = new Progress(contestant.name.padEnd(nameWidth), contestant.epochs, 'epochs');
    runs.push(await train(contestant, data, ({epoch, seconds, loss, accuracy}) =>
      progress.update(epoch, `${seconds.toFixed(1)} s, loss ${loss.toPrecision(2)}, held-out accuracy ${(100 * accuracy).toFixed(1)} %`)));
    progress.end();
  }

  console.log(`\n${results(runs)}\n`);
  console.log('Losses are taken over all digits after an epoch. Seconds: training alone, without that evaluation. The held-out digits had no part in training.');
  const files = await plot(runs, backend, out);
  console.log(`\nPlot: ${files.map(file => relative('', file)).join(', ')}`);
});
