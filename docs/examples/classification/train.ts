/** One training run, as a user would write it: `model.compile` and `model.fit`. */
import * as tf from '@tensorflow/tfjs';
import {timedFit} from '../shared/fit';
import type {EpochPoint, Examples} from '../shared/fit';
import type {Contestant, Run} from '../shared/run';
import {CLASSES, PIXELS} from './data';
import type {Data} from './data';

export const BATCH_SIZE = 32;

export interface ClassificationContestant extends Contestant {
  /** Epochs of its run. */
  epochs: number;
}

/** The loss is the cross-entropy of all training digits, at the weights after the epoch. */
export interface ClassificationPoint extends EpochPoint {
  /** Cross-entropy of the held-out digits. */
  heldOut: number;
  /** Share of the held-out digits told rightly. */
  accuracy: number;
}

/** A few batches on a throw-away model: kernels and code are compiled, so that no run pays for what the others find ready. */
export async function warmUp(contestant: ClassificationContestant, {training: {x, y}, heldOut}: Data): Promise<void> {
  const count = BATCH_SIZE + x.shape[0] % BATCH_SIZE;
  const training = {x: x.slice(0, count), y: y.slice(0, count)};
  await train({...contestant, epochs: 1}, {training, heldOut}, () => {});
  tf.dispose(training as unknown as tf.TensorContainer);
}

/** Trains a fresh network with one optimizer. Every run starts from the same weights and sees the same batches in the same order. */
export async function train(contestant: ClassificationContestant, {training, heldOut}: Data, show: (point: ClassificationPoint) => void): Promise<Run<ClassificationPoint>> {
  const model = network();
  const optimizer = contestant.make();
  model.compile({optimizer, loss: 'categoricalCrossentropy', metrics: ['accuracy']});
  const evaluate = ({x, y}: Examples): number[] => {
    const found = model.evaluate(x, y, {batchSize: x.shape[0]}) as tf.Scalar[];
    const numbers = found.map(t => t.dataSync()[0]);
    tf.dispose(found);
    return numbers;
  };
  const points = await timedFit<ClassificationPoint>(model, training, {epochs: contestant.epochs, batchSize: BATCH_SIZE, show, measure: () => {
    const [held, accuracy] = evaluate(heldOut);
    return {loss: evaluate(training)[0], heldOut: held, accuracy};
  }});
  model.dispose();
  optimizer.dispose();
  return {contestant, points};
}

/** 64 - 32 - 10, 2,410 parameters; the initial weights are the same on each call. */
export function network(): tf.LayersModel {
  return tf.sequential({layers: [
    tf.layers.dense({units: 32, inputShape: [PIXELS], activation: 'relu', kernelInitializer: tf.initializers.heNormal({seed: 1})}),
    tf.layers.dense({units: CLASSES, activation: 'softmax', kernelInitializer: tf.initializers.glorotNormal({seed: 2})}),
  ]});
}
