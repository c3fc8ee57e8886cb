/** Claim 3: on image regression with a residual network, Gram-Gauss-Newton is ahead of SGD and Adam over epochs and over time. */
import * as tf from '@tensorflow/tfjs';
import {join, relative} from 'node:path';
import {ggn} from 'tfjs-ggn';
import {BACKEND_NAMES, startBackend} from '../shared/backend';
import {writeFigure} from '../shared/figure';
import {Progress} from '../shared/progress';
import {last, reached} from '../shared/run';
import type {Contestant, Run} from '../shared/run';
import {table} from '../shared/table';
import {curvesFigure} from './curves_figure';
import {BACKEND, backendOf, OUT} from './experiment';
import type {Experiment} from './experiment';
import {lightlyDamped} from './gauss_newton';
import {DATA_SETS, loadImages} from './images/data_sets';
import {split} from './images/image_set';
import type {Data} from './images/image_set';
import {BATCH_SIZE, train} from './training';
import type {ImagePoint} from './training';

/** First-order optimizers get so many times the epochs: about the same time, as a step of ggn takes about so many times one of theirs. */
const MORE_EPOCHS = 2.5;

/** The number is the learning rate. */
const CONTESTANTS: Array<Contestant & {firstOrder: boolean}> = [
  {name: 'ggn (default)', colour: '#d55e00', firstOrder: false, make: () => ggn()},
  {name: 'ggn 0.1, damping 0.01', colour: '#f0a202', firstOrder: false, make: () => lightlyDamped(0.1)},
  {name: 'ggn 0.3, damping 0.01', colour: '#8c2d04', firstOrder: false, make: () => lightlyDamped(0.3)},
  {name: 'adam 0.001', colour: '#9ecae1', firstOrder: true, make: () => tf.train.adam(1e-3)},
  {name: 'adam 0.003', colour: '#3f8fc5', firstOrder: true, make: () => tf.train.adam(3e-3)},
  {name: 'adam 0.01', colour: '#08306b', firstOrder: true, make: () => tf.train.adam(1e-2)},
  {name: 'sgd 0.01, momentum 0.9', colour: '#bbbbbb', firstOrder: true, make: () => tf.train.momentum(0.01, 0.9)},
  {name: 'sgd 0.03, momentum 0.9', colour: '#777777', firstOrder: true, make: () => tf.train.momentum(0.03, 0.9)},
];

/** The training losses to which epochs and time are counted. */
const TARGETS = [0.2, 0.1, 0.05];

export const curves: Experiment = {
  summary: 'Loss over epochs and over time against SGD and Adam: image regression with a residual network.',
  options: [
    {name: 'data', value: 'fashion', help: `${Object.keys(DATA_SETS).join(', ')}`},
    {name: 'folder', value: '', help: 'where the images of fashion, afad or rsna are, see README.md'},
    {name: 'images', value: '4096', help: 'images to train on; a quarter as many more are held out for validation', whole: 'one'},
    {name: 'size', value: '32', help: 'side in pixels to which afad and rsna are resized', whole: 'one'},
    {name: 'channels', value: '8', help: 'channels of the first stage of the network', whole: 'one'},
    {name: 'branches', value: '1', help: 'residual branches in each of its three stages', whole: 'one'},
    {name: 'epochs', value: '12', help: `epochs of ggn; the others get ${MORE_EPOCHS} times as many`, whole: 'one'},
    {...BACKEND, help: `${BACKEND.help}; on wasm only ggn runs`},
    OUT,
  ],
  run: async options => {
    const backend = backendOf(options.backend);
    await startBackend(backend);
    const images = Number(options.images);
    const held = Math.ceil(images / 4);
    const set = await loadImages(options.data, options.folder, Number(options.size), images + held);
    const data = split(set, Math.ceil(set.targets.length * held / (images + held)));
    const architecture = {size: set.size, channels: Number(options.channels), stages: 3, branches: Number(options.branches)};
    const trainable = CONTESTANTS.filter(({firstOrder}) => backend !== 'wasm' || !firstOrder);
    const [rows, heldRows] = [data.training.x.shape[0], data.validation.x.shape[0]];
    console.log(`${set.title}: ${rows} images of ${set.size} x ${set.size} to train, ${heldRows} to validate, batch ${BATCH_SIZE}; ` +
      `${BACKEND_NAMES[backend]}.\n`);
    const runs: Run<ImagePoint>[] = [];
    for (const contestant of trainable) {
      await train(contestant, architecture, firstBatch(data), 2);   // so that no run pays for what the others find ready
      const epochs = Math.round(Number(options.epochs) * (contestant.firstOrder ? MORE_EPOCHS : 1));
      const progress = new Progress(contestant.name.padEnd(24), epochs, 'epochs');
      runs.push(await train(contestant, architecture, data, epochs, ({epoch, seconds, loss, error}) =>
        progress.update(epoch, `${seconds.toFixed(1)} s, training loss ${loss.toFixed(4)}, validation ${error.toFixed(2)}`)));
      progress.end();
    }
    console.log(`\n${report(runs)}\n\nLoss: mean squared error over all training images after an epoch, target standardised. Validation: root mean ` +
      `squared error, ${set.unit}.\nSeconds: training alone, without those evaluations.`);
    if (backend === 'wasm') {
      console.log("SGD and Adam are left out: tfjs has no gradient of convolutions on WASM. `npm run native` builds tfjs-node, where they run.");
    }
    const files = await writeFigure(curvesFigure(runs, set, backend, TARGETS), join(options.out, `curves-${options.data}`));
    console.log(`\nPlot: ${files.map(file => relative('', file)).join(', ')}`);
  },
};

/** One batch of each part. */
function firstBatch({training, validation, deviation}: Data): Data {
  const first = ({x, y}: Data['training']): Data['training'] => {
    const count = Math.min(BATCH_SIZE, x.shape[0]);
    return {x: x.slice(0, count), y: y.slice(0, count)};
  };
  return {training: first(training), validation: first(validation), deviation};
}

function report(runs: Run<ImagePoint>[]): string {
  const header = ['optimizer', ...TARGETS.flatMap(loss => [`epochs to ${loss}`, `s to ${loss}`]), 'epochs', 'final loss', 'validation', 'best',
    's per epoch'];
  return table(header, runs.map(run => {
    const end = last(run);
    const times = TARGETS.flatMap(loss => {
      const point = reached(run, candidate => candidate.loss, loss);
      return [point?.epoch.toFixed() ?? '-', point?.seconds.toFixed(0) ?? '-'];
    });
    return [run.contestant.name, ...times, end.epoch.toFixed(), end.loss.toFixed(4), end.error.toFixed(2),
      Math.min(...run.points.map(({error}) => error)).toFixed(2), (end.seconds / end.epoch).toFixed(1)];
  }));
}
