/** `model.fit` as a user would write it; around it the clock and a measurement after every epoch. */
import * as tf from '@tensorflow/tfjs';
import {withSeed} from './random';
import type {Point} from './run';

export interface Examples {
  x: tf.Tensor;
  y: tf.Tensor;
}

export interface EpochPoint extends Point {
  epoch: number;
}

export interface FitOptions<P extends EpochPoint> {
  epochs: number;
  batchSize: number;
  /** At the weights after an epoch, and before the first. */
  measure: () => Omit<P, 'epoch' | 'seconds'>;
  show: (point: P) => void;
  /** Whether the run may end here. */
  isEnough?: (point: P) => boolean;
}

/**
 * Trains a compiled model. Every call sees the same batches in the same order.
 *
 * The clock runs from the beginning of each epoch to its end: it includes all that an optimizer does, also what ggn does only once
 * (its self-check), but not the measurement in between.
 */
export async function timedFit<P extends EpochPoint>(model: tf.LayersModel, {x, y}: Examples, options: FitOptions<P>): Promise<P[]> {
  const points: P[] = [];
  const add = (epoch: number, seconds: number): void => {
    const point = {epoch, seconds, ...options.measure()} as P;
    points.push(point);
    options.show(point);
    model.stopTraining = options.isEnough?.(point) ?? false;
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
  await withSeed(1, () => model.fit(x, y, {epochs: options.epochs, batchSize: options.batchSize, callbacks: recorder, verbose: 0}));
  return points;
}

/** The mean squared error over all examples. */
export function evaluate(model: tf.LayersModel, {x, y}: Examples): number {
  return tf.tidy(() => (model.evaluate(x, y, {batchSize: x.shape[0]}) as tf.Scalar).dataSync()[0]);
}
