/** Layers with weights from seeds, and the weights of models. */
import * as tf from '@tensorflow/tfjs';
import {numbersOf} from './tensors';

/** Initializers of a layer: normal numbers for the kernel, of this deviation, and for the bias. */
export const normalWeights = (seed: number, stddev = 0.5) => ({
  kernelInitializer: tf.initializers.randomNormal({stddev, seed}), biasInitializer: tf.initializers.randomNormal({stddev: 0.3, seed: seed + 50})});

/** A Dense layer whose kernel is glorotUniform's and whose bias is zero, unless `more` says otherwise. */
export const seededDense = (units: number, seed: number, more: object = {}): tf.layers.Layer =>
  tf.layers.dense({units, kernelInitializer: tf.initializers.glorotUniform({seed}), ...more});

/** The kernel of glorotUniform from a seed. */
export const glorotUniform = (seed: number) => ({kernelInitializer: tf.initializers.glorotUniform({seed})});

/** The kernel of glorotNormal from a seed. */
export const glorotNormal = (seed: number) => ({kernelInitializer: tf.initializers.glorotNormal({seed})});

/** The output of a layer on symbolic inputs. */
export const apply = (layer: tf.layers.Layer, ...x: tf.SymbolicTensor[]): tf.SymbolicTensor =>
  layer.apply(x.length === 1 ? x[0] : x) as tf.SymbolicTensor;

/** The variables that model.fit trains, in its order. */
export const variablesOf = (model: tf.LayersModel): tf.Variable[] => model.trainableWeights.map(weight => weight.read() as tf.Variable);

/** All numbers of all weights, those that are not trained included. */
export const weightsOf = (model: tf.LayersModel): number[] => numbersOf(model.getWeights());
