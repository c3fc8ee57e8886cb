/** Networks whose linearization does not fit into the memory at once: the step in pieces is the step in one piece, and stays within the limit. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn, type GgnOptions} from '../src/index';
import {PeakBytes} from './bench/peak';
import {flat, noise} from './support/follow';
import {relativeError} from './support/relative_error';

const L = tf.layers;
const seeded = {kernelInitializer: tf.initializers.glorotUniform({seed: 1})};

interface Network {
  readonly model: () => tf.LayersModel;
  readonly batch: number;
  /** KiB. */
  readonly limit: number;
}

const sequential = (layers: tf.layers.Layer[]): tf.LayersModel => tf.sequential({layers});

function unet(): tf.LayersModel {
  const x = tf.input({shape: [12, 12, 1]});
  const fine = L.conv2d({filters: 6, kernelSize: 3, padding: 'same', activation: 'relu', ...seeded}).apply(x);
  const coarse = L.conv2d({filters: 8, kernelSize: 3, strides: 2, padding: 'same', activation: 'relu', ...seeded}).apply(fine) as tf.SymbolicTensor;
  const up = L.upSampling2d({size: [2, 2]}).apply(coarse) as tf.SymbolicTensor;
  const joined = L.concatenate().apply([fine as tf.SymbolicTensor, up]);
  const y = L.conv2d({filters: 6, kernelSize: 3, padding: 'same', activation: 'tanh', ...seeded}).apply(joined);
  const pooled = L.globalAveragePooling2d({}).apply(y as tf.SymbolicTensor);
  return tf.model({inputs: x, outputs: L.dense({units: 1, ...seeded}).apply(pooled) as tf.SymbolicTensor});
}

const networks: Record<string, Network> = {
  'classifier of images': {batch: 24, limit: 2048, model: () => sequential([
    L.conv2d({filters: 6, kernelSize: 3, activation: 'relu', inputShape: [14, 14, 1], ...seeded}), L.averagePooling2d({poolSize: 2}),
    L.conv2d({filters: 8, kernelSize: 3, activation: 'relu', ...seeded}), L.flatten(), L.dense({units: 10, ...seeded})])},
  'batch normalisation between convolutions': {batch: 24, limit: 2048, model: () => sequential([
    L.conv2d({filters: 6, kernelSize: 3, inputShape: [12, 12, 1], ...seeded}), L.batchNormalization(), L.activation({activation: 'relu'}),
    L.conv2d({filters: 6, kernelSize: 3, strides: 2, ...seeded}), L.batchNormalization(), L.activation({activation: 'tanh'}), L.flatten(), L.dense({units: 6, ...seeded})])},
  'transposed convolution': {batch: 6, limit: 1536, model: () => sequential([
    L.dense({units: 2 * 2 * 16, inputShape: [5], activation: 'relu', ...seeded}), L.reshape({targetShape: [2, 2, 16]}),
    L.conv2dTranspose({filters: 12, kernelSize: 5, activation: 'relu', ...seeded}), L.globalAveragePooling2d({}), L.dense({units: 8, ...seeded})])},
  'separable convolutions': {batch: 24, limit: 1536, model: () => sequential([
    L.separableConv2d({filters: 8, kernelSize: 3, activation: 'relu', inputShape: [12, 12, 2], depthwiseInitializer: tf.initializers.glorotUniform({seed: 2}),
      pointwiseInitializer: tf.initializers.glorotUniform({seed: 3})} as never), L.flatten(), L.dense({units: 5, ...seeded})])},
  'convolution of long sequences': {batch: 16, limit: 1536, model: () => sequential([
    L.conv1d({filters: 8, kernelSize: 5, activation: 'relu', inputShape: [120, 2], ...seeded}), L.conv1d({filters: 8, kernelSize: 5, strides: 2, activation: 'tanh', ...seeded}),
    L.globalAveragePooling1d({}), L.dense({units: 4, ...seeded})])},
  'recurrent network over long sequences': {batch: 12, limit: 2048, model: () => sequential([
    L.lstm({units: 6, inputShape: [40, 2], recurrentInitializer: tf.initializers.glorotUniform({seed: 2}), ...seeded}), L.dense({units: 5, ...seeded})])},
  'upsampling with a scalar head': {batch: 24, limit: 2048, model: unet},
};

/** Two steps. @returns the change of the weights, and the most bytes beyond what there was before a step. */
async function train({model: make, batch}: Network, options: GgnOptions): Promise<{change: Float64Array; bytes: number}> {
  const {numTensors} = tf.memory();
  const model = make();
  const variables = model.trainableWeights.map(w => w.read() as tf.Variable);
  const x = noise([batch, ...model.inputs[0].shape.slice(1) as number[]], 1);
  const y = noise([batch, model.outputs[0].shape[1]!], 2);
  const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0.5, policy: 'fixed', ...options});
  model.compile({optimizer, loss: 'meanSquaredError'});
  const before = flat(variables);
  await model.trainOnBatch(x, y);
  const after = tf.memory().numTensors;
  const peak = new PeakBytes();
  const bytes = await peak.during(() => model.trainOnBatch(x, y));
  const change = flat(variables).map((w, i) => w - before[i]);
  const left = tf.memory().numTensors - after;
  model.dispose();
  optimizer.dispose();
  tf.dispose([x, y]);
  if (left !== 0 || tf.memory().numTensors !== numTensors) {
    throw new Error(`a step leaves ${left} tensors, all of it ${tf.memory().numTensors - numTensors}`);
  }
  return {change, bytes};
}

for (const backend of ['cpu', 'wasm']) {
  for (const [name, network] of Object.entries(networks).filter((_, i) => backend === 'wasm' || i === 0)) {
    test.serial(`${backend}: ${name} in pieces`, async t => {
      await tf.setBackend(backend);
      const whole = await train(network, {solver: 'gram'});
      for (const solver of ['gram', 'cg'] as const) {
        const memoryLimit = network.limit * 1024;
        const {change, bytes} = await train(network, {solver, memoryLimit});
        const error = relativeError(change, whole.change);
        t.log(`${solver}: ${(bytes / 1024).toFixed(0)} KiB, in one piece ${(whole.bytes / 1024).toFixed(0)}, limit ${network.limit}; difference ${error.toExponential(1)}`);
        t.true(error < 2e-4, `${solver}: ${error}`);
        t.true(bytes < memoryLimit + 2 ** 19, `${solver}: ${bytes}`);
      }
    });
  }
}
