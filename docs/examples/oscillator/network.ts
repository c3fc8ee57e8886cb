/** The network that stands for u, and its derivatives in time in two ways. */
import * as tf from '@tensorflow/tfjs';
import {grad} from 'tfjs-ggn';
import {END, loss} from './problem';
import type {Motion, Times} from './problem';

/** 1-24-24-1 with tanh. */
export function network(seed: number): tf.LayersModel {
  const initializer = (layer: number) => tf.initializers.glorotUniform({seed: 3 * seed + layer});
  return tf.sequential({layers: [
    tf.layers.dense({units: 24, activation: 'tanh', kernelInitializer: initializer(1), inputShape: [1]}),
    tf.layers.dense({units: 24, activation: 'tanh', kernelInitializer: initializer(2)}),
    tf.layers.dense({units: 1, kernelInitializer: initializer(3)}),
  ]});
}

/** What the network gets for a time: [0, 5] -> [-1, 1]. */
const SCALE = 2 / END;
const scaled = (t: tf.Tensor): tf.Tensor => t.mul(SCALE).sub(1);

export const value = (model: tf.LayersModel, t: tf.Tensor): tf.Tensor => model.apply(scaled(t)) as tf.Tensor;

/** The loss as one writes it down: derivatives by `grad`, nested. Another nested derivative, in the weights, is up to the optimizer. */
export function lossByGrad(model: tf.LayersModel, {inside, start}: Times): tf.Scalar {
  const u = (t: tf.Tensor): tf.Tensor => value(model, t);
  const du = grad(u);
  const d2u = grad(du);
  return loss({u: u(inside), du: du(inside), d2u: d2u(inside)}, {u: u(start), du: du(start)});
}

/**
 * The same loss for tfjs's own optimizers: derivatives in time by formulas, so that only the one in the weights is left to tfjs. (tfjs's
 * own gradients don't nest: with `tf.grad` of `tf.grad` of a tanh network this loss throws, and with one `tf.grad` its gradient is wrong.)
 */
export function lossByFormulas(model: tf.LayersModel, {inside, start}: Times): tf.Scalar {
  const {u, du, d2u} = motion(model, tf.concat([start, inside]));
  const first = (x: tf.Tensor): tf.Tensor => x.slice(0, 1);
  const rest = (x: tf.Tensor): tf.Tensor => x.slice(1);
  return loss({u: rest(u), du: rest(du), d2u: rest(d2u)}, {u: first(u), du: first(du)});
}

/** u, u' and u'' in one pass through the layers: y = tanh(x) has y' = (1 - y²) x' and y'' = (1 - y²) (x'' - 2 y x'²). */
function motion(model: tf.LayersModel, t: tf.Tensor): Motion {
  let [u, du, d2u] = [scaled(t), tf.fill(t.shape, SCALE), tf.zeros(t.shape)];
  model.layers.forEach((layer, l) => {
    const [kernel, bias] = layer.trainableWeights.map(weight => weight.read());
    [u, du, d2u] = [tf.matMul(u as tf.Tensor2D, kernel as tf.Tensor2D).add(bias),
      tf.matMul(du as tf.Tensor2D, kernel as tf.Tensor2D), tf.matMul(d2u as tf.Tensor2D, kernel as tf.Tensor2D)];
    if (l < model.layers.length - 1) {
      const y = u.tanh();
      const slope = tf.sub(1, y.square());
      [u, du, d2u] = [y, slope.mul(du), slope.mul(d2u.sub(y.mul(du.square()).mul(2)))];
    }
  });
  return {u, du, d2u};
}
