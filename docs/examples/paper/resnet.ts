/**
 * A small residual network without batch normalisation, after Fixup (Zhang, Dauphin, Ma, arXiv 1901.09321): the last convolution of every
 * residual branch starts at 0, the first of it is scaled by L^(-1/2), L being the number of branches.
 */
import * as tf from '@tensorflow/tfjs';

export interface Architecture {
  /** Side of the square grey images, in pixels. */
  size: number;
  /** Channels of the first stage; each further stage halves the side and doubles the channels. */
  channels: number;
  stages: number;
  /** Residual branches per stage, of two 3 x 3 convolutions each. */
  branches: number;
}

/** Image in, one number out; its initial weights are the same on each call. */
export function residualNetwork({size, channels, stages, branches}: Architecture): tf.LayersModel {
  let seed = 0;
  const scaled = (scale: number) => tf.initializers.varianceScaling({scale, mode: 'fanIn', distribution: 'normal', seed: ++seed});
  const convolution = (filters: number, kernelSize: number, strides: number, kernelInitializer: ReturnType<typeof scaled> | 'zeros') =>
    tf.layers.conv2d({filters, kernelSize, strides, padding: 'same', kernelInitializer});
  const relu = (x: tf.SymbolicTensor): tf.SymbolicTensor => tf.layers.reLU().apply(x) as tf.SymbolicTensor;

  const branch = (x: tf.SymbolicTensor, filters: number, strides: number): tf.SymbolicTensor => {
    const inner = relu(convolution(filters, 3, strides, scaled(2 / (stages * branches))).apply(x) as tf.SymbolicTensor);
    const residual = convolution(filters, 3, 1, 'zeros').apply(inner) as tf.SymbolicTensor;
    const shortcut = strides === 1 ? x : convolution(filters, 1, strides, scaled(1)).apply(x) as tf.SymbolicTensor;
    return relu(tf.layers.add().apply([shortcut, residual]) as tf.SymbolicTensor);
  };

  const image = tf.input({shape: [size, size, 1]});
  let x = relu(convolution(channels, 3, 2, scaled(2)).apply(image) as tf.SymbolicTensor);
  for (let stage = 0; stage < stages; stage++) {
    for (let b = 0; b < branches; b++) {
      x = branch(x, channels * 2 ** stage, stage > 0 && b === 0 ? 2 : 1);
    }
  }
  const features = tf.layers.globalAveragePooling2d({}).apply(x) as tf.SymbolicTensor;
  const output = tf.layers.dense({units: 1, kernelInitializer: scaled(1)}).apply(features) as tf.SymbolicTensor;
  return tf.model({inputs: image, outputs: output});
}
