/**
 * Networks whose linearization does not fit into the memory at once: the step in pieces is the step in one piece, and stays within the
 * limit.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn, type GgnOptions} from '../../src/index';
import {PeakBytes} from '../bench/peak';
import {referenceWholeStep} from '../reference/whole_step';
import {kernelsOf} from '../support/kernels';
import {glorotUniform, variablesOf} from '../support/models';
import {relativeError} from '../support/relative_error';
import {flat, noise} from '../support/tensors';

const L = tf.layers;
const glorot = glorotUniform(1);

interface Network {
  readonly model: () => tf.LayersModel;
  readonly batch: number;
  /** KiB. */
  readonly limit: number;
}

const sequential = (layers: tf.layers.Layer[]): tf.LayersModel => tf.sequential({layers});

function unet(): tf.LayersModel {
  const x = tf.input({shape: [12, 12, 1]});
  const fine = L.conv2d({filters: 6, kernelSize: 3, padding: 'same', activation: 'relu', ...glorot}).apply(x);
  const coarse = L.conv2d({filters: 8, kernelSize: 3, strides: 2, padding: 'same', activation: 'relu', ...glorot}).apply(fine) as tf.SymbolicTensor;
  const up = L.upSampling2d({size: [2, 2]}).apply(coarse) as tf.SymbolicTensor;
  const joined = L.concatenate().apply([fine as tf.SymbolicTensor, up]);
  const y = L.conv2d({filters: 6, kernelSize: 3, padding: 'same', activation: 'tanh', ...glorot}).apply(joined);
  const pooled = L.globalAveragePooling2d({}).apply(y as tf.SymbolicTensor);
  return tf.model({inputs: x, outputs: L.dense({units: 1, ...glorot}).apply(pooled) as tf.SymbolicTensor});
}

const networks: Record<string, Network> = {
  'classifier of images': {batch: 24, limit: 2048, model: () => sequential([
    L.conv2d({filters: 6, kernelSize: 3, activation: 'relu', inputShape: [14, 14, 1], ...glorot}), L.averagePooling2d({poolSize: 2}),
    L.conv2d({filters: 8, kernelSize: 3, activation: 'relu', ...glorot}), L.flatten(), L.dense({units: 10, ...glorot})])},
  'batch normalisation between convolutions': {batch: 24, limit: 2048, model: () => sequential([
    L.conv2d({filters: 6, kernelSize: 3, inputShape: [12, 12, 1], ...glorot}), L.batchNormalization(), L.activation({activation: 'relu'}),
    L.conv2d({filters: 6, kernelSize: 3, strides: 2, ...glorot}), L.batchNormalization(), L.activation({activation: 'tanh'}), L.flatten(), L.dense({units: 6, ...glorot})])},
  'transposed convolution': {batch: 6, limit: 1536, model: () => sequential([
    L.dense({units: 2 * 2 * 16, inputShape: [5], activation: 'relu', ...glorot}), L.reshape({targetShape: [2, 2, 16]}),
    L.conv2dTranspose({filters: 12, kernelSize: 5, activation: 'relu', ...glorot}), L.globalAveragePooling2d({}), L.dense({units: 8, ...glorot})])},
  'transposed convolution with more weights': {batch: 6, limit: 1536, model: () => sequential([
    L.dense({units: 2 * 2 * 24, inputShape: [5], activation: 'relu', ...glorot}), L.reshape({targetShape: [2, 2, 24]}),
    L.conv2dTranspose({filters: 16, kernelSize: 5, activation: 'relu', ...glorot}), L.globalAveragePooling2d({}), L.dense({units: 8, ...glorot})])},
  'separable convolutions': {batch: 24, limit: 1536, model: () => sequential([
    L.separableConv2d({filters: 8, kernelSize: 3, activation: 'relu', inputShape: [12, 12, 2], depthwiseInitializer: tf.initializers.glorotUniform({seed: 2}),
      pointwiseInitializer: tf.initializers.glorotUniform({seed: 3})} as never), L.flatten(), L.dense({units: 5, ...glorot})])},
  'convolution of long sequences': {batch: 16, limit: 1536, model: () => sequential([
    L.conv1d({filters: 8, kernelSize: 5, activation: 'relu', inputShape: [120, 2], ...glorot}), L.conv1d({filters: 8, kernelSize: 5, strides: 2, activation: 'tanh', ...glorot}),
    L.globalAveragePooling1d({}), L.dense({units: 4, ...glorot})])},
  'recurrent network over long sequences': {batch: 12, limit: 2048, model: () => sequential([
    L.lstm({units: 6, inputShape: [40, 2], recurrentInitializer: tf.initializers.glorotUniform({seed: 2}), ...glorot}), L.dense({units: 5, ...glorot})])},
  'upsampling with a scalar head': {batch: 24, limit: 2048, model: unet},
};

/** Two steps. @returns the change of the weights, and the most bytes beyond what there was before a step. */
async function train({model: make, batch}: Network, options: GgnOptions): Promise<{change: Float64Array; bytes: number}> {
  const {numTensors} = tf.memory();
  const model = make();
  const variables = variablesOf(model);
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

/** A transposed convolution of side² positions. */
const decoder = (side: number, channels: number): tf.LayersModel => sequential([
  L.dense({units: side * side * channels, inputShape: [5], activation: 'relu', ...glorot}), L.reshape({targetShape: [side, side, channels]}),
  L.conv2dTranspose({filters: 8, kernelSize: 4, activation: 'relu', ...glorot}), L.globalAveragePooling2d({}), L.dense({units: 6, ...glorot})]);

for (const [name, side, channels] of [['pairs of positions', 1, 8], ['dense rows', 2, 4]] as const) {
  test.serial(`a transposed convolution in pieces that are multiplied by ${name}: the step of the dense reference`, async t => {
    await tf.setBackend('cpu');
    const model = decoder(side, channels);
    const variables = variablesOf(model);
    const [x, y] = [noise([24, 5], 1), noise([24, 6], 2)];
    const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0.5, policy: 'fixed', solver: 'gram', memoryLimit: 2 ** 20});
    model.compile({optimizer, loss: 'meanSquaredError'});
    const {step} = referenceWholeStep(model, {x, y}, variables, {damping: 0.1, momentum: 0.5, previous: null});
    const before = flat(variables);
    await tf.setBackend('wasm');
    await model.trainOnBatch(x, y);
    const error = relativeError(flat(variables).map((w, i) => w - before[i]), step);
    t.true(error < 2e-4, `${error}`);
    model.dispose();
    optimizer.dispose();
    tf.dispose([x, y]);
  });
}

test.serial('a network of which one example does not fit is refused within two forward passes', async t => {
  await tf.setBackend('wasm');
  for (const solver of ['gram', 'cg'] as const) {
    const model = sequential([L.conv2d({filters: 8, kernelSize: 3, padding: 'same', activation: 'relu', inputShape: [16, 16, 1], ...glorot}),
      L.conv2d({filters: 8, kernelSize: 3, padding: 'same', activation: 'tanh', ...glorot}), L.flatten(), L.dense({units: 120, ...glorot})]);
    const optimizer = ggn({memoryLimit: 2 ** 20, solver});
    model.compile({optimizer, loss: 'meanSquaredError'});
    const [x, y] = [noise([4, 16, 16, 1], 1), noise([4, 120], 2)];
    await model.trainOnBatch(x, y).catch(() => {});  // what is made once for a model is made
    const forward = await kernelsOf(() => Promise.resolve(tf.dispose(model.evaluate(x, y, {batchSize: 4}))));
    const {numTensors} = tf.memory();
    for (let i = 0; i < 2; i++) {
      const kernels = await kernelsOf(() => t.throwsAsync(async () => model.trainOnBatch(x, y),
        {message: /needs more than the option memoryLimit allows: \d+\.\d MiB of cotangents or changes of weights at least, the limit is 1\.0 MiB/}));
      t.log(`${solver}: ${kernels} kernels, a forward pass with its loss ${forward}`);
      t.true(kernels <= 2 * forward, `${solver}: ${kernels} kernels, a forward pass ${forward}`);
    }
    t.is(tf.memory().numTensors, numTensors);
    model.dispose();
    optimizer.dispose();
    tf.dispose([x, y]);
  }
});
