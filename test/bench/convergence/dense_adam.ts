/**
 * Adam on a dense network by hand: derivatives from a few tensor operations, the update in plain
 * numbers. It is several times quicker than `model.fit` on networks as small as these; a test holds
 * it to `model.fit` with `tf.train.adam`.
 */
import * as tf from '@tensorflow/tfjs';
import {withSeed} from '../../../docs/examples/shared/random';
import {useBackend} from '../../support/backends';
import {batchSize, dataOf, PARTS, stepsPerEpoch} from './data';
import {networkOf} from './networks';
import type {Batch, Task} from './tasks';
import {partTensors, Recorder} from './train';
import type {Curve} from './train';

/** Of TensorFlow.js. */
const [BETA1, BETA2, EPSILON] = [0.9, 0.999, 1e-7];

/** A weight with the moments of Adam. */
class Parameter {
  private readonly first: Float64Array;
  private readonly second: Float64Array;

  constructor(private readonly value: Float32Array, private readonly shape: readonly number[]) {
    [this.first, this.second] = [0, 1].map(() => new Float64Array(value.length));
  }

  tensor(): tf.Tensor2D {
    return tf.tensor(this.value.slice(), [...this.shape] as [number, number]);
  }

  /** The t-th step, t = 1, 2, ... */
  step(gradient: ArrayLike<number>, rate: number, t: number): void {
    const {value, first, second} = this;
    const [bias1, bias2] = [1 - BETA1 ** t, 1 - BETA2 ** t];
    for (let i = 0; i < value.length; i++) {
      const g = gradient[i];
      first[i] = BETA1 * first[i] + (1 - BETA1) * g;
      second[i] = BETA2 * second[i] + (1 - BETA2) * g * g;
      value[i] -= rate * (first[i] / bias1) / (Math.sqrt(second[i] / bias2) + EPSILON);
    }
  }
}

type Activation = 'tanh' | 'relu' | 'linear' | 'softplus';

interface Layer {
  readonly kernel: Parameter;
  readonly bias: Parameter;
  readonly activation: Activation;
}

/** The layers of the model of a split, with its initial weights. */
function layersOf(task: Task, split: number, columns: number): Layer[] {
  const model = networkOf(task, split, columns);
  const layers = model.layers.map(layer => {
    const [kernel, bias] = layer.getWeights().map(weight =>
      new Parameter(weight.dataSync<'float32'>().slice(), weight.shape));
    return {kernel, bias, activation: (layer.getConfig() as {activation: Activation}).activation};
  });
  model.dispose();
  return layers;
}

interface Gradient {
  readonly kernel: ArrayLike<number>;
  readonly bias: ArrayLike<number>;
}

/** Inputs and outputs of a layer, with its kernel. */
interface Pass {
  readonly input: tf.Tensor2D;
  readonly kernel: tf.Tensor2D;
  readonly output: tf.Tensor2D;
}

function forward(layers: readonly Layer[], x: tf.Tensor2D): Pass[] {
  let input = x;
  return layers.map(layer => {
    const kernel = layer.kernel.tensor();
    const fused = layer.activation === 'relu' ? 'relu' : 'linear';
    const sum = tf.fused.matMul({a: input, b: kernel, bias: layer.bias.tensor(), activation: fused}) as tf.Tensor2D;
    const output = layer.activation === 'tanh' ? sum.tanh() : layer.activation === 'softplus' ? sum.softplus() : sum;
    const pass = {input, kernel, output};
    input = output;
    return pass;
  });
}

/**
 * Gradients of kernel and bias, layer by layer from the top, from the cotangent of the outputs
 * before the activation.
 */
function backward(layers: readonly Layer[], passes: readonly Pass[], top: tf.Tensor2D): Gradient[] {
  let cotangent = top;
  return [...layers.keys()].reverse().map(l => {
    const {input, kernel} = passes[l];
    const gradient = {kernel: tf.matMul(input, cotangent, true).dataSync(), bias: cotangent.sum(0).dataSync()};
    if (l > 0) {
      const below = tf.matMul(cotangent, kernel, false, true);
      cotangent = layers[l - 1].activation === 'relu' ? below.mul(input.step()) :
          below.sub(below.mul(input).mul(input));
    }
    return gradient;
  });
}

/** The same run as `runTask` with `tf.train.adam(rate)`, up to rounding. */
export async function runDenseAdam(task: Task, batch: Batch, split: number, rate: number,
    epochs: number): Promise<Curve> {
  await useBackend(task.backend);
  const data = dataOf(task, split);
  const {columns, training: {x, y}} = data;
  const layers = layersOf(task, split, columns);
  const all = tf.tidy(() => tf.concat(PARTS.map(part => partTensors(task, data[part], columns).x))) as tf.Tensor2D;
  const run = new Recorder(task, data, stepsPerEpoch(task, batch), epochs,
      () => tf.tidy(() => forward(layers, all).at(-1)!.output.dataSync()));

  const step = (rows: readonly number[], t: number): void => tf.tidy(() => {
    const values = new Float32Array(rows.length * columns);
    rows.forEach((row, i) => values.set(x.subarray(row * columns, (row + 1) * columns), i * columns));
    const passes = forward(layers, tf.tensor2d(values, [rows.length, columns]));
    const outputs = passes.at(-1)!.output.arraySync();
    const cotangent = rows.flatMap((row, i) => task.loss.gradient(outputs[i], y[row]).map(g => g / rows.length));
    backward(layers, passes, tf.tensor2d(cotangent, [rows.length, task.loss.outputs])).forEach(({kernel, bias}, i) => {
      const layer = layers[layers.length - 1 - i];
      layer.kernel.step(kernel, rate, t);
      layer.bias.step(bias, rate, t);
    });
  });

  const order = y.map((_, i) => i);
  const size = batchSize(task, batch);
  await withSeed(split + 1, () => {
    let [t, isFinite] = [0, true];
    for (let epoch = 0; epoch < epochs && isFinite; epoch++) {
      tf.util.shuffle(order);
      for (let from = 0; from < order.length && isFinite; from += size) {
        step(order.slice(from, from + size), ++t);
        isFinite = run.afterStep();
      }
    }
  });
  all.dispose();
  return run.curve();
}
