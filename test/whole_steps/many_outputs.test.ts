/**
 * Examples of more outputs than conjugate gradients take products: no row is formed, in fit and in a loop, for one example and for several,
 * whole and in parts.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn, leastSquares, type GgnOptions} from '../../src/index';
import {kernelsOf} from '../support/kernels';
import {variablesOf} from '../support/models';
import {relativeError} from '../support/relative_error';
import {flat, noise} from '../support/tensors';

const L = tf.layers;
const seeded = (seed: number, more: object = {}): object =>
  ({kernelInitializer: tf.initializers.glorotUniform({seed}), biasInitializer: tf.initializers.randomNormal({stddev: 0.1, seed}), ...more});

/** Conjugate gradients end at a residual of 1e-6, of which the step has this times the condition of the damped system. */
const DAMPING = 1;

interface Network {
  layers: () => tf.layers.Layer[];
  loss?: string | ((y: tf.Tensor, p: tf.Tensor) => tf.Tensor);
  x: number[];
  y: number[];
}

const dense = (units: number, seed: number, more: object = {}): tf.layers.Layer => L.dense(seeded(seed, {units, ...more}) as never);
const conv = (filters: number, seed: number, more: object = {}): tf.layers.Layer =>
  L.conv2d(seeded(seed, {filters, kernelSize: 3, padding: 'same', activation: 'elu', ...more}) as never);

/** Of few parameters, so that the normal equations are small. */
const small: Record<string, Network> = {
  'positions of a dense layer': {x: [50, 3], y: [50, 21], layers: () => [dense(4, 1, {activation: 'tanh', inputShape: [50, 3]}), dense(21, 2)]},
  'transposed convolution, sigmoid cross-entropy': {x: [12, 12, 1], y: [24, 24, 2], loss: 'binaryCrossentropy', layers: () => [
    conv(3, 1, {activation: 'relu', inputShape: [12, 12, 1]}),
    L.conv2dTranspose(seeded(2, {filters: 2, kernelSize: 3, strides: 2, padding: 'same', activation: 'sigmoid'}) as never)]},
  'upsampling, max pooling, Huber': {x: [24, 24, 1], y: [24, 24, 2], loss: tf.losses.huberLoss as never, layers: () => [
    conv(3, 1, {inputShape: [24, 24, 1]}), L.maxPooling2d({poolSize: 2}), L.upSampling2d({size: [2, 2]}), conv(2, 2, {activation: 'linear'})]},
  'classes of pixels': {x: [20, 20, 1], y: [20, 20, 3], loss: 'categoricalCrossentropy', layers: () => [
    conv(2, 1, {inputShape: [20, 20, 1]}), conv(3, 2, {activation: 'softmax'})]},
};

const wide = (outputs: number): Network => ({x: [3], y: [outputs], layers: () => [dense(4, 1, {activation: 'tanh', inputShape: [3]}), dense(outputs, 2)]});

interface Taken {
  change: Float64Array;
  report: NonNullable<ReturnType<typeof ggn>['lastStep']>;
}

/** The change of the weights by a step, and the report. Nothing leaks. */
async function step({layers, loss = 'meanSquaredError', x, y}: Network, examples: number, options: GgnOptions, loop = false): Promise<Taken> {
  const {numTensors} = tf.memory();
  const model = tf.sequential({layers: layers()});
  const variables = variablesOf(model);
  const data = tf.tidy(() => {
    const target = noise([examples, ...y], 2);
    return {x: noise([examples, ...x], 1), y: loss === 'categoricalCrossentropy' ? tf.oneHot(tf.argMax(target, -1), y[y.length - 1]) as tf.Tensor :
      loss === 'binaryCrossentropy' ? tf.sigmoid(target) : target};
  });
  const optimizer = ggn({learningRate: 1, momentum: 0, damping: DAMPING, ...options});
  const before = flat(variables);
  if (loop) {
    const weights = 2 / tf.util.sizeFromShape([examples, ...y]);
    optimizer.minimize(() => leastSquares((model.apply(data.x) as tf.Tensor).sub(data.y), {weights}));
  } else {
    model.compile({optimizer, loss: loss as never});
    await model.trainOnBatch(data.x, data.y);
  }
  const change = flat(variables).map((w, i) => w - before[i]);
  const report = optimizer.lastStep!;
  optimizer.dispose();
  model.dispose();
  tf.dispose(data);
  if (tf.memory().numTensors !== numTensors) {
    throw new Error(`${tf.memory().numTensors - numTensors} tensors are left over`);
  }
  return {change, report};
}

for (const [name, network] of Object.entries(small)) {
  test.serial(`the step of the normal equations: ${name}`, async t => {
    await tf.setBackend('wasm');
    const examples = name.startsWith('positions') ? 3 : 1;
    const {change, report} = await step(network, examples, {solver: 'cg'});
    t.like(report, {solver: 'cg', jacobian: 'products', status: 'ok'});
    // The trace of products is an estimate. So the damping of the normal equations is that of the same λ.
    const about = await step(network, examples, {solver: 'normal'});
    t.true(Math.abs(report.lambda / about.report.lambda - 1) < 0.03, `λ ${report.lambda}, with the trace of all rows ${about.report.lambda}`);
    const same = await step(network, examples, {solver: 'normal', damping: DAMPING * report.lambda / about.report.lambda});
    t.true(Math.abs(report.lambda / same.report.lambda - 1) < 1e-5);
    t.true(relativeError(change, same.change) < 1e-4, `${relativeError(change, same.change)}`);
  });
}

test.serial('one example of 1030 outputs, in fit and in a loop, by products and by a Gram matrix', async t => {
  await tf.setBackend('wasm');
  const fit = await step(wide(1030), 1, {});
  const loop = await step(wide(1030), 1, {}, true);
  const gram = await step(wide(1030), 1, {solver: 'gram'}, true);
  t.like(fit.report, {solver: 'cg', jacobian: 'products'});
  t.like(loop.report, {solver: 'cg', jacobian: 'products'});
  t.like(gram.report, {solver: 'gram', jacobian: 'batch'});
  t.true(relativeError(loop.change, fit.change) < 1e-4, `${relativeError(loop.change, fit.change)}`);
  t.true(relativeError(loop.change, gram.change) < 0.01, 'but for the trace');
});

test.serial('one example of more outputs than a Gram matrix has rows', async t => {
  await tf.setBackend('wasm');
  const {report} = await step(wide(9000), 1, {policy: 'levenbergMarquardt', damping: 'auto'});
  t.like(report, {rows: 9000, status: 'ok', jacobian: 'products'});
  t.true(report.gainRatio! > 0.1);
});

test.serial('with little memory the sweeps take some examples after the others', async t => {
  await tf.setBackend('wasm');
  const network = {...small['upsampling, max pooling, Huber'], loss: 'meanSquaredError'};
  const [taken, slices]: [Taken[], number[]] = [[], []];
  for (const options of [{}, {memoryLimit: 2 ** 20}]) {
    slices.push(await kernelsOf(async () => taken.push(await step(network, 4, {solver: 'cg', ...options})), name => name === 'Slice'));
  }
  const [whole, parts] = taken;
  t.true(slices[1] > 2 * slices[0], slices.join());
  t.is(parts.report.jacobian, 'products');
  t.true(relativeError(parts.change, whole.change) < 1e-4, `${relativeError(parts.change, whole.change)}`);
});

test.serial('one example of 1100 outputs as a vector of residuals: its rows count as examples that cannot be told apart', async t => {
  await tf.setBackend('wasm');
  const {numTensors} = tf.memory();
  const model = tf.sequential({layers: wide(1100).layers()});
  const [x, y] = [noise([1, 3], 1), noise([1100], 2)];
  const optimizer = ggn();
  const losses: number[] = [];
  for (let i = 0; i < 2; i++) {
    const loss = optimizer.minimize(() => (model.apply(x) as tf.Tensor).flatten().sub(y).square().mean(), true)!;
    losses.push(loss.dataSync()[0]);
    loss.dispose();
    t.like(optimizer.lastStep, {solver: 'cg', jacobian: 'products', status: 'ok', rows: 1100});
  }
  t.true(losses[1] < losses[0]);
  optimizer.dispose();
  model.dispose();
  tf.dispose([x, y]);
  t.is(tf.memory().numTensors, numTensors);
});

test.serial('examples that the network couples, and too many to go row by row', async t => {
  await tf.setBackend('cpu');
  const change = (options: GgnOptions): Float64Array => {
    const w = tf.variable(noise([520, 2], 1)) as tf.Variable<tf.Rank.R2>;
    const x = noise([520, 520], 2) as tf.Tensor2D;
    const optimizer = ggn({learningRate: 1, momentum: 0, damping: DAMPING, ...options});
    const before = flat([w]);
    optimizer.minimize(() => tf.matMul(x, w).tanh().reverse(0).cumsum(0).div(520).sub(0.1).square().mean());
    const moved = flat([w]).map((value, i) => value - before[i]);
    report = optimizer.lastStep!;
    optimizer.dispose();
    tf.dispose([w, x]);
    return moved;
  };
  let report!: Taken['report'];
  const products = change({solver: 'cg'});
  t.like(report, {jacobian: 'products', rows: 1040});
  const auto = change({});
  t.like(report, {solver: 'cg', jacobian: 'products'});
  t.deepEqual(auto, products);
});
