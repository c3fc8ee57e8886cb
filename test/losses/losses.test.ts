/** Every loss, by name in trainOnBatch and as an op in a loop, with weights and without; losses in company; and those that are refused. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn} from '../../src/index';
import {denseJacobian} from '../reference/dense_jacobian';
import {gaussNewtonStep, outputDerivatives} from '../reference/generalized_gauss_newton';
import {variablesOf} from '../support/models';
import {softplus} from '../support/numbers';
import {relativeError} from '../support/relative_error';
import {B, DAMPING, majorized, network, TOLERANCE} from './loss_steps';
import {byName} from './loss_table';
import type {LossCase} from './loss_table';
import {testLosses} from './test_losses';
import {flat} from '../support/tensors';

test.beforeEach(async () => {
  await tf.setBackend('cpu');
});

testLosses('cpu');
testLosses('wasm');

/** Squares plus 0.1 times the mean output, of the last layer's two outputs. */
const PLUS_LINEAR: Record<string, {residual: boolean; fit?: (y: tf.Tensor, p: tf.Tensor) => tf.Tensor; loop(y: tf.Tensor, p: tf.Tensor): tf.Tensor}> = {
  'squares': {residual: false, fit: (y, p) => p.sub(y).square().mean(-1).add(p.mean(-1).mul(0.1)), loop: (y, p) => tf.losses.meanSquaredError(y, p).add(p.mean().mul(0.1))},
  'squares, linear in the residual': {residual: false, loop: (y, p) => {
    const r = p.sub(y);
    return r.square().mean().add(r.mean().mul(0.1));
  }},
  'absolute values': {residual: true, fit: (y, p) => p.sub(y).abs().mean(-1).add(p.mean(-1).mul(0.1)), loop: (y, p) => p.sub(y).abs().mean().add(p.mean().mul(0.1))},
};

for (const [name, {residual: isAbsolute, fit, loop}] of Object.entries(PLUS_LINEAR)) {
  const one: LossCase = {name, activation: 'linear', outputs: 2, targets: byName[0].targets, value: () => 0};
  for (const how of fit === undefined ? ['loop'] as const : ['fit', 'loop'] as const) {
    test.serial(`${name} and a term that is linear in the outputs, in ${how === 'fit' ? 'fit' : 'a loop'}`, async t => {
      const y = one.targets(B);
      const net = network(one);
      const n = 2 * B;
      const {jacobian, m, rows: r} = denseJacobian(() => net.predict().sub(y), net.variables);
      const own = Float64Array.from(r, x => (isAbsolute ? Math.sign(x) : 2 * x) / n);
      const second = new Float64Array(n * n);
      own.forEach((_, i) => second[i * (n + 1)] = isAbsolute ? 0 : 2 / n);
      const h = isAbsolute ? majorized(own, second, r).h : second;
      const extra = new Float64Array(m);
      extra.forEach((_, j) => own.forEach((_, i) => extra[j] += 0.1 / n * jacobian[i * m + j]));
      const {step: expected, gradient} = gaussNewtonStep({jacobian, n, m, q: own, h, weighted: n, damping: DAMPING, extra});
      const before = flat(net.variables);
      const weights = net.variables.map(v => v.clone());
      const reset = (): void => net.variables.forEach((v, i) => v.assign(weights[i]));
      for (const policy of ['fixed', 'levenbergMarquardt'] as const) {
        const optimizer = ggn({learningRate: 1, damping: DAMPING, momentum: 0, policy});
        if (how === 'fit') {
          net.model.compile({optimizer, loss: fit!});
          await net.model.trainOnBatch(net.x, y);
        } else {
          optimizer.minimize(() => loop(y, net.predict()) as tf.Scalar);
        }
        const step = flat(net.variables).map((w, j) => w - before[j]);
        const {gradientNorm, rows, curvature, predictedDecrease, actualDecrease, damping} = optimizer.lastStep!;
        t.is(rows, n);
        t.is(curvature, isAbsolute ? 'majorized' : 'exact');
        t.true(Math.abs(gradientNorm / Math.hypot(...gradient) - 1) < 1e-4, `gradient norm ${gradientNorm}, expected ${Math.hypot(...gradient)}`);
        if (policy === 'fixed') {
          t.true(relativeError(step, expected) < TOLERANCE, `step off by ${relativeError(step, expected)}`);
        } else {
          const along = step.reduce((sum, d, j) => sum - gradient[j] * d, 0);
          t.true(predictedDecrease! > 0 && predictedDecrease! < along && actualDecrease! > 0, `${predictedDecrease} of ${along}, ${actualDecrease}, damping ${damping}`);
          const after = tf.tidy(() => loop(y, net.predict()).dataSync()[0]);
          reset();
          const start = tf.tidy(() => loop(y, net.predict()).dataSync()[0]);
          t.true(Math.abs(actualDecrease! - (start - after)) < 1e-4 * Math.abs(start), `${actualDecrease}, of the loss ${start - after}`);
        }
        reset();
        optimizer.dispose();
      }
      net.model.dispose();
      tf.dispose([y, net.x, weights]);
    });
  }
}

/**
 * Written by logarithms of probabilities, so that tfjs clips them, or not at all, and its gradient vanishes or is no number at the second
 * biases.
 */
const ENTROPY_PLUS_LINEAR: Record<string, {loop(y: tf.Tensor, f: tf.Tensor): tf.Tensor; value(f: readonly number[], y: readonly number[]): number}> = {
  'log softmax': {loop: (y, f) => tf.logSoftmax(f).mul(y).sum(1).neg().mean(), value: (f, y) => logSumExp(f) - f.reduce((sum, x, i) => sum + x * y[i], 0)},
  'the logarithm of a softmax': {loop: (y, f) => tf.softmax(f).log().mul(y).sum(1).neg().mean(), value: (f, y) => logSumExp(f) - f.reduce((sum, x, i) => sum + x * y[i], 0)},
  'logLoss of a sigmoid': {loop: (y, f) => tf.losses.logLoss(y, tf.sigmoid(f)), value: (f, y) => f.reduce((sum, x, i) => sum + softplus(x) - x * y[i], 0) / f.length},
  'sigmoidCrossEntropy': {loop: (y, f) => tf.losses.sigmoidCrossEntropy(y, f), value: (f, y) => f.reduce((sum, x, i) => sum + softplus(x) - x * y[i], 0) / f.length},
};
const logSumExp = (f: readonly number[]): number => Math.max(...f) + Math.log(f.reduce((sum, x) => sum + Math.exp(x - Math.max(...f)), 0));

for (const [name, {loop, value}] of Object.entries(ENTROPY_PLUS_LINEAR)) {
  test.serial(`${name} and a term that is linear in the logits: not clipped, also where they are saturated`, t => {
    // Soft targets, and slopes that leave them in [0, 1]: the sum has a lower bound.
    const y = tf.oneHot(tf.tensor1d([0, 1, 2, 0, 1, 2], 'int32'), 3).toFloat().mul(0.7).add(0.1);
    const slopes = [0.03, -0.06, 0.015];
    for (const bias of [[0, 0, 0], [40, -40, 0.5]]) {
      const net = network({activation: 'linear', outputs: 3});
      net.variables[3].assign(tf.tensor1d(bias));
      const {jacobian, rows: f, n, m} = denseJacobian(net.logits, net.variables);
      const targets = y.arraySync() as number[][];
      const {q, h} = outputDerivatives((b, fb) => (value(fb, targets[b]) + fb.reduce((sum, x, i) => sum + slopes[i] * x, 0)) / B, f, 3);
      const before = flat(net.variables);
      const optimizer = ggn({learningRate: 1, damping: DAMPING, momentum: 0, policy: 'fixed'});
      optimizer.minimize(() => loop(y, net.logits()).add(net.logits().mul(slopes).sum(1).mean()) as tf.Scalar);
      const step = flat(net.variables).map((w, j) => w - before[j]);
      const {status, curvature, rows, lambda, gradientNorm} = optimizer.lastStep!;
      // Near saturation λ is no longer taken from the trace alone.
      const unit = gaussNewtonStep({jacobian, n, m, q, h, weighted: n, damping: 1});
      const {step: expected, gradient} = gaussNewtonStep({jacobian, n, m, q, h, weighted: n, damping: lambda / unit.lambda});
      t.like({status, curvature, rows}, {status: 'ok', curvature: 'exact', rows: n});
      t.true(Math.abs(gradientNorm / Math.hypot(...gradient) - 1) < 1e-4, `gradient norm ${gradientNorm}, expected ${Math.hypot(...gradient)}`);
      // The reference is less exact there: its differences are of numbers that hardly change.
      t.true(relativeError(step, expected) < 1e-3, `step off by ${relativeError(step, expected)}`);
      optimizer.dispose();
      net.model.dispose();
      net.x.dispose();
    }
    y.dispose();
  });
}

test.serial('the cross-entropy of some of the examples, picked by gather', t => {
  const y = tf.oneHot(tf.tensor1d([0, 1, 2, 0, 1, 2], 'int32'), 3).toFloat();
  const steps = [
    (f: tf.Tensor) => tf.logSoftmax(f).mul(y).sum(1).gather(tf.tensor1d([0, 2, 3], 'int32')).mean().neg(),
    (f: tf.Tensor) => tf.losses.softmaxCrossEntropy(y, f, tf.tensor1d([1, 0, 1, 1, 0, 0])),
  ].map(loss => {
    const net = network({activation: 'linear', outputs: 3});
    const before = flat(net.variables);
    const optimizer = ggn({learningRate: 1, damping: DAMPING, momentum: 0, policy: 'fixed'});
    optimizer.minimize(() => loss(net.logits()) as tf.Scalar);
    const step = flat(net.variables).map((w, j) => w - before[j]);
    t.is(optimizer.lastStep!.curvature, 'exact');
    optimizer.dispose();
    net.model.dispose();
    net.x.dispose();
    return step;
  });
  t.true(relativeError(steps[0], steps[1]) < 1e-5, `off by ${relativeError(steps[0], steps[1])}`);
  y.dispose();
});

test.serial('targets that are no numbers: ignored by squares of weight 0, an error elsewhere, and the weights stay', t => {
  const mask = tf.tensor2d([[1], [1], [0], [1], [0], [1]]).tile([1, 3]).cast('bool');
  const known = tf.randomNormal([B, 3], 0, 1, 'float32', 5);
  const y = tf.where(mask, known, tf.fill([B, 3], NaN));
  const masked = (losses: tf.Tensor): tf.Scalar => tf.where(mask, losses, tf.zerosLike(losses)).mean();
  const net = network({activation: 'linear', outputs: 3});
  const before = flat(net.variables);
  const optimizer = ggn({policy: 'fixed'});
  for (const [loss, message] of [
    [(f: tf.Tensor) => masked(tf.logSoftmax(f).mul(y).neg()), /^tfjs-ggn: the gradient of a cross-entropy in its logits is not finite.*tf\.where\(mask/],
    [(f: tf.Tensor) => masked(f.exp().sub(f.mul(y))), /^tfjs-ggn: the derivative of the loss .*which a mask leaves out are numbers/],
  ] as const) {
    const tensors = tf.memory().numTensors;
    t.throws(() => optimizer.minimize(() => loss(net.logits())), {message});
    t.is(tf.memory().numTensors, tensors);
    t.deepEqual(flat(net.variables), before);
  }
  optimizer.minimize(() => masked(net.logits().sub(y).square()));
  t.is(optimizer.lastStep!.status, 'ok');
  optimizer.dispose();
  net.model.dispose();
  tf.dispose([mask, known, y, net.x]);
});

for (const activation of ['tanh', 'linear'] as const) test.serial(`one output with squares and one (${activation}) with a linear loss: its gradient is part of the step`, async t => {
  const input = tf.input({shape: [3]});
  const hidden = tf.layers.dense({units: 4, activation: 'tanh', kernelInitializer: tf.initializers.glorotNormal({seed: 1})}).apply(input) as tf.SymbolicTensor;
  const heads = [2, 1].map(units => tf.layers.dense({units, activation: units === 1 ? activation : 'linear', kernelInitializer: tf.initializers.glorotNormal({seed: units})})
      .apply(hidden) as tf.SymbolicTensor);
  const model = tf.model({inputs: input, outputs: heads});
  const linear = (y: tf.Tensor, p: tf.Tensor): tf.Tensor => p.mul(y).mean(-1);
  const x = tf.randomNormal([B, 3], 0, 1, 'float32', 4);
  const y = [tf.randomNormal([B, 2], 0, 1, 'float32', 5), tf.randomNormal([B, 1], 0, 1, 'float32', 6)];
  const variables = variablesOf(model);
  const expected = tf.tidy(() => Math.hypot(...Object.values(tf.variableGrads(() => {
    const [p, q] = model.predict(x) as tf.Tensor[];
    return tf.losses.meanSquaredError(y[0], p).add(linear(y[1], q).mean()) as tf.Scalar;
  }, variables).grads).flatMap(g => [...g.dataSync()])));
  const optimizer = ggn({learningRate: 1, damping: DAMPING, momentum: 0, policy: 'fixed'});
  model.compile({optimizer, loss: ['meanSquaredError', linear] as never});
  await model.trainOnBatch(x, y);
  const {status, rows, gradientNorm, curvature} = optimizer.lastStep!;
  t.is(status, 'ok');
  // Without an activation the loss has no lower bound, and rows of that output bound the step.
  t.is(rows, (activation === 'tanh' ? 2 : 3) * B);
  t.is(curvature, activation === 'tanh' ? 'exact' : 'unbounded');
  t.true(Math.abs(gradientNorm / expected - 1) < 1e-4, `gradient norm ${gradientNorm}, expected ${expected}`);
  optimizer.dispose();
  model.dispose();
  tf.dispose([x, y]);
});

test.serial('a loss that is linear in the outputs and nothing else is refused, without a name that it does not have', async t => {
  const net = network(byName[0]);
  const y = tf.ones([B, 2]);
  net.model.compile({optimizer: ggn(), loss: (_: tf.Tensor, p: tf.Tensor) => p.mean(-1)});
  await t.throwsAsync(async () => net.model.trainOnBatch(net.x, y), {message: /the loss has a term.*all of the loss is linear/});
  net.model.dispose();
  tf.dispose([y, net.x]);
});

test.serial('of several losses, the name of one is no name of the loss that is refused', async t => {
  const input = tf.input({shape: [3]});
  const heads = [0, 1].map(() => tf.layers.dense({units: 1}).apply(input) as tf.SymbolicTensor);
  const model = tf.model({inputs: input, outputs: heads});
  model.compile({optimizer: ggn(), loss: ['meanSquaredError', (_: tf.Tensor, p: tf.Tensor) => p.mul(model.trainableWeights[0].read().sum()).exp().mean(-1)] as never});
  const [x, y] = [tf.ones([B, 3]), [tf.ones([B, 1]), tf.ones([B, 1])]];
  await t.throwsAsync(async () => model.trainOnBatch(x, y), {message: /^tfjs-ggn: the loss has a term/});
  model.dispose();
  tf.dispose([x, y]);
});

test.serial('a classifier on mini-batches with fewer rows than parameters is trained by agreement', async t => {
  const model = tf.sequential({layers: [
    tf.layers.dense({inputShape: [20], units: 30, activation: 'tanh', kernelInitializer: tf.initializers.glorotNormal({seed: 1})}),
    tf.layers.dense({units: 10, activation: 'softmax', kernelInitializer: tf.initializers.glorotNormal({seed: 2})}),
  ]});
  const optimizer = ggn();
  model.compile({optimizer, loss: 'categoricalCrossentropy'});
  const x = tf.randomNormal([64, 20], 0, 1, 'float32', 3);
  const y = tf.tidy(() => tf.oneHot(tf.randomUniform([64], 0, 10, 'int32', 4), 10));
  await model.fit(x, y, {batchSize: 16, verbose: 0});
  t.is(optimizer.lastStep!.rows, 160);
  t.is(optimizer.lastStep!.policy, 'agreement');
  optimizer.dispose();
  model.dispose();
  tf.dispose([x, y]);
});
