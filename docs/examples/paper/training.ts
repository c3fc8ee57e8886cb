/** One training run of the residual network: `compile` and `fit`, and what is measured after each epoch. */
import * as tf from '@tensorflow/tfjs';
import {timedFit} from '../shared/fit';
import type {EpochPoint} from '../shared/fit';
import type {Contestant, Run} from '../shared/run';
import type {Data, Part} from './images/image_set';
import {residualNetwork} from './resnet';
import type {Architecture} from './resnet';

export const BATCH_SIZE = 128;

/** Images at a time where nothing is trained. */
const EVALUATED = 512;

/** The loss is the mean squared error over all training images, target standardised. */
export interface ImagePoint extends EpochPoint {
  /** Root mean squared error over the validation images, in the unit of the target. */
  error: number;
}

/** Trains a fresh network. Every run starts from the same weights and sees the same batches in the same order. */
export async function train(contestant: Contestant, architecture: Architecture, data: Data, epochs: number,
    show: (point: ImagePoint) => void = () => {}): Promise<Run<ImagePoint>> {
  const model = residualNetwork(architecture);
  const optimizer = contestant.make();
  model.compile({optimizer, loss: 'meanSquaredError'});
  const measure = () => ({loss: evaluate(model, data.training), error: Math.sqrt(evaluate(model, data.validation)) * data.deviation});
  const points = await timedFit<ImagePoint>(model, data.training, {epochs, batchSize: BATCH_SIZE, measure, show});
  model.dispose();
  optimizer.dispose();
  return {contestant, points};
}

/** The mean squared error. */
function evaluate(model: tf.LayersModel, {x, y}: Part): number {
  return tf.tidy(() => (model.evaluate(x, y, {batchSize: EVALUATED}) as tf.Scalar).dataSync()[0]);
}
