/** The damping of full batches of a network, which tells signal from noise. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn, leastSquares, GramGaussNewton} from '../../src/index';
import type {GgnOptions} from '../../src/index';
import {seededDense} from '../support/models';

/** Inputs [rows, 2], sin(3 x₁) + x₂ as their truth, and targets [rows, 1] with a normal noise. */
function examples(rows: number, seed: number, sd: number): {x: tf.Tensor2D; y: tf.Tensor2D; truth: tf.Tensor2D} {
  const x = tf.randomUniform([rows, 2], -1, 1, 'float32', seed) as tf.Tensor2D;
  const truth = tf.tidy(() => tf.add(x.slice([0, 0], [rows, 1]).mul(3).sin(), x.slice([0, 1], [rows, 1])) as tf.Tensor2D);
  return {x, truth, y: tf.tidy(() => truth.add(tf.randomNormal([rows, 1], 0, sd, 'float32', seed + 1)) as tf.Tensor2D)};
}

const absolute = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => a.sub(b).abs().mean();

const network = (units = 20): tf.Sequential =>
  tf.sequential({layers: [seededDense(units, 1, {inputShape: [2], activation: 'tanh'}), seededDense(1, 2)]});

/** Trains on the full batch; the optimizer, and the error on clean data. */
async function train(options: GgnOptions, epochs: number, {rows = 60, sd = 0.5, units = 20, loss = 'meanSquaredError' as
    string | ((a: tf.Tensor, b: tf.Tensor) => tf.Tensor)} = {}): Promise<{optimizer: GramGaussNewton; error: number; weights: number[]}> {
  const {x, y} = examples(rows, 3, sd);
  const clean = examples(200, 5, 0);
  const model = network(units);
  const optimizer = ggn(options);
  model.compile({optimizer, loss: loss as 'meanSquaredError'});
  await model.fit(x, y, {batchSize: rows, epochs, verbose: 0, shuffle: false});
  const error = tf.tidy(() => tf.losses.meanSquaredError(clean.truth, model.predict(clean.x) as tf.Tensor).dataSync()[0]);
  return {optimizer, error, weights: model.getWeights().flatMap(w => [...w.dataSync()])};
}

for (const backend of ['cpu', 'wasm']) {
  test.serial(`${backend}: noise is not fitted`, async t => {
    await tf.setBackend(backend);
    const own = await train({}, 60);
    const marquardt = await train({policy: 'levenbergMarquardt'}, 60);
    t.is(own.optimizer.lastStep!.policy, 'evidenceDamping');
    t.true(own.optimizer.lastStep!.damping > 10, `${own.optimizer.lastStep!.damping}`);
    t.true(own.error < 0.2, `${own.error}`);  // 0.155 measured, 0.25 is the variance of the noise
    t.true(own.error < 0.2 * marquardt.error, `${own.error}, ${marquardt.error}`);
  });
}

test.serial('without noise the loss falls to the rounding of float32', async t => {
  await tf.setBackend('cpu');
  const {optimizer, error} = await train({}, 60, {sd: 0, units: 30});
  t.true(optimizer.lastStep!.loss < 2e-6, `${optimizer.lastStep!.loss}`);  // 4e-7 measured
  t.true(error < 2e-5, `${error}`);  // 4e-6 measured
});

test.serial('a mean and a sum, and targets in another unit, make the same steps', async t => {
  await tf.setBackend('cpu');
  const mean = await train({}, 12);
  const sum = await train({}, 12, {loss: (a, b) => tf.squaredDifference(a, b).sum().mul(1024)});
  t.is(sum.optimizer.lastStep!.policy, 'evidenceDamping');
  t.true(Math.abs(sum.optimizer.lastStep!.damping / mean.optimizer.lastStep!.damping - 1) < 1e-3);
  t.true(Math.abs(sum.error / mean.error - 1) < 1e-3, `${sum.error}, ${mean.error}`);
});

test.serial('its place is squares on the full batch of a network, in the Gram system, with no setting given', async t => {
  await tf.setBackend('cpu');
  const policyOf = async (options: GgnOptions, more: object = {}): Promise<string> =>
    (await train(options, 2, more)).optimizer.lastStep!.policy;
  t.is(await policyOf({}), 'evidenceDamping');
  t.is(await policyOf({learningRate: 0.5}), 'evidenceDamping');
  t.is(await policyOf({weightDecay: 0.01}), 'evidenceDamping');
  t.is(await policyOf({damping: 0.1}), 'levenbergMarquardt');
  t.is(await policyOf({momentum: 0.5}), 'levenbergMarquardt');
  t.is(await policyOf({solver: 'cg'}), 'levenbergMarquardt');
  t.is(await policyOf({solver: 'normal'}), 'levenbergMarquardt');
  t.is(await policyOf({}, {rows: 250, units: 20}), 'levenbergMarquardt', '81 parameters');
  t.is(await policyOf({solver: 'gram'}, {rows: 242, units: 20}), 'evidenceDamping');
  t.is(await policyOf({solver: 'gram'}, {rows: 243, units: 20}), 'levenbergMarquardt', 'three rows a parameter');
  t.is(await policyOf({}, {loss: absolute}), 'levenbergMarquardt');
  t.is(await policyOf({}, {loss: (a: tf.Tensor, b: tf.Tensor) => tf.squaredDifference(a, b).mean().sqrt()}), 'levenbergMarquardt');
  t.is(await policyOf({policy: 'levenbergMarquardt'}), 'levenbergMarquardt');
  t.is(await policyOf({policy: 'evidenceDamping', damping: 0.3}), 'evidenceDamping');
});

/** A Gaussian of variance exp(v) for all rows, which the data determine: a likelihood with a second output. */
const gaussian = (target: tf.Tensor, outputs: tf.Tensor): tf.Tensor => {
  const [mean, v] = tf.split(outputs, 2, -1);
  return tf.add(v, tf.squaredDifference(tf.split(target, 2, -1)[0], mean).mul(v.neg().exp())).mean().mul(0.5);
};

test.serial('likelihoods: their noise is not fitted either', async t => {
  await tf.setBackend('wasm');
  const {x, y} = examples(60, 3, 0.5);
  const clean = examples(200, 5, 0);
  const errorOf = async (options: GgnOptions): Promise<{error: number; policy: string; damping: number}> => {
    const model = tf.sequential({layers: [seededDense(50, 1, {inputShape: [2], activation: 'tanh'}), seededDense(2, 2)]});
    const optimizer = ggn(options);
    model.compile({optimizer, loss: gaussian});
    await model.fit(x, tf.concat([y, tf.zerosLike(y)], 1), {batchSize: 60, epochs: 40, verbose: 0, shuffle: false});
    const error = tf.tidy(() =>
      tf.losses.meanSquaredError(clean.truth, tf.split(model.predict(clean.x) as tf.Tensor, 2, -1)[0]).dataSync()[0]);
    const {policy, damping} = optimizer.lastStep!;
    return {error, policy, damping};
  };
  const own = await errorOf({});
  const marquardt = await errorOf({policy: 'levenbergMarquardt'});
  t.is(own.policy, 'evidenceDamping');
  t.true(own.damping > 1, `${own.damping}`);
  // 0.186 and 0.296 measured; 0.25 is the variance of the noise.
  t.true(own.error < 0.23 && own.error < 0.8 * marquardt.error, `${own.error}, ${marquardt.error}`);
});

test.serial('one matrix alone is a linear fit or a system of equations, which has no noise to stop at', async t => {
  await tf.setBackend('cpu');
  const [a, b] = [tf.randomNormal([5, 5], 0, 1, 'float32', 3) as tf.Tensor2D, tf.randomNormal([5, 5], 0, 1, 'float32', 4)];
  const x = tf.variable(tf.zeros([5, 5])) as tf.Variable<tf.Rank.R2>;
  const optimizer = ggn();
  for (let i = 0; i < 60; i++) {
    optimizer.minimize(() => leastSquares(tf.sub(tf.matMul(a, x), b)));
  }
  t.is(optimizer.lastStep!.policy, 'levenbergMarquardt');
  t.true(optimizer.lastStep!.loss < 1e-9, `${optimizer.lastStep!.loss}`);
});

test.serial('a regularizer is a prior of its own', async t => {
  await tf.setBackend('cpu');
  const {x, y} = examples(20, 3, 0.3);
  for (const kernelRegularizer of [tf.regularizers.l1({l1: 0.01}), tf.regularizers.l2({l2: 0.01})]) {
    const model = tf.sequential({layers: [tf.layers.dense({units: 20, inputShape: [2], activation: 'tanh', kernelRegularizer}),
      tf.layers.dense({units: 1})]});
    const optimizer = ggn();
    model.compile({optimizer, loss: 'meanSquaredError'});
    await model.fit(x, y, {batchSize: 20, epochs: 2, verbose: 0});
    t.is(optimizer.lastStep!.policy, 'levenbergMarquardt');
  }
});

test.serial('a policy by name: without an evidence it is Levenberg-Marquardt', async t => {
  await tf.setBackend('cpu');
  for (const more of [{loss: absolute}, {rows: 20}]) {
    const options: GgnOptions = {solver: 'normal', scaling: 'levenberg'};
    const named = await train({...options, policy: 'evidenceDamping'}, 4, more);
    const marquardt = await train({...options, policy: 'levenbergMarquardt'}, 4, more);
    t.is(named.optimizer.lastStep!.policy, 'evidenceDamping');
    t.deepEqual(named.weights, marquardt.weights);
  }
});

test.serial('a saved training goes on as if it had not been saved', async t => {
  await tf.setBackend('cpu');
  const {x, y} = examples(40, 3, 0.3);
  const loop = (optimizer: GramGaussNewton, model: tf.Sequential, steps: number): void => {
    for (let i = 0; i < steps; i++) {
      optimizer.minimize(() => leastSquares(tf.sub(model.apply(x) as tf.Tensor, y)));
    }
  };
  const [model, optimizer] = [network(), ggn()];
  loop(optimizer, model, 5);
  const [again, second] = [network(), GramGaussNewton.fromConfig(GramGaussNewton as never,
      JSON.parse(JSON.stringify(optimizer.getConfig())) as tf.serialization.ConfigDict) as unknown as GramGaussNewton];
  again.setWeights(model.getWeights());
  await second.setWeights(await optimizer.getWeights());
  loop(optimizer, model, 4);
  loop(second, again, 4);
  t.is(second.lastStep!.policy, 'evidenceDamping');
  t.is(second.lastStep!.damping, optimizer.lastStep!.damping);
  t.deepEqual(again.getWeights().map(w => [...w.dataSync()]), model.getWeights().map(w => [...w.dataSync()]));
});
