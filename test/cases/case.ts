/** The type of a case, and the functions from which the lists of cases are made. */
import * as tf from '@tensorflow/tfjs';
import {normals, product, uniforms} from './data';
import type {Data} from './data';

export type Backend = 'cpu' | 'wasm' | 'webgl' | 'tensorflow';

/** A function of tf.layers that makes a layer. */
export type LayerName = Exclude<keyof typeof tf.layers, 'Layer' | 'RNN' | 'RNNCell' | 'input'>;

export interface Batch {
  x: tf.Tensor | tf.Tensor[];
  y: tf.Tensor | tf.Tensor[];
}

export interface Case {
  name: string;
  /** The layers whose support the case proves, without those that only stand around them. */
  layers: LayerName[];
  /** Features beside layers that the case proves. */
  feature?: string;
  /** A fresh model, with the same weights on each call. Compiling it is left to the test. */
  model: () => tf.LayersModel;
  /** Inputs and targets, the same on each call; of another size where the model takes any. */
  batch: (size?: number) => Batch;
  /** Examples in the batch. */
  batchSize: number;
  /** For compile(): of the one head or of each. */
  loss: string | string[];
  /** Where f() itself can run, and runs rightly. */
  backends: Backend[];
  /**
   * How the optimizer takes it: 'fallback' if the Jacobian of some variable is taken example by example, since no rule knows the kernel
   * that consumes it; 'frozen' if a layer mixes the batch, so that its statistics count as constants.
   */
  kind: 'fast' | 'fallback' | 'frozen';
  /** The error, if the optimizer must refuse the model. */
  refused?: RegExp;
  /** The same for some backends only. */
  refusedOn?: {[backend in Backend]?: RegExp};
}

export interface Description {
  build: () => tf.LayersModel;
  /** One input, or a list of them. */
  x: Data | Data[];
  /** One target, or a list of them: real, of this shape per example. */
  y: Data | Data[];
  /** Default: 4. */
  batchSize?: number;
  /** Default: all. */
  backends?: Backend[];
  /** Default: 'fast'. */
  kind?: 'fast' | 'fallback' | 'frozen';
  feature?: string;
  refused?: RegExp;
  refusedOn?: {[backend in Backend]?: RegExp};
}

const EVERYWHERE: Backend[] = ['cpu', 'wasm', 'webgl', 'tensorflow'];

/** For cases of these layers: a function of their name and description. */
export function proving(...layers: LayerName[]): (name: string, description: Description) => Case {
  return (name, {build, x, y, batchSize = 4, backends = EVERYWHERE, kind = 'fast', ...more}) => ({
    name,
    layers,
    model: () => {
      const model = build();
      setWeights(model, name);
      return model;
    },
    batch: (size = batchSize) => ({x: makeData(x, `${name}/x`, size), y: makeData(y, `${name}/y`, size)}),
    batchSize,
    loss: Array.isArray(y) ? y.map(() => 'meanSquaredError') : 'meanSquaredError',
    backends,
    kind,
    ...more
  });
}

function makeData(data: Data | Data[], seed: string, batchSize: number): tf.Tensor | tf.Tensor[] {
  return Array.isArray(data) ? data.map((one, i) => one(`${seed}${i}`, batchSize)) : data(seed, batchSize);
}

/** Every weight normal of scale 0.4, frozen ones included; only the moving statistics of batch normalisation stay as they are. */
export function setWeights(model: tf.LayersModel, seed: string): void {
  tf.tidy(() => {
    model.weights.forEach((weight, i) => {
      if (!/moving_(mean|variance)/.test(weight.originalName)) {
        const shape = weight.shape as number[];
        weight.write(tf.tensor(normals(`${seed}/weight${i}`, product(shape), 0.4), shape));
      }
    });
  });
}

/** A Sequential model of these layers. */
export function sequential(...layers: tf.layers.Layer[]): tf.LayersModel {
  return tf.sequential({layers});
}

/** A functional model with inputs of these shapes per example. */
export function functional(shapes: number[][], call: (inputs: tf.SymbolicTensor[]) => tf.SymbolicTensor | tf.SymbolicTensor[]): tf.LayersModel {
  const inputs = shapes.map(shape => tf.input({shape}));
  return tf.model({inputs, outputs: call(inputs)});
}

export function applied(layer: tf.layers.Layer, ...inputs: tf.SymbolicTensor[]): tf.SymbolicTensor {
  return layer.apply(inputs.length === 1 ? inputs[0] : inputs) as tf.SymbolicTensor;
}

export type Activation = 'linear' | 'relu' | 'elu' | 'tanh' | 'sigmoid' | 'softplus' | 'selu' | 'softmax' | 'relu6' | 'hardSigmoid' | 'softsign' | 'swish' | 'mish' |
  'gelu' | 'gelu_new' | 'logSoftmax';

export function dense(units: number, activation: Activation = 'linear', more: object = {}): tf.layers.Layer {
  return tf.layers.dense({units, activation: activation as 'linear', ...more});
}

/** The layer with the same random numbers in every call. (Without a seed tfjs draws them from Math.random.) */
export function seeded<T extends tf.layers.Layer>(layer: T): T {
  const call = layer.call.bind(layer);
  layer.call = (...args) => {
    const random = Math.random;
    Math.random = uniforms(layer.getClassName());
    try {
      return call(...args);
    } finally {
      Math.random = random;
    }
  };
  return layer;
}
