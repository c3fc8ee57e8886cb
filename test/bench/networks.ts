/** The networks of the benchmark and what takes a step on them. */
import * as tf from '@tensorflow/tfjs';

export const BATCH = 128;

/** Widths, and the largest ratio to tfjs's adam that issue 3 allows. */
export const NETWORKS = [
  {widths: [16, 64, 64, 1], atMost: 1.0},
  {widths: [64, 256, 256, 1], atMost: 0.45},
  {widths: [784, 512, 512, 1], atMost: 0.20},
  {widths: [64, 1024, 1024, 1], atMost: 0.14},
];

export function network(widths: readonly number[], optimizer: tf.Optimizer): tf.LayersModel {
  const model = tf.sequential();
  widths.slice(1).forEach((units, i) => model.add(tf.layers.dense({
    units, inputShape: [widths[i]], activation: i < widths.length - 2 ? 'tanh' : 'linear',
    kernelInitializer: tf.initializers.glorotNormal({seed: 7 + i})})));
  model.compile({optimizer, loss: 'meanSquaredError'});
  return model;
}

export function batch(widths: readonly number[]): {x: tf.Tensor2D; y: tf.Tensor2D} {
  return {x: tf.randomNormal([BATCH, widths[0]], 0, 1, 'float32', 1), y: tf.randomNormal([BATCH, 1], 0, 1, 'float32', 2)};
}

/**
 * Adam on the same network with the backward pass written by hand and explicit transposes: what a tfjs user could
 * reach without second order. tfjs's own backward pass multiplies with transpose flags, which are slow on WASM.
 */
export function handWrittenAdam(widths: readonly number[]): (x: tf.Tensor2D, y: tf.Tensor2D) => number {
  const layers = widths.slice(1).map((units, i) => [
    tf.variable(tf.randomNormal([widths[i], units], 0, Math.sqrt(2 / (widths[i] + units)), 'float32', 7 + i)),
    tf.variable(tf.zeros([1, units])),
  ]);
  const moments = layers.map(pair => pair.map(w => [tf.variable(tf.zerosLike(w)), tf.variable(tf.zerosLike(w))]));
  let steps = 0;
  const [b1, b2, rate] = [0.9, 0.999, 1e-3];
  return (x, y) => {
    steps++;
    const loss = tf.tidy(() => {
      const a: tf.Tensor2D[] = [x];
      layers.forEach(([kernel, bias], i) => {
        const z = tf.add(tf.matMul(a[i], kernel as tf.Tensor2D), bias);
        a.push(i < layers.length - 1 ? tf.tanh(z) as tf.Tensor2D : z as tf.Tensor2D);
      });
      const residual = tf.sub(a[layers.length], y);
      let delta: tf.Tensor2D = tf.mul(residual, 2 / BATCH);
      for (let i = layers.length - 1; i >= 0; i--) {
        const gradients = [tf.matMul(tf.transpose(a[i]), delta), tf.sum(delta, 0, true)];
        if (i > 0) {
          const back = tf.matMul(delta, tf.transpose(layers[i][0] as tf.Tensor2D));
          delta = tf.mul(back, tf.sub(1, tf.square(a[i])));
        }
        gradients.forEach((gradient, k) => {
          const [m, v] = moments[i][k];
          m.assign(tf.add(tf.mul(m, b1), tf.mul(gradient, 1 - b1)));
          v.assign(tf.add(tf.mul(v, b2), tf.mul(tf.square(gradient), 1 - b2)));
          const step = tf.div(tf.mul(m, rate / (1 - b1 ** steps)), tf.add(tf.sqrt(tf.div(v, 1 - b2 ** steps)), 1e-7));
          layers[i][k].assign(tf.sub(layers[i][k], step));
        });
      }
      return tf.mean(tf.square(residual));
    });
    const value = loss.dataSync()[0];
    loss.dispose();
    return value;
  };
}
