/** The networks of the tasks; a split has its own initial weights. */
import * as tf from '@tensorflow/tfjs';
import type {Task} from './tasks';

/** Initial weights of the l-th layer of a split's network. */
const glorot = (split: number, l: number): ReturnType<typeof tf.initializers.glorotUniform> =>
  tf.initializers.glorotUniform({seed: 100 * split + l + 1});

/** The same initial weights on each call. */
export function networkOf(task: Task, split: number, columns: number): tf.LayersModel {
  return tf.sequential({layers: layersOf(task, split, columns)});
}

function layersOf({network, loss, shape}: Task, split: number, columns: number): tf.layers.Layer[] {
  const head = (l: number): tf.layers.Layer =>
    tf.layers.dense({units: loss.outputs, activation: loss.activation, kernelInitializer: glorot(split, l)});
  switch (network.kind) {
    case 'dense': {
      const {hidden, activation} = network;
      return [
        tf.layers.dense({units: hidden, activation, inputShape: [columns], kernelInitializer: glorot(split, 0)}),
        tf.layers.dense({units: hidden, activation, kernelInitializer: glorot(split, 1)}),
        head(2),
      ];
    }
    case 'cnn': {
      const common = {kernelSize: 3, padding: 'same', activation: 'relu'} as const;
      return [
        tf.layers.conv2d({...common, filters: 8, inputShape: [...shape!], kernelInitializer: glorot(split, 0)}),
        tf.layers.conv2d({...common, filters: 16, strides: 2, kernelInitializer: glorot(split, 1)}),
        tf.layers.flatten(),
        tf.layers.dense({units: 32, activation: 'relu', kernelInitializer: glorot(split, 2)}),
        head(3),
      ];
    }
    case 'lstm':
      return [
        tf.layers.lstm({units: 16, inputShape: [...shape!], kernelInitializer: glorot(split, 0),
          recurrentInitializer: tf.initializers.orthogonal({seed: 100 * split + 2})}),
        head(2),
      ];
  }
}
