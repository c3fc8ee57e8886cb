/**
 * `npm run example:bayesian`: validation of Bayesian regularization, of the defaults and of plain training on the diabetes data. See
 * docs/training.md and docs/bayesian.md.
 */
import * as tf from '@tensorflow/tfjs';
import {readFileSync} from 'node:fs';
import {relative} from 'node:path';
import {fileURLToPath} from 'node:url';
import {ggn, stopWhen, type GramGaussNewton} from 'tfjs-ggn'; // In this repository tsconfig.json points it to src/index.ts: no build needed.
import {startBackend} from '../shared/backend';
import {runExample, wholeNumber} from '../shared/command_line';
import {curves, figure, writeFigure} from '../shared/figure';
import {seededRandom, withSeed} from '../shared/random';
import type {Contestant, Point, Run} from '../shared/run';
import {last} from '../shared/run';
import {table} from '../shared/table';

const DATA = new URL('../../../test/bench/convergence/data/diabetes.csv', import.meta.url);

/** Rows to train; the others validate. */
const TRAINING = 300;
const UNITS = 16;
const EPOCHS = 60;

const CONTESTANTS: Array<Contestant & {batchSize: number}> = [
  {name: 'ggn bayesian', colour: '#d55e00', batchSize: TRAINING, make: () => ggn({regularization: 'bayesian'})},
  {name: 'ggn default, full batch', colour: '#cc79a7', batchSize: TRAINING, make: () => ggn()},
  {name: 'ggn default, batch 32', colour: '#009e73', batchSize: 32, make: () => ggn()},
  {name: 'ggn levenbergMarquardt', colour: '#0072b2', batchSize: TRAINING, make: () => ggn({policy: 'levenbergMarquardt'})},
  {name: 'adam 0.001, batch 32', colour: '#999999', batchSize: 32, make: () => tf.train.adam(1e-3)},
];

const HELP = `Usage: npm run example:bayesian -- [options]

Trains a 10-${UNITS}-${UNITS}-1 tanh network on ${TRAINING} rows of the diabetes data; prints a table and plots the validation loss.

  --epochs N    epochs of each run at most (default: ${EPOCHS})
  --splits N    splits of the data (default: 3)
  --out FOLDER  where to write the plot (default: docs/examples/bayesian)
  --help        this text`;

interface Part {
  x: tf.Tensor2D;
  y: tf.Tensor2D;
}

interface Split {
  training: Part;
  validation: Part;
}

interface Epoch extends Point {
  epoch: number;
  validation: number;
}

/** A split of the rows, standardised by those to train. */
function splitOf(seed: number): Split {
  const random = seededRandom(seed);
  const rows = readFileSync(DATA, 'utf8').trim().split('\n').slice(1).map(line => ({key: random(), numbers: line.split(',').map(Number)}))
      .sort((a, b) => a.key - b.key).map(({numbers}) => numbers);
  const training = rows.slice(0, TRAINING);
  const columns = rows[0].map((_, c) => {
    const mean = training.reduce((sum, row) => sum + row[c], 0) / TRAINING;
    return {mean, deviation: Math.sqrt(training.reduce((sum, row) => sum + (row[c] - mean) ** 2, 0) / TRAINING)};
  });
  const part = (list: number[][]): Part => {
    const scaled = list.map(row => row.map((value, c) => (value - columns[c].mean) / columns[c].deviation));
    return {x: tf.tensor2d(scaled.map(row => row.slice(0, -1))), y: tf.tensor2d(scaled.map(row => row.slice(-1)))};
  };
  return {training: part(training), validation: part(rows.slice(TRAINING))};
}

function network(seed: number): tf.Sequential {
  const dense = (i: number, units: number, more: object): tf.layers.Layer =>
    tf.layers.dense({units, kernelInitializer: tf.initializers.glorotUniform({seed: 10 * seed + i}), ...more});
  return tf.sequential({layers: [dense(1, UNITS, {activation: 'tanh', inputShape: [10]}), dense(2, UNITS, {activation: 'tanh'}), dense(3, 1, {})]});
}

async function train(contestant: typeof CONTESTANTS[number], {training, validation}: Split, epochs: number, seed: number): Promise<Run<Epoch>> {
  const model = network(seed);
  const optimizer = contestant.make();
  model.compile({optimizer, loss: 'meanSquaredError'});
  const lossOf = ({x, y}: Part): number => tf.tidy(() => (model.evaluate(x, y, {batchSize: 512}) as tf.Scalar).dataSync()[0]);
  const points: Epoch[] = [{epoch: 0, seconds: 0, loss: lossOf(training), validation: lossOf(validation)}];
  const follow = new tf.CustomCallback({onEpochEnd: async epoch => {
    points.push({epoch: epoch + 1, seconds: 0, loss: lossOf(training), validation: lossOf(validation)});
  }});
  const isBayesian = contestant.name.includes('bayesian');
  const callbacks = isBayesian ? [follow, stopWhen(optimizer as GramGaussNewton, {evidence: 10}, () => undefined)] : [follow];
  await model.fit(training.x, training.y, {batchSize: contestant.batchSize, epochs, verbose: 0, callbacks});
  if (isBayesian) {
    const {noise, gamma} = (optimizer as GramGaussNewton).lastStep!.evidence!;
    console.log(`split ${seed}: the evidence ends after ${points.length - 1} epochs; noise ${noise.toFixed(2)}, ${gamma.toFixed(1)} ` +
      `of ${model.countParams()} parameters determined`);
  }
  return {contestant, points};
}

await runExample(HELP, ['epochs', 'splits', 'out'], given => ({
  epochs: wholeNumber('epochs', given.epochs, EPOCHS, 1), splits: wholeNumber('splits', given.splits, 3, 1),
  out: given.out ?? fileURLToPath(new URL('.', import.meta.url)),
}), async ({epochs, splits, out}) => {
  await startBackend('wasm');
  const all: Array<Run<Epoch>[]> = [];
  for (let seed = 0; seed < splits; seed++) {
    const split = splitOf(seed);
    const runs: Run<Epoch>[] = [];
    for (const contestant of CONTESTANTS) {
      runs.push(await withSeed(seed, () => train(contestant, split, epochs, seed)));
    }
    all.push(runs);
  }
  const mean = (c: number, figureOf: (run: Run<Epoch>) => number): string => (all.reduce((sum, runs) => sum + figureOf(runs[c]), 0) / splits).toFixed(3);
  console.log(`\n${table(['', 'training, last', 'validation, lowest', 'validation, last'], CONTESTANTS.map(({name}, c) => [name,
    mean(c, run => last(run).loss), mean(c, ({points}) => Math.min(...points.map(point => point.validation))), mean(c, run => last(run).validation)]))}\n`);
  const panels = all.map((runs, s) => curves(runs, {
    x: {field: 'epoch', title: `epochs, split ${s + 1}`}, y: {field: 'validation', title: s === 0 ? 'validation loss' : null, domain: [0.4, 4],
      ticks: [0.4, 0.6, 1, 2, 4]},
    targets: [], legend: s === 0 ? {title: '', orient: 'top-right'} : null, width: 290,
  }));
  const files = await writeFigure(figure('Diabetes: validation loss while training on 300 rows',
      'A 10-16-16-1 tanh network, more noise than signal. The Bayesian run ends by itself, at the maximum of the evidence.', panels), `${out}/diabetes`);
  console.log(`Plot: ${files.map(file => relative('', file)).join(', ')}`);
});
