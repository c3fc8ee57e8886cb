/** One training run, as a user would write it: `model.compile` and `model.fit`; around it the clock and the loss of all rows. */
import * as tf from '@tensorflow/tfjs';
import type {Data, Part} from './data';

export const BATCH_SIZE = 128;

/** One optimizer of the comparison. */
export interface Contestant {
  name: string;
  /** In the plot. */
  colour: string;
  make: () => tf.Optimizer;
}

/** Where a run is after some epochs; the first point of a run is the start. */
export interface Point {
  epoch: number;
  /** Spent in training alone. */
  seconds: number;
  /** Mean squared error over all training rows, at the weights after this epoch. */
  loss: number;
}

export interface Run {
  contestant: Contestant;
  points: Point[];
  /** Root mean squared error over the validation rows at the end, in MPa. */
  validationError: number;
}

/** A run ends after so many epochs, or as soon as the training loss is this low. */
export interface Limits {
  epochs: number;
  loss: number;
}

/** Two epochs on a throw-away model: kernels and code are compiled, so that no run pays for what the others find ready. */
export async function warmUp(contestant: Contestant, data: Data): Promise<void> {
  await train(contestant, data, {epochs: 2, loss: 0}, () => {});
}

/**
 * Trains a fresh network with one optimizer. Every run starts from the same weights and sees the same batches in the same order.
 *
 * The clock runs from the beginning of each epoch to its end: it includes all that an optimizer does, also what ggn does only once
 * (its self-check), but not the evaluation in between.
 */
export async function train(contestant: Contestant, data: Data, limits: Limits, show: (point: Point) => void): Promise<Run> {
  const {x, y} = data.training;
  const model = network();
  const optimizer = contestant.make();
  model.compile({optimizer, loss: 'meanSquaredError'});

  const points: Point[] = [];
  const add = (epoch: number, seconds: number): void => {
    const point = {epoch, seconds, loss: evaluate(model, data.training)};
    points.push(point);
    show(point);
    model.stopTraining = point.loss <= limits.loss;
  };
  let seconds = 0;
  let started = 0;
  const recorder = new tf.CustomCallback({
    onTrainBegin: () => add(0, 0),
    onEpochBegin: () => {
      started = performance.now();
    },
    onEpochEnd: epoch => {
      seconds += (performance.now() - started) / 1000;
      add(epoch + 1, seconds);
    },
  });
  await withSeed(1, () => model.fit(x, y, {epochs: limits.epochs, batchSize: BATCH_SIZE, callbacks: recorder, verbose: 0}));

  const validationError = Math.sqrt(evaluate(model, data.validation)) * data.strengthDeviation;
  model.dispose();
  optimizer.dispose();
  return {contestant, points, validationError};
}

/** 8-64-64-1 with tanh; its initial weights are the same on each call. */
function network(): tf.LayersModel {
  const initializer = (seed: number) => tf.initializers.glorotUniform({seed});
  return tf.sequential({layers: [
    tf.layers.dense({units: 64, activation: 'tanh', kernelInitializer: initializer(1), inputShape: [8]}),
    tf.layers.dense({units: 64, activation: 'tanh', kernelInitializer: initializer(2)}),
    tf.layers.dense({units: 1, kernelInitializer: initializer(3)}),
  ]});
}

/** The mean squared error over all rows. */
function evaluate(model: tf.LayersModel, {x, y}: Part): number {
  return tf.tidy(() => (model.evaluate(x, y, {batchSize: x.shape[0]}) as tf.Scalar).dataSync()[0]);
}

/** tfjs shuffles by Math.random and takes no seed; with this, every run sees the rows in the same order. */
export async function withSeed<T>(seed: number, run: () => T | Promise<T>): Promise<T> {
  const {random} = Math;
  let state = seed;
  Math.random = () => { // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let hash = Math.imul(state ^ (state >>> 15), state | 1);
    hash ^= hash + Math.imul(hash ^ (hash >>> 7), hash | 61);
    return ((hash ^ (hash >>> 14)) >>> 0) / 2 ** 32;
  };
  try {
    return await run();
  } finally {
    Math.random = random;
  }
}
