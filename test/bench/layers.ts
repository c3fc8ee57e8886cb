/** The networks of the table of layers: convolutions, a recurrent layer, an embedding; many outputs; few parameters. */
import * as tf from '@tensorflow/tfjs';
import {BATCH, network} from './networks';

export interface LayerCase {
  readonly title: string;
  model(optimizer: tf.Optimizer): tf.LayersModel;
  /** The i-th batch. */
  batch(i: number): {x: tf.Tensor; y: tf.Tensor};
  /** Batches that training goes through, in turn; 1 by default. */
  readonly batches?: number;
}

const targets = (): tf.Tensor => tf.randomNormal([BATCH, 1], 0, 1, 'float32', 2);

function compiled(layers: readonly tf.layers.Layer[], optimizer: tf.Optimizer): tf.LayersModel {
  const model = tf.sequential({layers: [...layers]});
  model.compile({optimizer, loss: 'meanSquaredError'});
  return model;
}

const kernelInitializer = (seed: number): ReturnType<typeof tf.initializers.glorotNormal> => tf.initializers.glorotNormal({seed});

export const LAYER_CASES: Record<string, LayerCase> = {
  cnn: {
    title: 'CNN 28x28x1: conv 16, conv 32 stride 2, conv 64 stride 2, dense 1',
    model: optimizer => compiled([
      ...[16, 32, 64].map((filters, i) => tf.layers.conv2d({filters, strides: i === 0 ? 1 : 2, kernelSize: 3, activation: 'relu', padding: 'same',
        kernelInitializer: kernelInitializer(7 + i), ...(i === 0 ? {inputShape: [28, 28, 1]} : {})})),
      tf.layers.flatten(),
      tf.layers.dense({units: 1, kernelInitializer: kernelInitializer(10)}),
    ], optimizer),
    batch: () => ({x: tf.randomNormal([BATCH, 28, 28, 1], 0, 1, 'float32', 1), y: targets()}),
  },
  lstm: {
    title: 'LSTM 32 on 20 steps of 8 features, dense 1',
    model: optimizer => compiled([
      tf.layers.lstm({units: 32, inputShape: [20, 8], kernelInitializer: kernelInitializer(7), recurrentInitializer: kernelInitializer(8)}),
      tf.layers.dense({units: 1, kernelInitializer: kernelInitializer(9)}),
    ], optimizer),
    batch: () => ({x: tf.randomNormal([BATCH, 20, 8], 0, 1, 'float32', 1), y: targets()}),
  },
  embedding: {
    title: 'Embedding 10,000 x 64, 20 tokens, global average, dense 64, dense 1',
    model: optimizer => compiled([
      tf.layers.embedding({inputDim: 10000, outputDim: 64, inputLength: 20}),
      tf.layers.globalAveragePooling1d({}),
      tf.layers.dense({units: 64, activation: 'tanh', kernelInitializer: kernelInitializer(7)}),
      tf.layers.dense({units: 1, kernelInitializer: kernelInitializer(8)}),
    ], optimizer),
    batch: () => ({x: tf.randomUniform([BATCH, 20], 0, 10000, 'int32', 1), y: targets()}),
  },
  outputs: {
    title: 'Many outputs: 784-256-10, tanh: 1,280 rows',
    model: optimizer => network([784, 256, 10], optimizer),
    // One batch alone would be fitted to the last digit in five steps.
    batches: 16,
    batch: i => ({x: tf.randomNormal([BATCH, 784], 0, 1, 'float32', 2 * i + 1), y: tf.randomNormal([BATCH, 10], 0, 1, 'float32', 2 * i + 2)}),
  },
  sinc: {
    title: 'Few parameters: 1-20-1, tanh, on sinc(10x), batch 1,000, 61 parameters',
    model: optimizer => network([1, 20, 1], optimizer),
    batch: () => {
      const x = tf.randomUniform([1000, 1], -1, 1, 'float32', 1);
      return {x, y: tf.tidy(() => tf.div(tf.sin(tf.mul(x, 10 * Math.PI)), tf.mul(x, 10 * Math.PI)))};
    },
  },
};
