/** A network 3 - 4 - K of plain variables without a bias, and its batch. */
import * as tf from '@tensorflow/tfjs';

/** @param scale of the targets. */
export function twoLayers(examples: number, outputs: number, scale = 1) {
  const w = tf.variable(tf.randomNormal([3, 4], 0, 0.6, 'float32', 1)) as tf.Variable<tf.Rank.R2>;
  const v = tf.variable(tf.randomNormal([4, outputs], 0, 0.6, 'float32', 2)) as tf.Variable<tf.Rank.R2>;
  const x = tf.randomNormal([examples, 3], 0, 1, 'float32', 3) as tf.Tensor2D;
  const y = tf.randomNormal([examples, outputs], 0, scale, 'float32', 4) as tf.Tensor2D;
  const predict = (): tf.Tensor2D => tf.matMul(tf.tanh(tf.matMul(x, w)), v);
  return {w, v, x, y, predict, residual: (): tf.Tensor => tf.sub(predict(), y), free: () => tf.dispose([w, v, x, y])};
}

export type TwoLayers = ReturnType<typeof twoLayers>;
