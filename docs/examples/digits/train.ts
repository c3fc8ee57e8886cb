/** One training run, as a user would write it: `model.compile` and `model.fit`. */
import * as tf from '@tensorflow/tfjs';
import {evaluate, timedFit} from '../shared/fit';
import type {EpochPoint, Examples} from '../shared/fit';
import type {Contestant, Run} from '../shared/run';
import {ANGLE_DEVIATION, SIZE} from './data';
import type {Data} from './data';

export const BATCH_SIZE = 128;

export interface DigitsContestant extends Contestant {
  /** Epochs of its run. */
  epochs: number;
}

/** The loss is that of all training digits, at the weights after the epoch. */
export interface DigitsPoint extends EpochPoint {
  /** Root mean squared error of the angle over the held-out digits, in degrees. */
  heldOut: number;
}

/** An epoch of two batches, a full and a short one, on a throw-away model: kernels and code are compiled, so that no run pays for what the others find ready. */
export async function warmUp(contestant: DigitsContestant, {training: {x, y}, heldOut}: Data): Promise<void> {
  const count = BATCH_SIZE + x.shape[0] % BATCH_SIZE;
  const training = {x: x.slice(0, count), y: y.slice(0, count)};
  await train({...contestant, epochs: 1}, {training, heldOut}, () => {});
  tf.dispose(training as unknown as tf.TensorContainer);
}

/** Trains a fresh network with one optimizer. Every run starts from the same weights and sees the same batches in the same order. */
export async function train(contestant: DigitsContestant, {training, heldOut}: Data, show: (point: DigitsPoint) => void): Promise<Run<DigitsPoint>> {
  const model = network();
  const optimizer = contestant.make();
  model.compile({optimizer, loss: 'meanSquaredError'});
  const degrees = (examples: Examples): number => Math.sqrt(evaluate(model, examples)) * ANGLE_DEVIATION;
  const points = await timedFit<DigitsPoint>(model, training, {epochs: contestant.epochs, batchSize: BATCH_SIZE, show,
    measure: () => ({loss: evaluate(model, training), heldOut: degrees(heldOut)})});
  model.dispose();
  optimizer.dispose();
  return {contestant, points};
}

/** Three convolutions and two dense layers, 22,337 parameters; the initial weights are the same on each call. */
export function network(): tf.LayersModel {
  const relu = (seed: number) => ({activation: 'relu', kernelInitializer: tf.initializers.heNormal({seed})} as const);
  const convolution = {kernelSize: 3, padding: 'same'} as const;
  return tf.sequential({layers: [
    tf.layers.conv2d({...convolution, filters: 8, inputShape: [SIZE, SIZE, 1], ...relu(1)}),
    tf.layers.conv2d({...convolution, filters: 16, strides: 2, ...relu(2)}),
    tf.layers.conv2d({...convolution, filters: 32, strides: 2, ...relu(3)}),
    tf.layers.flatten(),
    tf.layers.dense({units: 32, ...relu(4)}),
    tf.layers.dense({units: 1, kernelInitializer: tf.initializers.glorotNormal({seed: 5})}),
  ]});
}
