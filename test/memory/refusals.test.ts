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
  'convolutions of sequences': {batch: 12, refused: 1.15, layers: () => [
    L.conv1d({filters: 16, kernelSize: 5, activation: 'relu', inputShape: [800, 2], ...seeded}),
    L.conv1d({filters: 16, kernelSize: 5, activation: 'tanh', ...seeded}), L.globalAveragePooling1d({}), L.dense({units: 2, ...seeded})]},
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
};

async function trainAt(model: tf.LayersModel, batch: number, memoryLimit: number): Promise<{kernels: number; message: string | null}> {
  const optimizer = ggn({memoryLimit, solver: 'gram'});
  model.compile({optimizer, loss: 'meanSquaredError'});
  const [x, y] = [noise([batch, ...model.inputs[0].shape.slice(1) as number[]], 1), noise([batch, model.outputs[0].shape[1]!], 2)];
  let message: string | null = null;
  const kernels = await kernelsOf(() => model.trainOnBatch(x, y).then(() => {}, (error: Error) => {
    message = error.message;
  }));
  optimizer.dispose();
  tf.dispose([x, y]);
  return {kernels, message};
}

async function forwardPass(model: tf.LayersModel, batch: number): Promise<number> {
  const [x, y] = [noise([batch, ...model.inputs[0].shape.slice(1) as number[]], 1), noise([batch, model.outputs[0].shape[1]!], 2)];
  const kernels = await kernelsOf(() => Promise.resolve(tf.dispose(model.evaluate(x, y, {batchSize: batch}))));
  tf.dispose([x, y]);
  return kernels;
}

for (const [name, {layers, batch, refused, trains}] of Object.entries(networks)) {
  test.serial(`${name}: refused within two forward passes, and never a limit that suffices`, async t => {
    await tf.setBackend('wasm');
    const model = tf.sequential({layers: layers()});
    await trainAt(model, batch, MiB);  // what is made once for a model is made
    const forward = await forwardPass(model, batch);
    const {numTensors} = tf.memory();
    for (let limit = refused; limit >= 1; limit /= 1.16) {
      const {kernels, message} = await trainAt(model, batch, Math.round(limit * MiB));
      t.regex(message ?? '', /memoryLimit allows: \d+\.\d MiB of .* at least, the limit is/, `${limit}`);
      t.true(kernels <= 2 * forward, `limit ${limit}: ${kernels} kernels, a forward pass ${forward}`);
    }
    t.is(tf.memory().numTensors, numTensors);
    if (trains !== undefined) {
      t.is((await trainAt(model, batch, Math.round(trains * MiB))).message, null);
    }
    model.dispose();
  });
}
