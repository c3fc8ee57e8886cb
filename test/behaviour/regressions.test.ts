/** Findings of a review: each case was silently wrong, or failed with an error of tfjs. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn} from '../../src/index';
import {BatchJacobian} from '../../src/jacobian/sweep/batch_jacobian';
import {denseJacobian, referenceStep} from '../reference/dense_jacobian';
import {relativeError} from '../support/relative_error';
import {flat, noise, variable} from '../support/tensors';

test.before(async () => {
  await tf.setBackend('cpu');
});

/** The step of a fresh optimizer (or of this one, without momentum) against the reference. */
function stepError(variables: tf.Variable[], loss: () => tf.Scalar, rows: () => tf.Tensor, weights: number[], optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0})): number {
  const {jacobian, rows: residual, n, m} = denseJacobian(rows, variables);
  const expected = referenceStep({jacobian, n, m, residual, weights: Float64Array.from(weights), damping: 0.1, momentum: 0, previous: null, ridge: null,
    extraGradient: null});
  const before = flat(variables);
  optimizer.minimize(loss, false, variables);
  return relativeError(flat(variables).map((w, i) => w - before[i]), expected.step);
}

test.serial('a boundary point beside the data is a row, not a regularizer', t => {
  const [w1, w2] = [variable([1, 4], 1), variable([4, 1], 2)];
  const net = (x: tf.Tensor2D): tf.Tensor => tf.matMul(tf.tanh(tf.matMul(x, w1)), w2);
  const [x, y, x0] = [noise([5, 1], 3), noise([5, 1], 4), tf.tensor2d([[0.5]])];
  const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0});
  const error = stepError([w1, w2], () => net(x).sub(y).square().mean().add(net(x0).sub(1).square().mean()),
      () => tf.concat([net(x).sub(y), net(x0).sub(1)], 0), [0.2, 0.2, 0.2, 0.2, 0.2, 1], optimizer);
  t.true(error < 2e-4, String(error));
  t.is(optimizer.lastStep!.rows, 6);
});

test.serial('data in variables that are not trained are data', t => {
  const w = variable([2, 1], 1);
  const [x, y] = [tf.variable(noise([1200, 2], 2), false), tf.variable(noise([1200, 1], 3), false)];
  const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0});
  const error = stepError([w], () => tf.matMul(x, w).tanh().sub(y).square().mean(), () => tf.matMul(x, w).tanh().sub(y),
      new Array<number>(1200).fill(1 / 1200), optimizer);
  t.true(error < 2e-4, String(error));
  t.is(optimizer.lastStep!.jacobian, 'batch');
});

test.serial('λ and n with a regularizer do not depend on the batch having one element', t => {
  const [w1, w2] = [variable([1, 3], 1), variable([3, 1], 2)];
  const [x, y] = [tf.tensor2d([[0.7]]), tf.tensor2d([[2]])];
  const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0});
  optimizer.minimize(() => tf.matMul(tf.tanh(tf.matMul(x, w1)), w2).sub(y).square().mean().add(w1.square().sum().mul(0.01)));
  t.is(optimizer.lastStep!.rows, 1);
});

test.serial('a kernel that puts the examples where an input says, the input changing from step to step', t => {
  const [w1, w2] = [variable([2, 3], 1), tf.variable(tf.zeros([3, 1])) as tf.Variable<tf.Rank.R2>];  // behind zeros a check sees nothing
  const [x, y] = [noise([6, 2], 3), noise([6, 1], 4)];
  const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0});
  for (const ids of [[0, 1, 2, 3, 4, 5], [3, 1, 0, 5, 4, 2], [0, 0, 1, 1, 2, 2]]) {
    const order = tf.tensor1d(ids, 'int32');
    const rows = (): tf.Tensor => tf.matMul(tf.unsortedSegmentSum(tf.tanh(tf.matMul(x, w1)), order, 6), w2).sub(y);
    const error = stepError([w1, w2], () => rows().square().mean(), rows, new Array<number>(6).fill(1 / 6), optimizer);
    t.true(error < 2e-4, `${ids.join()}: ${error}`);
  }
});

test.serial('a wrong Jacobian behind a last layer of zeros is found as soon as it matters', async t => {
  const [x, y] = [noise([4, 3], 1), noise([4, 1], 2)];
  const model = tf.sequential({layers: [tf.layers.dense({units: 4, inputShape: [3], activation: 'tanh'}), tf.layers.dense({units: 1, kernelInitializer: 'zeros'})]});
  const optimizer = ggn();
  model.compile({optimizer, loss: 'meanSquaredError'});
  // The class of the operator itself: the wrong factor is that of the first layer's kernel.
  const original = BatchJacobian.prototype.applyTranspose;
  BatchJacobian.prototype.applyTranspose = function(u, wanted) {
    return original.call(this, u, wanted).map((part, v) => v === 0 && part !== null ? tf.mul(part, 2) : part);
  };
  try {
    await model.trainOnBatch(x, y);
    t.is(optimizer.lastStep!.status, 'ok', 'nothing to be seen yet');
    const before = model.getWeights().map(w => [...w.dataSync()]);
    await t.throwsAsync(model.trainOnBatch(x, y), {message: /the self-check of the Jacobian failed/});
    t.deepEqual(model.getWeights().map(w => [...w.dataSync()]), before);
  } finally {
    BatchJacobian.prototype.applyTranspose = original;
  }
});

test.serial('masks by where with zerosLike, and not-a-number behind the mask', t => {
  const w = variable([2, 1], 1);
  const x = noise([4, 2], 2);
  const y = tf.tensor2d([1, NaN, 2, NaN], [4, 1]);
  const mask = tf.tensor2d([1, 0, 1, 0], [4, 1], 'bool');
  const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0});
  const clean = tf.where(mask, y, tf.zerosLike(y));
  const rows = (): tf.Tensor => tf.matMul(x, w).tanh().sub(clean);
  const {jacobian, rows: residual, n, m} = denseJacobian(rows, [w]);
  const {step} = referenceStep({jacobian, n, m, residual, weights: Float64Array.from([0.25, 0, 0.25, 0]), damping: 0.1, momentum: 0, previous: null, ridge: null,
    extraGradient: null});
  const before = flat([w]);
  optimizer.minimize(() => {
    const squares = tf.matMul(x, w).tanh().sub(y).square();
    return tf.where(mask, squares, tf.zerosLike(squares)).mean();
  });
  t.true(relativeError(flat([w]).map((value, i) => value - before[i]), step) < 2e-4);
});

test.serial('a regularizer without a finite gradient, and loaded state that is not finite, are errors that say so', async t => {
  const w = tf.variable(tf.zeros([2, 1])) as tf.Variable<tf.Rank.R2>;
  const [x, y] = [noise([4, 2], 1), noise([4, 1], 2)];
  const fit = (): tf.Scalar => tf.matMul(x, w).sub(y).square().mean();
  t.throws(() => ggn().minimize(() => fit().add(w.square().sum().sqrt())), {message: /gradient of a regularizer is not finite/});
  const optimizer = ggn();
  const state = [{name: 'iter', tensor: tf.scalar(3, 'int32')}, {name: 'ggn/1/previousStep/0', tensor: tf.tensor2d([1, NaN], [2, 1])}];
  await t.throwsAsync(() => optimizer.setWeights(state), {message: /'ggn\/1\/previousStep\/0' of the saved state holds NaN/});
  t.deepEqual([...w.dataSync()], [0, 0]);
});

test.serial('a variable that cannot be assigned leaves all as they were', t => {
  const [a, b] = [variable([2, 1], 1), tf.variable(tf.scalar(0.5))];
  const [x, y] = [noise([4, 2], 2), noise([4, 1], 3)];
  const optimizer = ggn();
  b.assign = () => {
    throw new Error('read only');
  };
  const before = flat([a, b]);
  const {numTensors} = tf.memory();
  t.throws(() => optimizer.minimize(() => tf.matMul(x, a).add(b).sub(y).square().mean()), {message: 'read only'});
  t.deepEqual(flat([a, b]), before);
  t.is(tf.memory().numTensors, numTensors);
  t.is(optimizer.iterations, 0);
});

test.serial('setWeights that fails keeps the state', async t => {
  const w = variable([2, 1], 1);
  const [x, y] = [noise([4, 2], 2), noise([4, 1], 3)];
  const optimizer = ggn();
  optimizer.minimize(() => tf.matMul(x, w).sub(y).square().mean());
  const before = (await optimizer.getWeights()).map(({tensor}) => [...tensor.dataSync()]);
  const gone = tf.tensor2d([1, 2], [2, 1]);
  gone.dispose();
  const [iter, good] = [tf.scalar(7, 'int32'), tf.tensor2d([1, 2], [2, 1])];
  const {numTensors} = tf.memory();
  await t.throwsAsync(optimizer.setWeights([{name: 'iter', tensor: iter}, {name: 'ggn/1/previousStep/0', tensor: good}, {name: 'ggn/1/previousStep/1', tensor: gone}]));
  t.is(tf.memory().numTensors, numTensors);
  t.deepEqual((await optimizer.getWeights()).map(({tensor}) => [...tensor.dataSync()]), before);
});

test.serial('a chain of thousands of ops', t => {
  const w = tf.variable(tf.scalar(0.5));
  const [x, y] = [noise([4, 1], 2), noise([4, 1], 3)];
  const optimizer = ggn();
  optimizer.minimize(() => {
    let h: tf.Tensor = x;
    for (let i = 0; i < 3000; i++) {
      h = h.mul(w).add(x).tanh();
    }
    return h.sub(y).square().mean();
  });
  t.not(optimizer.lastStep, null);
});

test.serial('arguments that are no function and no variables', t => {
  t.throws(() => ggn().minimize(5 as never), {message: /minimize\(\) takes the function that computes the loss.*received number/});
  const model = tf.sequential({layers: [tf.layers.dense({units: 1, inputShape: [2]})]});
  t.throws(() => ggn().minimize(() => (model.apply(noise([3, 2], 1)) as tf.Tensor).square().mean(), false, model.trainableWeights as never),
      {message: /weight => weight\.read\(\)/});
});

test.serial("a logistic fit that starts saturated on the wrong side, with Marquardt's scaling", t => {
  const [w, x] = [tf.variable(tf.scalar(200)), tf.tensor1d([0.5, 1, 1.5])];
  const optimizer = ggn();
  for (let i = 0; i < 20; i++) {
    optimizer.minimize(() => tf.losses.sigmoidCrossEntropy(tf.zeros([3]), w.mul(x)) as tf.Scalar);
  }
  t.is(optimizer.lastStep!.scaling, 'marquardt');
  t.true(w.dataSync()[0] < 0, `${w.dataSync()[0]}`);
  tf.dispose([w, x]);
});

test.serial('a step that overflows float32 is rejected under Levenberg-Marquardt, and damped until it does not', t => {
  const w = tf.variable(tf.scalar(0));
  const optimizer = ggn({policy: 'levenbergMarquardt', solver: 'normal'});
  for (let i = 0; i < 3; i++) {
    optimizer.minimize(() => w.mul(1e-25).sub(1e15).square().mean() as tf.Scalar);
    t.true(Number.isFinite(w.dataSync()[0]));
  }
  t.true(w.dataSync()[0] > 1e15, `${w.dataSync()[0]}`);
  w.dispose();
});
