/** One training run of the residual network: `compile` and `fit`; around it the clock, and the loss of all images. */
import * as tf from '@tensorflow/tfjs';
import {withSeed} from '../concrete/train';
import type {Data, Part} from './images/image_set';
import {residualNetwork} from './resnet';
import type {Architecture} from './resnet';

export const BATCH_SIZE = 128;

/** Images at a time where nothing is trained. */
const EVALUATED = 512;

/** One optimizer of the comparison. */
export interface Contestant {
  name: string;
  /** In the plot. */
  colour: string;
  /** Whether it needs tfjs's own gradients, and gets more epochs. */
  firstOrder: boolean;
  make: () => tf.Optimizer;
}

/** Where a run is after some epochs; the first point of a run is the start. */
export interface Point {
  epoch: number;
  /** Spent in training alone. */
  seconds: number;
  /** Mean squared error over all training images, target standardised. */
  loss: number;
  /** Root mean squared error over the validation images, in the unit of the target. */
  error: number;
}

export interface Run {
  contestant: Contestant;
  points: Point[];
}

/** Trains a fresh network. Every run starts from the same weights and sees the same batches in the same order. */
export async function train(contestant: Contestant, architecture: Architecture, data: Data, epochs: number,
    show: (point: Point) => void = () => {}): Promise<Run> {
  const model = residualNetwork(architecture);
  const optimizer = contestant.make();
  model.compile({optimizer, loss: 'meanSquaredError'});
  const points: Point[] = [];
  const add = (epoch: number, seconds: number): void => {
    points.push({epoch, seconds, loss: evaluate(model, data.training), error: Math.sqrt(evaluate(model, data.validation)) * data.deviation});
    show(points.at(-1)!);
  };
  let [seconds, started] = [0, 0];
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
  const {x, y} = data.training;
  await withSeed(1, () => model.fit(x, y, {epochs, batchSize: BATCH_SIZE, callbacks: recorder, verbose: 0}));
  model.dispose();
  optimizer.dispose();
  return {contestant, points};
}

function evaluate(model: tf.LayersModel, {x, y}: Part): number {
  return tf.tidy(() => (model.evaluate(x, y, {batchSize: EVALUATED}) as tf.Scalar).dataSync()[0]);
}
