/** The network of the paper's theorems, f(x) = 1/√M Σ a_r relu(w_rᵀx): w is trained, a is ±1 and fixed; with random data. */
import * as tf from '@tensorflow/tfjs';

export interface TwoLayer {
  /** Points on the unit sphere, examples x dimensions. */
  x: tf.Tensor2D;
  /** Targets, examples x 1: standard normal. */
  y: tf.Tensor2D;
  /** The trained weights, dimensions x M: standard normal at first. */
  w: tf.Variable;
  /** a/√M, M x 1. */
  a: tf.Tensor2D;
}

export interface Sizes {
  examples: number;
  dimensions: number;
  /** M. */
  width: number;
}

/** Draws data and weights; the data depend on the seed alone, not on the width. */
export function twoLayer({examples, dimensions, width}: Sizes, seed: number): TwoLayer {
  return tf.tidy(() => {
    const normal = (rows: number, columns: number, stream: number): tf.Tensor2D =>
      tf.randomNormal([rows, columns], 0, 1, 'float32', 1000 * seed + stream);
    const points = normal(examples, dimensions, 1);
    return {
      x: tf.keep(points.div(points.norm('euclidean', 1, true)) as tf.Tensor2D),
      y: tf.keep(normal(examples, 1, 2)),
      w: tf.variable(normal(dimensions, width, 3)),
      a: tf.keep(normal(width, 1, 4).sign().div(Math.sqrt(width)) as tf.Tensor2D),
    };
  });
}

/** f(x) - y, examples x 1; of all examples, or of those given. */
export function residual({x, y, w, a}: TwoLayer, points = x, targets = y): tf.Tensor2D {
  return tf.tidy(() => tf.sub(tf.matMul(tf.relu(tf.matMul(points, w as unknown as tf.Tensor2D)), a), targets));
}

/** |r| over all examples, summed in float64. */
export function residualNorm(network: TwoLayer): number {
  const r = residual(network);
  const norm = Math.hypot(...r.dataSync());
  r.dispose();
  return norm;
}

/** The network's variables and data are freed. */
export function dispose({x, y, w, a}: TwoLayer): void {
  tf.dispose([x, y, w, a]);
}
