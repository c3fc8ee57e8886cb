/** The tasks of the benchmark: data, network and how long the optimizers may train. */
import * as tf from '@tensorflow/tfjs';
import {seededRandom} from '../../../docs/examples/shared/random';
import type {NodeBackend} from '../../support/backends';
import {friedman, mackeyGlass, readExamples, rotated, shuffled, sinc, spirals} from './examples';
import type {Example, Random} from './examples';

/** Sizes of the batches; 'full' is all training rows. */
export type Batch = 32 | 128 | 'full';
export const BATCHES: readonly Batch[] = [32, 128, 'full'];

/** Epochs that every run of an optimizer gets. */
export interface Epochs {
  readonly baseline: number;
  readonly ggn: number;
}

export interface Task {
  readonly name: string;
  readonly title: string;
  /** WASM, but where tfjs cannot train there. */
  readonly backend: NodeBackend;
  /** Shape of the input of one example. */
  readonly shape: readonly number[];
  /** Rows to train on; the others are for validation. */
  readonly training: number;
  readonly epochs: Readonly<Record<Batch, Epochs>>;
  /** All examples; the first `training` of them are trained on. */
  examples(random: Random): Example[];
  layers(seed: number): tf.layers.Layer[];
}

type Activation = 'tanh' | 'relu';

/** Initial weights of the l-th layer of a seed's network. */
const glorot = (seed: number, l: number): ReturnType<typeof tf.initializers.glorotUniform> => tf.initializers.glorotUniform({seed: 100 * seed + l + 1});

/** inputs-hidden-hidden-1. */
const dense = (inputs: number, hidden: number, activation: Activation): Task['layers'] => seed => [
  tf.layers.dense({units: hidden, activation, inputShape: [inputs], kernelInitializer: glorot(seed, 0)}),
  tf.layers.dense({units: hidden, activation, kernelInitializer: glorot(seed, 1)}),
  tf.layers.dense({units: 1, kernelInitializer: glorot(seed, 2)}),
];

const cnn: Task['layers'] = seed => [
  tf.layers.conv2d({filters: 8, kernelSize: 3, padding: 'same', activation: 'relu', inputShape: [8, 8, 1], kernelInitializer: glorot(seed, 0)}),
  tf.layers.conv2d({filters: 16, kernelSize: 3, strides: 2, padding: 'same', activation: 'relu', kernelInitializer: glorot(seed, 1)}),
  tf.layers.flatten(),
  tf.layers.dense({units: 32, activation: 'relu', kernelInitializer: glorot(seed, 2)}),
  tf.layers.dense({units: 1, kernelInitializer: glorot(seed, 3)}),
];

const lstm = (steps: number, units: number): Task['layers'] => seed => [
  tf.layers.lstm({units, inputShape: [steps, 1], kernelInitializer: glorot(seed, 0), recurrentInitializer: tf.initializers.orthogonal({seed: 100 * seed + 2})}),
  tf.layers.dense({units: 1, kernelInitializer: glorot(seed, 2)}),
];

const file = (path: string) => (random: Random): Example[] => shuffled(readExamples(path), random);

const DIGITS = '../../../docs/examples/digits/data/digits.csv.gz';

const epochs = (at32: [number, number], at128: [number, number], full: [number, number]): Task['epochs'] => {
  const of = ([baseline, ggn]: [number, number]): Epochs => ({baseline, ggn});
  return {32: of(at32), 128: of(at128), full: of(full)};
};

export const TASKS: readonly Task[] = [
  {
    name: 'concrete', title: 'concrete strength, 8-64-64-1 tanh', backend: 'wasm', shape: [8], training: 824,
    epochs: epochs([80, 60], [200, 80], [400, 60]),
    examples: file('../../../docs/examples/concrete/data/concrete.csv'), layers: dense(8, 64, 'tanh'),
  },
  {
    name: 'diabetes', title: 'diabetes, 10-32-32-1 tanh', backend: 'wasm', shape: [10], training: 353,
    epochs: epochs([60, 30], [200, 60], [500, 60]),
    examples: file('data/diabetes.csv'), layers: dense(10, 32, 'tanh'),
  },
  {
    name: 'digits', title: 'digits\' value, 64-64-64-1 relu', backend: 'wasm', shape: [64], training: 1000,
    epochs: epochs([40, 30], [100, 50], [250, 50]),
    examples: file(DIGITS), layers: dense(64, 64, 'relu'),
  },
  {
    name: 'spirals', title: 'two spirals, 2-32-32-1 tanh', backend: 'wasm', shape: [2], training: 400,
    epochs: epochs([100, 40], [240, 80], [500, 80]),
    examples: random => spirals(800, random), layers: dense(2, 32, 'tanh'),
  },
  {
    name: 'sinc', title: 'sinc, 1-32-32-1 tanh', backend: 'wasm', shape: [1], training: 400,
    epochs: epochs([100, 40], [240, 100], [600, 80]),
    examples: random => sinc(800, random), layers: dense(1, 32, 'tanh'),
  },
  {
    name: 'friedman', title: 'Friedman with noise, 6-32-32-1 relu', backend: 'wasm', shape: [6], training: 600,
    epochs: epochs([80, 60], [160, 80], [500, 60]),
    examples: random => friedman(1600, random), layers: dense(6, 32, 'relu'),
  },
  {
    name: 'rotated', title: 'angle of rotated digits, CNN relu', backend: 'tensorflow', shape: [8, 8, 1], training: 800,
    epochs: epochs([20, 16], [50, 30], [150, 40]),
    examples: random => rotated(shuffled(readExamples(DIGITS), random).slice(0, 1600), random), layers: cnn,
  },
  {
    name: 'series', title: 'Mackey-Glass series, LSTM 16', backend: 'wasm', shape: [10, 1], training: 512,
    epochs: epochs([16, 12], [40, 25], [80, 50]),
    examples: random => mackeyGlass(1000, 10, random), layers: lstm(10, 16),
  },
];

export function taskNamed(name: string): Task {
  const task = TASKS.find(candidate => candidate.name === name);
  if (task === undefined) {
    throw new Error(`unknown task '${name}'; known are ${TASKS.map(({name}) => name).join(', ')}`);
  }
  return task;
}

/** Standardised rows of a part of the data, examples x shape, and targets. */
export interface Part {
  readonly x: tf.Tensor;
  readonly y: tf.Tensor;
}

export interface Data {
  readonly training: Part;
  readonly validation: Part;
}

/** The data of a seed: a split, and where they are generated other draws. Standardised with the statistics of the training rows. */
export function dataOf(task: Task, seed: number): Data {
  const examples = task.examples(seededRandom(1000 + seed));
  const training = examples.slice(0, task.training);
  const target = deviation(training.map(({y}) => y));
  // Images and series: one mean and deviation for all pixels and steps.
  const together = task.shape.length > 1 ? deviation(training.flatMap(({x}) => x)) : null;
  const columns = training[0].x.map((_, c) => together ?? deviation(training.map(({x}) => x[c])));
  const part = (rows: readonly Example[]): Part => ({
    x: tf.tensor(rows.flatMap(({x}) => x.map((value, c) => (value - columns[c].mean) / columns[c].deviation)), [rows.length, ...task.shape]),
    y: tf.tensor(rows.map(({y}) => (y - target.mean) / target.deviation), [rows.length, 1]),
  });
  return {training: part(training), validation: part(examples.slice(task.training))};
}

/** A column that is constant keeps its scale. */
function deviation(values: readonly number[]): {mean: number; deviation: number} {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return {mean, deviation: Math.sqrt(variance) || 1};
}

/** The network of a seed, its initial weights the same on each call. */
export function networkOf(task: Task, seed: number): tf.LayersModel {
  return tf.sequential({layers: task.layers(seed)});
}
