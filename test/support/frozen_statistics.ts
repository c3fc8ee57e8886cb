/** Models with batch normalisation whose statistics are constants: the network that a step with frozen statistics linearizes. */
import * as tf from '@tensorflow/tfjs';

/** The members of the layer of tfjs that are used here. */
interface Normalisation {
  axis: number;
  epsilon: number;
  gamma?: {read(): tf.Tensor};
  beta?: {read(): tf.Tensor};
}

type Call = (this: Normalisation, inputs: tf.Tensor | tf.Tensor[], kwargs: {training?: boolean}) => tf.Tensor;

const prototype = Object.getPrototypeOf(tf.layers.batchNormalization()) as {call: Call};

/**
 * rows() as a function of the weights alone: every batch normalisation in training takes the statistics that it had when this
 * was called, by numbers, in the order of the calls.
 */
export function withFrozenStatistics(rows: () => tf.Tensor): () => tf.Tensor {
  const statistics: Array<{mean: Float32Array; variance: Float32Array}> = [];
  const frozen = (next: (x: tf.Tensor, axes: number[]) => {mean: tf.Tensor; variance: tf.Tensor}): tf.Tensor => {
    const original = prototype.call;
    prototype.call = function(inputs, kwargs) {
      if (kwargs.training !== true) {
        return original.call(this, inputs, kwargs);
      }
      return tf.tidy(() => {
        const x = Array.isArray(inputs) ? inputs[0] : inputs;
        const axis = (this.axis + x.rank) % x.rank;
        const shape = x.shape.map((size, i) => i === axis ? size : 1);
        const {mean, variance} = next(x, x.shape.map((_, i) => i).filter(i => i !== axis));
        const normal = x.sub(mean.reshape(shape)).div(variance.reshape(shape).add(this.epsilon).sqrt());
        const scaled = this.gamma === undefined ? normal : normal.mul(this.gamma.read().reshape(shape));
        return this.beta === undefined ? scaled : scaled.add(this.beta.read().reshape(shape));
      });
    };
    try {
      return rows();
    } finally {
      prototype.call = original;
    }
  };
  frozen((x, axes) => {
    const {mean, variance} = tf.moments(x, axes);
    statistics.push({mean: mean.dataSync().slice() as Float32Array, variance: variance.dataSync().slice() as Float32Array});
    return {mean, variance};
  }).dispose();
  return () => {
    let call = 0;
    return frozen(() => {
      const {mean, variance} = statistics[call++];
      return {mean: tf.tensor1d(mean), variance: tf.tensor1d(variance)};
    });
  };
}
