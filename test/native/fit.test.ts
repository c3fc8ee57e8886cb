/** Training on tfjs-node as its users do it: fit, checkpoints in files, the same course as on the cpu backend. */
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs';
import {ggn, GramGaussNewton} from '../../src/index';
import {useBackend} from '../support/backends';
import {testOn} from '../support/test_on';

const native = testOn('tensorflow');

/** 8 x 8 images of a wave: its direction and length are the inputs' truth, its direction the target. */
function waves(examples: number): {x: tf.Tensor; y: tf.Tensor} {
  return tf.tidy(() => {
    const angle = Array.from({length: examples}, (_, b) => Math.sin(7 * b) * 0.7);
    const pixels = angle.flatMap((a, b) => Array.from({length: 64}, (_, i) =>
      Math.sin((1 + 0.3 * Math.cos(b)) * ((i % 8) * Math.cos(a) + Math.floor(i / 8) * Math.sin(a)))));
    return {x: tf.tensor(pixels, [examples, 8, 8, 1]), y: tf.tensor(angle, [examples, 1])};
  });
}

function network(): tf.LayersModel {
  const kernelInitializer = tf.initializers.glorotUniform({seed: 3});
  return tf.sequential({layers: [
    tf.layers.conv2d({inputShape: [8, 8, 1], filters: 4, kernelSize: 3, strides: 2, padding: 'same', activation: 'relu', kernelInitializer}),
    tf.layers.flatten(),
    tf.layers.dense({units: 8, activation: 'tanh', kernelInitializer}),
    tf.layers.dense({units: 1, kernelInitializer, kernelRegularizer: tf.regularizers.l2({l2: 1e-4})})]});
}

const compiled = (model: tf.LayersModel): tf.LayersModel => {
  model.compile({optimizer: ggn(), loss: 'meanSquaredError', metrics: ['mae']});
  return model;
};

async function train(model: tf.LayersModel, epochs: number): Promise<number[]> {
  const {x, y} = waves(64);
  const {history} = await model.fit(x, y, {epochs, batchSize: 16, shuffle: false, validationSplit: 0.25, verbose: 0});
  tf.dispose([x, y]);
  return history['loss'] as number[];
}

native('fit follows the same course as on the cpu backend, and leaves no tensors', async t => {
  await useBackend('cpu');
  const expected = await train(compiled(network()), 5);
  await useBackend('tensorflow');
  const model = compiled(network());
  const first = await train(model, 1);
  const tensors = tf.memory().numTensors;
  const loss = [...first, ...await train(model, 4)];
  t.is(tf.memory().numTensors, tensors);
  t.true(loss[4] < 0.1 * loss[0], loss.join());
  loss.forEach((value, epoch) => t.true(Math.abs(value / expected[epoch] - 1) < 1e-2, `epoch ${epoch}: ${value}, on cpu ${expected[epoch]}`));
});

native('a checkpoint in files goes on where the model stopped', async t => {
  await useBackend('tensorflow');
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'tfjs-ggn-native-'));
  const model = compiled(network());
  await train(model, 2);
  await model.save(`file://${folder}`, {includeOptimizer: true});
  const loaded = await tf.loadLayersModel(`file://${folder}/model.json`);
  await fs.rm(folder, {recursive: true});
  t.true(loaded.optimizer instanceof GramGaussNewton);
  t.is((loaded.optimizer as GramGaussNewton).iterations, 6);
  t.deepEqual(await train(loaded, 2), await train(model, 2));
});

native('fitDataset', async t => {
  await useBackend('tensorflow');
  const model = compiled(network());
  const {x, y} = waves(32);
  const data = tf.data.zip({xs: tf.data.array(tf.unstack(x)), ys: tf.data.array(tf.unstack(y))}).batch(16);
  const {history} = await model.fitDataset(data as tf.data.Dataset<tf.TensorContainer>, {epochs: 3, verbose: 0});
  t.true((history['loss'][2] as number) < 0.5 * (history['loss'][0] as number));
});

native('a batch without examples is named as such: its mean is not a number here', async t => {
  await useBackend('tensorflow');
  const model = compiled(tf.sequential({layers: [tf.layers.dense({units: 1, inputShape: [2]})]}));
  await t.throwsAsync(model.trainOnBatch(tf.zeros([0, 2]), tf.zeros([0, 1])), {message: /^tfjs-ggn: this step has no rows/});
});

native('cotangents that are large, and the rows of a bias at once, are kept', async t => {
  await useBackend('tensorflow');
  const kernelInitializer = tf.initializers.glorotUniform({seed: 3});
  const model = compiled(tf.sequential({layers: [
    tf.layers.dense({inputShape: [1], units: 20, activation: 'tanh', kernelInitializer}),
    tf.layers.dense({units: 1, kernelInitializer})]}));
  const x = tf.linspace(-1, 1, 1000).reshape([1000, 1]);  // 20,000 cotangents: from 2¹⁴ on they are given back early
  const {history} = await model.fit(x, x.mul(3).sin(), {epochs: 10, batchSize: 1000, verbose: 0});
  t.true((history['loss'][9] as number) < 0.05 * (history['loss'][0] as number), String(history['loss']));
});
