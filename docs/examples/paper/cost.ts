/** Claim 4: a step costs little more than one of SGD: the Gram matrix, B² m, and its inverse, B³, are a small part. */
import * as tf from '@tensorflow/tfjs';
import {join, relative} from 'node:path';
import {ggn} from 'tfjs-ggn';
import type {StepReport} from 'tfjs-ggn';
import {BACKEND_NAMES, startBackend} from '../shared/backend';
import {writeFigure} from '../shared/figure';
import {Progress} from '../shared/progress';
import {table} from '../shared/table';
import {costFigure} from './cost_figure';
import {BACKEND, backendOf, OUT} from './experiment';
import type {Experiment} from './experiment';
import {residualNetwork} from './resnet';
import {median} from './statistics';

type Part = keyof StepReport['milliseconds'];

/** Medians of one network at one batch size, in milliseconds. */
export interface Cost {
  network: string;
  /** What is varied: B or m. */
  over: 'B' | 'm';
  /** Units of a layer, or channels of the first stage. */
  width: number;
  batchSize: number;
  parameters: number;
  ggn: number;
  sgd: number;
  parts: Record<Part, number>;
}

/** A kind of network and the sizes at which it is measured: each batch size at the middle width, each width at batch size 128. */
interface Series {
  network: string;
  build: (width: number) => tf.LayersModel;
  inputs: number[];
  batchSizes: number[];
  widths: number[];
}

const SERIES: Series[] = [
  {
    network: 'dense 64-W-W-1', inputs: [64], batchSizes: [16, 32, 64, 128, 256, 512], widths: [128, 256, 512, 1024],
    build: units => tf.sequential({layers: [
      tf.layers.dense({units, activation: 'relu', inputShape: [64]}), tf.layers.dense({units, activation: 'relu'}), tf.layers.dense({units: 1}),
    ]}),
  },
  {
    network: 'residual, 28 x 28', inputs: [28, 28, 1], batchSizes: [16, 32, 64, 128, 256], widths: [4, 8, 16, 32],
    build: channels => residualNetwork({size: 28, channels, stages: 3, branches: 1}),
  },
];

const BATCH_SIZE = 128;

/** Steps before those that count: code is compiled, and the first step checks its Jacobian. */
const WARM_UP = 5;

async function measure({network, build, inputs}: Series, over: 'B' | 'm', width: number, batchSize: number, rounds: number,
    sgdToo: boolean): Promise<Cost> {
  const x = tf.randomNormal([batchSize, ...inputs], 0, 1, 'float32', 1);
  const y = tf.randomNormal([batchSize, 1], 0, 1, 'float32', 2);
  const optimizer = ggn();
  const compiled = (with_: tf.Optimizer): tf.LayersModel => {
    const model = build(width);
    model.compile({optimizer: with_, loss: 'meanSquaredError'});
    return model;
  };
  const models = {ggn: compiled(optimizer), ...(sgdToo ? {sgd: compiled(tf.train.sgd(1e-3))} : {})};
  const times: Record<string, number[]> = {ggn: [], sgd: []};
  const parts: Record<string, number[]> = {};
  for (let round = 0; round < WARM_UP + rounds; round++) {
    for (const [name, model] of Object.entries(models)) {
      const start = performance.now();
      await model.trainOnBatch(x, y);
      times[name].push(performance.now() - start);
    }
    Object.entries(optimizer.lastStep!.milliseconds).forEach(([part, time]) => (parts[part] ??= []).push(time));
  }
  const parameters = models.ggn.countParams();
  tf.dispose([x, y]);
  Object.values(models).forEach(model => model.dispose());
  optimizer.dispose();
  const typical = (list: number[]): number => median(list.slice(WARM_UP));
  return {network, over, width, batchSize, parameters, ggn: typical(times.ggn), sgd: typical(times.sgd),
    parts: Object.fromEntries(Object.entries(parts).map(([part, list]) => [part, typical(list)])) as Record<Part, number>};
}

export const cost: Experiment = {
  summary: 'Time per step over the batch size B and the number of parameters m, for ggn and SGD.',
  options: [
    {name: 'rounds', value: '15', help: 'steps of each, in turn; medians are shown', whole: 'one'},
    BACKEND,
    OUT,
  ],
  run: async ({rounds, backend: wanted, out}) => {
    const backend = backendOf(wanted);
    await startBackend(backend);
    console.log(`Steps of ggn and SGD in turn, medians of ${rounds}; ${BACKEND_NAMES[backend]}.\n`);
    const costs: Cost[] = [];
    for (const series of SERIES) {
      const {network, batchSizes, widths} = series;
      const middle = widths[1];
      const sgdToo = backend !== 'wasm' || series.inputs.length === 1;
      const cases = [...batchSizes.map(batchSize => ['B', middle, batchSize] as const), ...widths.map(width => ['m', width, BATCH_SIZE] as const)];
      const progress = new Progress(network.padEnd(18), cases.length, 'sizes');
      for (const [i, [over, width, batchSize]] of cases.entries()) {
        costs.push(await measure(series, over, width, batchSize, Number(rounds), sgdToo));
        progress.update(i + 1, `B ${batchSize}, m ${costs.at(-1)!.parameters}`);
      }
      progress.end();
    }
    console.log(`\n${report(costs)}\n\nJacobian: the reverse sweep. Gram matrix: B x B products of activations and cotangents. Inverse: Cholesky ` +
      'factorization and solve, in float64.');
    const files = await writeFigure(costFigure(costs, backend), join(out, 'cost'));
    console.log(`\nPlot: ${files.map(file => relative('', file)).join(', ')}`);
  },
};

function report(costs: Cost[]): string {
  const header = ['network', 'B', 'm', 'ggn ms', 'sgd ms', 'ratio', 'forward', 'Jacobian', 'Gram matrix', 'inverse', 'update'];
  return table(header, costs.map(({network, batchSize, parameters, parts, ...times}) => [
    network, String(batchSize), String(parameters), times.ggn.toFixed(1),
    ...(Number.isNaN(times.sgd) ? ['-', '-'] : [times.sgd.toFixed(1), (times.ggn / times.sgd).toFixed(2)]),
    ...(['capture', 'linearize', 'gram', 'solve', 'update'] as const).map(part => `${(100 * parts[part] / times.ggn).toFixed(0)} %`),
  ]));
}
