/** `npm run example`: ggn against Adam and SGD on the concrete-strength data; a table and a plot. See README.md. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import {relative} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {ggn} from 'tfjs-ggn'; // In this repository tsconfig.json points it to src/index.ts: no build needed.
import {loadData} from './data';
import {plot} from './plot';
import {Progress, table} from './report';
import {BATCH_SIZE, train, warmUp, withSeed} from './train';
import type {Contestant, Run} from './train';

/** Epochs at most, by backend: the best Adam reaches loss 0.03 in 141. The slower backend gets no more, to end within two minutes. */
const EPOCHS: Record<string, number> = {wasm: 320, cpu: 150};

/** A run ends early at this training loss. */
const ENOUGH = 0.02;

/** The number is the learning rate. Colours differ in lightness too, so that they can be told apart without colour vision. */
const CONTESTANTS: Contestant[] = [
  {name: 'ggn 0.1 (default)', colour: '#d55e00', make: () => ggn()},
  {name: 'ggn 0.3', colour: '#f0a202', make: () => ggn({learningRate: 0.3})},
  {name: 'adam 0.001', colour: '#9ecae1', make: () => tf.train.adam(1e-3)},
  {name: 'adam 0.003', colour: '#3f8fc5', make: () => tf.train.adam(3e-3)},
  {name: 'adam 0.01', colour: '#08306b', make: () => tf.train.adam(1e-2)},
  {name: 'sgd 0.05', colour: '#999999', make: () => tf.train.sgd(0.05)},
];

const HELP = `Usage: npm run example -- [options]

Trains a network on the concrete-strength data with ggn, Adam and SGD; prints a table and plots the training loss.

  --backend NAME  wasm (default) or cpu
  --epochs N      epochs of each run at most (default: ${EPOCHS.wasm} on wasm, ${EPOCHS.cpu} on cpu)
  --seed N        seed of the draw of the validation rows (default: 0)
  --out FOLDER    where to write the plot (default: docs/examples/concrete)
  --help          this text`;

interface Options {
  backend: string;
  epochs: number;
  seed: number;
  out: string;
}

/** The options of the command line; null for --help. Throws for any it does not know. */
function readOptions(args: string[]): Options | null {
  const text = {type: 'string'} as const;
  const {values} = parseArgs({args, options: {backend: text, epochs: text, seed: text, out: text, help: {type: 'boolean'}}});
  if (values.help) {
    return null;
  }
  const backend = values.backend ?? 'wasm';
  if (!Object.hasOwn(EPOCHS, backend)) {
    throw new Error(`--backend must be ${Object.keys(EPOCHS).join(' or ')}; received '${backend}'.`);
  }
  const epochs = wholeNumber('epochs', values.epochs, EPOCHS[backend], 1);
  const seed = wholeNumber('seed', values.seed, 0, 0);
  return {backend, epochs, seed, out: values.out ?? fileURLToPath(new URL('.', import.meta.url))};
}

function wholeNumber(option: string, given: string | undefined, fallback: number, least: number): number {
  const value = given === undefined ? fallback : Number(given.trim() || NaN);
  if (!Number.isInteger(value) || value < least) {
    throw new Error(`--${option} must be a whole number, at least ${least}; received '${given}'.`);
  }
  return value;
}

async function compare({backend, epochs, seed, out}: Options): Promise<void> {
  if (!await tf.setBackend(backend)) {
    throw new Error(`tfjs could not start its ${backend} backend on this machine.`);
  }
  const data = await withSeed(seed, loadData);
  console.log(`Concrete strength: 8-64-64-1 tanh, ${data.training.x.shape[0]} rows to train, ${data.validation.x.shape[0]} to validate, ` +
    `batch ${BATCH_SIZE}, ${backend} backend.\nA run ends at training loss ${ENOUGH} or after ${epochs} epochs.\n`);

  for (const contestant of CONTESTANTS) {
    await warmUp(contestant, data);
  }
  const limits = {epochs, loss: ENOUGH};
  const nameWidth = Math.max(...CONTESTANTS.map(({name}) => name.length));
  const runs: Run[] = [];
  for (const contestant of CONTESTANTS) {
    const progress = new Progress(contestant.name.padEnd(nameWidth), limits);
    const run = await train(contestant, data, limits, point => progress.update(point));
    progress.end(run.points.at(-1)!);
    runs.push(run);
  }

  console.log(`\n${table(runs)}\n`);
  console.log('Loss: mean squared error over all training rows after an epoch, target standardised. Seconds: training alone, without that ' +
    'evaluation.\nValidation: root mean squared error at the end of the run; its rows had no part in training.\n');
  const files = await plot(runs, backend, out);
  console.log(`Plot: ${files.map(file => relative('', file)).join(', ')}`);
}

let options: Options | null = null;
try {
  options = readOptions(process.argv.slice(2));
  if (options === null) {
    console.log(HELP);
  }
} catch (error) {
  console.error(`${(error as Error).message}\n\n${HELP}`);
  process.exitCode = 1;
}
if (options !== null) {
  await compare(options);
}
