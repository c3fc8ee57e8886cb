/** One training run, as a user would write it: `model.compile` and `model.fit`. */
import * as tf from '@tensorflow/tfjs';
import {evaluate, timedFit} from '../shared/fit';
import type {EpochPoint} from '../shared/fit';
import type {Contestant, Run} from '../shared/run';
import type {Data} from './data';

export const BATCH_SIZE = 128;

/** The loss is the mean squared error over all training rows, at the weights after the epoch. */
export interface ConcretePoint extends EpochPoint {
  /** Root mean squared error over the validation rows, in MPa. */
  validation: number;
}

export type ConcreteRun = Run<ConcretePoint>;

/** A run ends after so many epochs, or as soon as the training loss is this low. */
export interface Limits {
  epochs: number;
  loss: number;
}

/** Two epochs on a throw-away model: kernels and code are compiled, so that no run pays for what the others find ready. */
export async function warmUp(contestant: Contestant, data: Data): Promise<void> {
  await train(contestant, data, {epochs: 2, loss: 0}, () => {});
}

/** Trains a fresh network with one optimizer. Every run starts from the same weights and sees the same batches in the same order. */
export async function train(contestant: Contestant, data: Data, limits: Limits, show: (point: ConcretePoint) => void): Promise<ConcreteRun> {
  const model = network();
  const optimizer = contestant.make();
  model.compile({optimizer, loss: 'meanSquaredError'});
  const validation = (): number => Math.sqrt(evaluate(model, data.validation)) * data.strengthDeviation;
  const points = await timedFit<ConcretePoint>(model, data.training, {epochs: limits.epochs, batchSize: BATCH_SIZE, show,
    measure: () => ({loss: evaluate(model, data.training), validation: validation()}), isEnough: ({loss}) => loss <= limits.loss});
  model.dispose();
  optimizer.dispose();
  return {contestant, points};
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
