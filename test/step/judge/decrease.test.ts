/** The gain ratio, and the state after a rejected step. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn, grad, leastSquares, type GgnOptions, type GramGaussNewton, type StepReport} from '../../../src/index';
import {seededDense, variablesOf} from '../../support/models';
import {noise, numbersOf} from '../../support/tensors';

const close = (a: number, b: number, tolerance: number): boolean => Math.abs(a - b) <= tolerance * Math.max(Math.abs(a), Math.abs(b));

/** Judges every step, rejects none, at fixed settings. */
const judged = (settings: GgnOptions): GgnOptions => ({...settings, policy: () => undefined});

for (const backend of ['cpu', 'wasm']) {
  test.serial(`${backend}: on a quadratic loss the gain ratio is 1, at any learning rate, damping, weight and regularizer`, async t => {
    await tf.setBackend(backend);
    const [x, y, weights] = [noise([40, 6], 1), noise([40, 2], 2), tf.randomUniform([40, 1], 0.1, 3, 'float32', 3)];
    for (const learningRate of [0.2, 1]) {
      for (const damping of [1e-3, 10]) {
        const [w, b] = [tf.variable(noise([6, 2], 4)), tf.variable(noise([2], 5))];
        const optimizer = ggn(judged({learningRate, damping, momentum: 0.9}));
        const loss = (): tf.Scalar => tf.matMul(x, w as tf.Tensor2D).add(b).sub(y).square().mul(weights).mean().add(w.square().sum().mul(0.05)) as tf.Scalar;
        for (let i = 0; i < 3; i++) {
          optimizer.minimize(loss);
          const {gainRatio, actualDecrease, predictedDecrease, loss: before} = optimizer.lastStep!;
          if (predictedDecrease! < 1e-3 * before) {
            continue;  // at the minimum: both decreases are rounding of the residuals
          }
          t.true(Math.abs(gainRatio! - 1) < 1e-3, `learning rate ${learningRate}, damping ${damping}: ${gainRatio}`);
          const after = tf.tidy(() => loss().dataSync()[0]);
          t.true(Math.abs(before - after - actualDecrease!) < 1e-6 * before);
          t.true(close(predictedDecrease!, actualDecrease!, 1e-3));
        }
      }
    }
  });

  test.serial(`${backend}: the actual decrease is that of the loss, dropout, batch normalisation and L1 included, and f() runs once`, async t => {
    await tf.setBackend(backend);
    const model = tf.sequential({layers: [
      seededDense(8, 1, {inputShape: [5], activation: 'tanh', kernelRegularizer: tf.regularizers.l1l2({l1: 0.02, l2: 0.03})}),
      tf.layers.batchNormalization(), tf.layers.dropout({rate: 0.3}), seededDense(1, 2)]});
    const [x, y] = [noise([30, 5], 6), noise([30, 1], 7)];
    const optimizer = ggn(judged({learningRate: 0.5, damping: 0.1, momentum: 0}));
    let calls = 0;
    // The same masks again, by the tensors that the first call drew.
    const {random} = Math;
    const draws: number[] = [];
    let replaying = -1;
    Math.random = () => replaying >= 0 ? draws[replaying++] : draws[draws.push(random()) - 1];
    try {
      const loss = (): tf.Scalar => {
        calls++;
        return tf.addN([tf.losses.meanSquaredError(y, model.apply(x, {training: true}) as tf.Tensor), ...model.calculateLosses()]).asScalar();
      };
      optimizer.minimize(loss, false, variablesOf(model));
      t.is(calls, 1);
      const before = optimizer.lastStep!.loss;
      replaying = 0;
      const after = tf.tidy(() => loss().dataSync()[0]);
      t.true(Math.abs(before - after - optimizer.lastStep!.actualDecrease!) < 1e-5 * before, `${before - after} ${optimizer.lastStep!.actualDecrease}`);
    } finally {
      Math.random = random;
    }
    const {actualDecrease, gainRatio} = optimizer.lastStep!;
    t.true(actualDecrease! > 0);
    t.true(gainRatio! > 0.2 && gainRatio! < 3, String(gainRatio));
  });
}

test.serial('the decrease of a step is resolved where the float32 loss no longer is', async t => {
  await tf.setBackend('cpu');
  // Residuals of 1000 but for one: 1 + 1e-4 is lost in a float32 loss of 1e6.
  const w = tf.variable(tf.scalar(1e-2));
  const far = tf.tensor1d([1000, 1000, 1000]);
  const optimizer = ggn(judged({learningRate: 1, damping: 1e-9, momentum: 0}));
  const before = 0.5 * (3e6 + 1e-4);
  optimizer.minimize(() => leastSquares([far.add(w.mul(0)), w.mul(tf.ones([1]))]));
  const {actualDecrease, loss} = optimizer.lastStep!;
  t.true(Math.fround(before - 5e-5) === Math.fround(before) && loss === Math.fround(before));
  t.true(close(actualDecrease!, 5e-5, 1e-3), String(actualDecrease));
});

/** exp(-30 w²) has a gradient that points over the edge: long steps raise the loss. */
function cliff(options: GgnOptions): {w: tf.Variable; optimizer: GramGaussNewton; step: () => StepReport} {
  const w = tf.variable(tf.tensor1d([0.9]));
  const optimizer = ggn(options);
  return {w, optimizer, step: () => {
    // r = w / (1 + w⁴): beyond w = 0.76 the residual falls as w grows, and a Gauss-Newton step there leads away from the minimum at 0.
    optimizer.minimize(() => tf.div(w, tf.add(tf.pow(w, 4), 1)).sub([0.9]).square().mean() as tf.Scalar);
    return optimizer.lastStep!;
  }};
}

test.serial('a step that does not decrease the loss is solved again with more damping, within the step', async t => {
  await tf.setBackend('cpu');
  const {w, step} = cliff({policy: 'levenbergMarquardt', levenbergMarquardt: {initialDamping: 1e-9}});
  const lossAt = (x: number): number => (x / (1 + x ** 4) - 0.9) ** 2;
  const before = lossAt(0.9);
  const report = step();
  t.is(report.status, 'ok');
  t.true(report.attempts > 1, `${report.attempts} attempts`);
  t.true(report.damping > 1e-9);
  t.true(report.gainRatio! > 0);
  const after = lossAt(w.dataSync()[0]);
  t.true(after < before);
  t.true(Math.abs(before - after - report.actualDecrease!) < 1e-6);
});

test.serial('after the last attempt the step is not taken: weights and state are untouched, the report says so, the damping stays raised', async t => {
  await tf.setBackend('cpu');
  const {w, optimizer, step} = cliff({policy: 'levenbergMarquardt', levenbergMarquardt: {initialDamping: 1e-6, attempts: 1}});
  const state = async (): Promise<number[][]> => (await optimizer.getWeights()).slice(1).map(({tensor}) => [...tensor.dataSync()]);
  const warnings: string[] = [];
  const {warn} = console;
  console.warn = (line: string) => void warnings.push(line);
  try {
    const tensors = tf.memory().numTensors;
    const report = step();
    t.is(report.status, 'rejected');
    t.is(report.attempts, 1);
    t.is(report.stepNorm, 0);
    t.true(report.gainRatio! <= 0 && report.actualDecrease! <= 0 && report.predictedDecrease! > 0);
    t.deepEqual(numbersOf([w]), [Math.fround(0.9)]);
    t.deepEqual(await state(), []);
    t.is(tf.memory().numTensors, tensors + 2, 'the saved iteration count, and the weight before the step');
    t.is(optimizer.damping, 2e-6);
    step();
    t.is(optimizer.damping, 8e-6, 'twice, then four times');
    t.deepEqual(warnings, [], 'rejections are how Levenberg-Marquardt ends');
    // In the end the damping is enough.
    let taken = false;
    for (let i = 0; i < 30 && !taken; i++) {
      taken = step().status === 'ok';
    }
    t.true(taken);
  } finally {
    console.warn = warn;
  }
});

test.serial('rejections leak nothing and keep the momentum of the last accepted step', async t => {
  await tf.setBackend('wasm');
  const {optimizer, step} = cliff({policy: 'levenbergMarquardt', momentum: 0.5, levenbergMarquardt: {initialDamping: 1e-9}});
  step();
  const tensors = tf.memory().numTensors;
  for (let i = 0; i < 5; i++) {
    optimizer.damping = 1e-9;
    step();
    t.is(tf.memory().numTensors, tensors);
  }
});

test.serial('a given damping is where the attempts of every step begin', async t => {
  await tf.setBackend('cpu');
  const {optimizer, step} = cliff({policy: 'levenbergMarquardt', damping: 1e-9});
  t.true(step().damping > 1e-9);
  t.is(optimizer.damping, 1e-9);
});

test.serial('derivatives inside f are judged, too', async t => {
  await tf.setBackend('cpu');
  const model = tf.sequential({layers: [
    tf.layers.dense({units: 8, activation: 'tanh', inputShape: [1], kernelInitializer: tf.initializers.glorotNormal({seed: 1})}),
    tf.layers.dense({units: 1, kernelInitializer: tf.initializers.glorotNormal({seed: 2})})]});
  const x = tf.linspace(0, 2, 20).reshape([20, 1]);
  const u = (at: tf.Tensor): tf.Tensor => model.apply(at) as tf.Tensor;
  const optimizer = ggn({policy: 'levenbergMarquardt'});
  const losses: number[] = [];
  for (let i = 0; i < 12; i++) {
    optimizer.minimize(() => leastSquares([grad(grad(u))(x).add(u(x)), u(tf.zeros([1, 1])).sub(1), grad(u)(tf.zeros([1, 1]))]), false);
    losses.push(optimizer.lastStep!.loss);
  }
  t.true(losses.every((loss, i) => i === 0 || loss <= losses[i - 1]));
  t.true(losses.at(-1)! < 1e-3 * losses[0], losses.join(' '));
});
