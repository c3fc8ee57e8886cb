/** Claim 2: on data that can be interpolated, mini-batch Gram-Gauss-Newton makes |r| over all data smaller by a constant factor per epoch. */
import type * as tf from '@tensorflow/tfjs';
import {join, relative} from 'node:path';
import {BACKEND_NAMES, startBackend} from '../shared/backend';
import {writeFigure} from '../shared/figure';
import {Progress} from '../shared/progress';
import {table} from '../shared/table';
import {BACKEND, backendOf, list, OUT} from './experiment';
import type {Experiment} from './experiment';
import {undamped} from './gauss_newton';
import {minibatchFigure} from './minibatch_figure';
import {fitLine, geometricMean} from './statistics';
import type {Line} from './statistics';
import {dispose, residual, residualNorm, twoLayer} from './two_layer';
import type {Sizes} from './two_layer';

/** |r| over all data before the first and after each epoch. */
export interface MinibatchRun {
  batchSize: number;
  seed: number;
  norms: number[];
}

/** Epochs over the same batches in the same order. */
export function minibatchRun(sizes: Sizes, batchSize: number, seed: number, epochs: number,
    done: (epoch: number, norm: number) => void = () => {}): MinibatchRun {
  const network = twoLayer(sizes, seed);
  const optimizer = undamped();
  const norms = [residualNorm(network)];
  // Cut outside of the loss: inside, nothing that the loss is given has the batch's length, and ggn goes row by row, which is slow.
  const batches = Array.from({length: Math.ceil(sizes.examples / batchSize)}, (_, b) =>
    [network.x, network.y].map(t => t.slice([b * batchSize, 0], [Math.min(batchSize, sizes.examples - b * batchSize), -1])));
  for (let epoch = 1; epoch <= epochs; epoch++) {
    for (const [x, y] of batches) {
      optimizer.minimize(() => residual(network, x, y).square().mean() as tf.Scalar, false, [network.w]);
    }
    norms.push(residualNorm(network));
    done(epoch, norms.at(-1)!);
  }
  batches.flat().forEach(t => t.dispose());
  optimizer.dispose();
  dispose(network);
  return {batchSize, seed, norms};
}

/** Where the course is judged: after the first epochs, which gain more, and before rounding shows. */
const FITTED = {firstEpoch: 5, smallest: 1e-3};

/** log |r| over the epochs as a straight line; exp(slope) is the factor per epoch. */
export function logLine({norms}: MinibatchRun): Line {
  return fitLine(norms.map((norm, epoch) => [epoch, norm] as const)
    .filter(([epoch, norm]) => epoch >= FITTED.firstEpoch && norm >= FITTED.smallest)
    .map(([epoch, norm]) => [epoch, Math.log(norm)] as const));
}

const SIZES = {examples: 256, dimensions: 50, width: 2048};

export const minibatch: Experiment = {
  summary: 'Mini-batches: |r| over all data falls by a constant factor per epoch.',
  options: [
    {name: 'batches', value: '16,32,64,128', help: 'batch sizes', whole: 'list'},
    {name: 'seeds', value: '3', help: 'draws of data and weights for each batch size', whole: 'one'},
    {name: 'epochs', value: '60', help: 'epochs of each run', whole: 'one'},
    {...BACKEND, value: 'wasm'},
    OUT,
  ],
  run: async ({batches, seeds, epochs, backend: wanted, out}) => {
    const backend = backendOf(wanted);
    await startBackend(backend);
    console.log(`${SIZES.examples} points on the unit sphere in ${SIZES.dimensions} dimensions, random targets, width ${SIZES.width}, ` +
      `${seeds} seeds; damping 0, learning rate 1, momentum 0; ${BACKEND_NAMES[backend]}.\n`);
    const runs: MinibatchRun[] = [];
    for (const batchSize of list(batches)) {
      for (let seed = 0; seed < Number(seeds); seed++) {
        const progress = new Progress(`batch ${batchSize}, seed ${seed}`.padEnd(18), Number(epochs), 'epochs');
        runs.push(minibatchRun(SIZES, batchSize, seed, Number(epochs),
            (epoch, norm) => progress.update(epoch, `|r| ${norm.toExponential(1)}`)));
        progress.end();
      }
    }
    const header = ['batch size', 'factor per epoch', 'smallest', 'largest', 'variance explained', '‖r‖ at first', '1 epoch', '5 epochs',
      '20 epochs'];
    console.log('\n' + table(header, list(batches).map(batchSize => {
      const group = runs.filter(run => run.batchSize === batchSize);
      const factors = group.map(run => Math.exp(logLine(run).slope));
      const norm = (epoch: number): string => geometricMean(group.map(({norms}) => norms[epoch] ?? NaN)).toPrecision(2);
      return [String(batchSize), ...[geometricMean(factors), Math.min(...factors), Math.max(...factors)].map(factor => factor.toFixed(3)),
        Math.min(...group.map(run => logLine(run).explained)).toFixed(4), norm(0), norm(1), norm(5), norm(20)];
    })));
    console.log(`\nA line is fitted to log |r| from epoch ${FITTED.firstEpoch} until |r| is below ${FITTED.smallest}; the share of the variance ` +
      'that it explains is that of the worst seed.');
    const files = await writeFigure(minibatchFigure(runs), join(out, 'minibatch'));
    console.log(`\nPlot: ${files.map(file => relative('', file)).join(', ')}`);
  },
};
