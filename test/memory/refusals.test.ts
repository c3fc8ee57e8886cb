/**
 * Networks of which a step does not fit into the memory: the refusal comes within two forward passes, counted in kernels, at every limit
 * up to the least at which they train.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn} from '../../src/index';
import {kernelsOf} from '../support/kernels';
import {noise} from '../support/tensors';

const L = tf.layers;
const seeded = {kernelInitializer: tf.initializers.glorotUniform({seed: 1})};
const MiB = 2 ** 20;

interface Network {
  readonly layers: () => tf.layers.Layer[];
  readonly batch: number;
  /** MiB at which, and below which, it is refused. */
  readonly refused: number;
  /** The inputs are integers below this number. */
  readonly integers?: number;
  /** MiB at which it trains; not tried if it is not given. */
  readonly trains?: number;
}

const head = (): tf.layers.Layer[] => [L.globalAveragePooling2d({}), L.dense({units: 2, ...seeded})];

const networks: Record<string, Network> = {
  'dense layers with many rows': {batch: 32, refused: 2.99, layers: () => [
    L.dense({units: 192, activation: 'relu', inputShape: [32], ...seeded}), L.dense({units: 16, ...seeded})]},
  'convolutions': {batch: 3, refused: 2.1, trains: 2.52, layers: () => [
    L.conv2d({filters: 8, kernelSize: 3, activation: 'relu', padding: 'same', inputShape: [64, 64, 1], ...seeded}),
    L.conv2d({filters: 8, kernelSize: 3, activation: 'tanh', padding: 'same', ...seeded}), ...head()]},
  'convolutions of sequences': {batch: 12, refused: 1.22, layers: () => [
    L.conv1d({filters: 16, kernelSize: 5, activation: 'relu', inputShape: [800, 2], ...seeded}),
    L.conv1d({filters: 16, kernelSize: 5, activation: 'tanh', ...seeded}), L.globalAveragePooling1d({}), L.dense({units: 2, ...seeded})]},
  'convolutions of volumes': {batch: 4, refused: 1.9, layers: () => [
    L.conv3d({filters: 6, kernelSize: 3, activation: 'relu', inputShape: [16, 16, 16, 1], ...seeded}),
    L.conv3d({filters: 6, kernelSize: 3, activation: 'tanh', ...seeded}), L.flatten(), L.dense({units: 2, ...seeded})]},
  'transposed convolution': {batch: 6, refused: 1.3, trains: 1.56, layers: () => [
    L.conv2dTranspose({filters: 12, kernelSize: 3, strides: 2, activation: 'relu', inputShape: [24, 24, 4], ...seeded}), ...head()]},
  'depthwise convolution': {batch: 7, refused: 1.3, layers: () => [
    L.depthwiseConv2d({kernelSize: 3, depthMultiplier: 4, activation: 'relu', inputShape: [48, 48, 3],
      depthwiseInitializer: tf.initializers.glorotUniform({seed: 1})} as never), ...head()]},
  'separable convolution': {batch: 7, refused: 1.3, trains: 1.56, layers: () => [
    L.separableConv2d({filters: 12, kernelSize: 3, activation: 'relu', inputShape: [48, 48, 3],
      depthwiseInitializer: tf.initializers.glorotUniform({seed: 1}), pointwiseInitializer: tf.initializers.glorotUniform({seed: 2})} as never),
    ...head()]},
  'upsampling': {batch: 7, refused: 1.6, layers: () => [
    L.conv2d({filters: 6, kernelSize: 3, padding: 'same', inputShape: [24, 24, 1], ...seeded}), L.upSampling2d({size: [3, 3]}),
    L.conv2d({filters: 4, kernelSize: 3, padding: 'same', activation: 'relu', ...seeded}), ...head()]},
  'embedding': {batch: 32, refused: 1.7, trains: 1.82, integers: 4000, layers: () => [
    L.embedding({inputDim: 4000, outputDim: 16, inputLength: 40, embeddingsInitializer: tf.initializers.glorotUniform({seed: 1})}),
    L.globalAveragePooling1d({}), L.dense({units: 2, ...seeded})]},
  'batch normalisation': {batch: 8, refused: 1.27, trains: 1.36, layers: () => [
    L.conv2d({filters: 8, kernelSize: 3, inputShape: [32, 32, 1], ...seeded}), L.batchNormalization(), L.activation({activation: 'relu'}),
    L.conv2d({filters: 4, kernelSize: 3, strides: 2, ...seeded}), ...head()]},
  'layer normalisation': {batch: 8, refused: 3.1, trains: 3.4, layers: () => [
    L.dense({units: 64, inputShape: [100, 4], ...seeded}), L.layerNormalization({}), L.globalAveragePooling1d({}),
    L.dense({units: 3, ...seeded})]},
};

const dataOf = (model: tf.LayersModel, batch: number, integers?: number): [tf.Tensor, tf.Tensor] => {
  const shape = [batch, ...model.inputs[0].shape.slice(1) as number[]];
  return [integers === undefined ? noise(shape, 1) : tf.randomUniform(shape, 0, integers, 'int32', 1), noise([batch, model.outputs[0].shape[1]!], 2)];
};

async function trainAt(model: tf.LayersModel, memoryLimit: number, [x, y]: [tf.Tensor, tf.Tensor]): Promise<{kernels: number; message: string | null}> {
  const optimizer = ggn({memoryLimit, solver: 'gram'});
  model.compile({optimizer, loss: 'meanSquaredError'});
  let message: string | null = null;
  const kernels = await kernelsOf(() => model.trainOnBatch(x, y).then(() => {}, (error: Error) => {
    message = error.message;
  }));
  optimizer.dispose();
  return {kernels, message};
}

/** Kernels of a forward pass. A batch normalisation reads the statistics of the batch in training, and moves its own. */
async function forwardPass(model: tf.LayersModel, [x, y]: [tf.Tensor, tf.Tensor]): Promise<number> {
  const [testing, training] = [false, true].map(training => () =>
    Promise.resolve(tf.tidy(() => void model.apply(x, {training}))));
  const evaluating = await kernelsOf(() => Promise.resolve(tf.dispose(model.evaluate(x, y, {batchSize: x.shape[0]}))));
  return evaluating + await kernelsOf(training) - await kernelsOf(testing);
}

for (const [name, {layers, batch, integers, refused, trains}] of Object.entries(networks)) {
  test.serial(`${name}: refused within two forward passes, and never a limit that suffices`, async t => {
    await tf.setBackend('wasm');
    const model = tf.sequential({layers: layers()});
    const data = dataOf(model, batch, integers);
    await trainAt(model, MiB, data);  // what is made once for a model is made
    const forward = await forwardPass(model, data);
    const {numTensors} = tf.memory();
    for (let limit = refused; limit >= 1; limit /= 1.16) {
      const {kernels, message} = await trainAt(model, Math.round(limit * MiB), data);
      t.regex(message ?? '', /memoryLimit allows: \d+\.\d MiB of .* at least, the limit is/, `${limit}`);
      t.true(kernels <= 2 * forward, `limit ${limit}: ${kernels} kernels, a forward pass ${forward}`);
    }
    t.is(tf.memory().numTensors, numTensors);
    if (trains !== undefined) {
      t.is((await trainAt(model, Math.round(trains * MiB), data)).message, null);
    }
    model.dispose();
    tf.dispose(data);
  });
}
