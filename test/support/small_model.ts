/** Eight examples and a network 3-4-1, for tests of the things around a step. */
import * as tf from '@tensorflow/tfjs';
import {ggn, type GgnOptions, type GramGaussNewton} from '../../src/index';
import {seededDense} from './models';

export const smallData = (): {x: tf.Tensor2D; y: tf.Tensor2D} => ({
  x: tf.tensor2d(Array.from({length: 24}, (_, i) => Math.sin(1 + i)), [8, 3]),
  y: tf.tensor2d(Array.from({length: 8}, (_, i) => Math.cos(2 * i)), [8, 1]),
});

export function compiled(options: GgnOptions = {}): {model: tf.Sequential; optimizer: GramGaussNewton} {
  const model = tf.sequential({layers: [seededDense(4, 1, {inputShape: [3], activation: 'tanh'}), seededDense(1, 2, {})]});
  const optimizer = ggn(options);
  model.compile({optimizer, loss: 'meanSquaredError'});
  return {model, optimizer};
}
