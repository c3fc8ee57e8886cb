/** Grey images with a number each: what every loader gives, and what training takes of it. */
import * as tf from '@tensorflow/tfjs';

export interface ImageSet {
  title: string;
  /** Of the target. */
  unit: string;
  /** Side of the square images, in pixels. */
  size: number;
  /** Grey values from 0 to 1, image by image, row by row. */
  pixels: Float32Array;
  /** One per image. */
  targets: Float32Array;
}

export interface Part {
  /** Standardised pixels, examples x side x side x 1. */
  x: tf.Tensor4D;
  /** Standardised target, examples x 1. */
  y: tf.Tensor2D;
}

export interface Data {
  training: Part;
  validation: Part;
  /** Standard deviation of the target among the training images: turns a standardised error back into the unit of the target. */
  deviation: number;
}

/** Holds the last `held` images out for validation; standardises pixels and target with one mean and deviation each, of the others. */
export function split({size, pixels, targets}: ImageSet, held: number): Data {
  const training = targets.length - held;
  if (training < 1) {
    throw new Error(`${targets.length} images are too few to hold ${held} out for validation.`);
  }
  const standardised = (values: Float32Array, each: number): {values: Float32Array; deviation: number} => {
    const {mean, deviation} = meanAndDeviation(values.subarray(0, training * each));
    return {values: values.map(value => (value - mean) / deviation), deviation};
  };
  const x = standardised(pixels, size ** 2);
  const y = standardised(targets, 1);
  const part = (from: number, to: number): Part => ({
    x: tf.tensor4d(x.values.slice(from * size ** 2, to * size ** 2), [to - from, size, size, 1]),
    y: tf.tensor2d(y.values.slice(from, to), [to - from, 1]),
  });
  return {training: part(0, training), validation: part(training, targets.length), deviation: y.deviation};
}

function meanAndDeviation(values: Float32Array): {mean: number; deviation: number} {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  if (variance === 0) {
    throw new Error('all pixels or all targets of the training images are equal: there is nothing to learn.');
  }
  return {mean, deviation: Math.sqrt(variance)};
}
