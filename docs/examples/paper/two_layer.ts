/** The network of the paper's theorems, f(x) = 1/√M Σ a_r relu(w_rᵀx): w is trained, a is ±1 and fixed; and data to fit exactly. */
import * as tf from '@tensorflow/tfjs';

export interface Problem {
  /** Points on the unit sphere, examples x dimensions. */
  x: tf.Tensor2D;
  /** Targets, examples x 1: standard normal. */
  y: tf.Tensor2D;
  /** The trained weights, dimensions x M: standard normal at first. */
  w: tf.Variable<tf.Rank.R2>;
  /** f(x) - y at the present weights, examples x 1. */
  residual: (x?: tf.Tensor2D, y?: tf.Tensor2D) => tf.Tensor2D;
  dispose: () => void;
}

/** Draws data and weights; the data depend on the seed alone, not on the width M. */
export function twoLayerProblem(examples: number, dimensions: number, width: number, seed: number): Problem {
  return tf.tidy(() => {
    const normal = (shape: [number, number], stream: number): tf.Tensor2D => tf.randomNormal(shape, 0, 1, 'float32', 1000 * seed + stream);
    const points = normal([examples, dimensions], 1);
    const x = tf.keep(points.div(points.norm('euclidean', 1, true)) as tf.Tensor2D);
    const y = tf.keep(normal([examples, 1], 2));
    const w = tf.variable(normal([dimensions, width], 3)) as tf.Variable<tf.Rank.R2>;
    const a = tf.keep(normal([width, 1], 4).sign().div(Math.sqrt(width)) as tf.Tensor2D);
    return {
      x, y, w,
      residual: (points = x, targets = y) => tf.sub(tf.matMul(tf.relu(tf.matMul(points, w)), a), targets),
      dispose: () => tf.dispose([x, y, w, a]),
    };
  });
}

/** |r| over all examples, summed in float64. */
export function residualNorm({residual}: Problem): number {
  return Math.hypot(...tf.tidy(() => residual()).dataSync());
}
