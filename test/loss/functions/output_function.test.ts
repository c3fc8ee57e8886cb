/**
 * Functions of outputs that have no rule: exact Hessians by differentiating twice. A Hessian that is not positive is projected; one that
 * couples the examples is refused.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn} from '../../../src/index';
import {denseJacobian} from '../../reference/dense_jacobian';
import {gaussNewtonStep, outputDerivatives} from '../../reference/generalized_gauss_newton';
import type {ExampleLoss} from '../../reference/generalized_gauss_newton';
import {glorotNormal, variablesOf} from '../../support/models';
import {relativeError} from '../../support/relative_error';
import {flat} from '../../support/tensors';
import {twoLayers, type TwoLayers} from '../../support/two_layers';

test.before(async () => {
  await tf.setBackend('cpu');
});

const B = 5;

/** The step of the reference for a loss of outputs, with H as given or changed. */
function expectedStep({w, v, predict}: TwoLayers, loss: ExampleLoss, change: (h: Float64Array) => Float64Array = h => h, variables: tf.Variable[] = [w, v]) {
  const {jacobian, rows, n, m} = denseJacobian(predict, variables);
  const {q, h} = outputDerivatives(loss, rows, n / B);
  return {...gaussNewtonStep({jacobian, n, m, q, h: change(h), weighted: n, damping: 0.1}), n};
}

function stepOf(variables: tf.Variable[], loss: () => tf.Tensor, varList?: tf.Variable[]) {
  const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0, policy: 'fixed'});
  const before = flat(variables);
  const {numTensors} = tf.memory();
  optimizer.minimize(loss as () => tf.Scalar, false, varList);
  optimizer.dispose();
  return {step: flat(variables).map((x, j) => x - before[j]), report: optimizer.lastStep!, left: tf.memory().numTensors - numTensors};
}

for (const backend of ['cpu', 'wasm']) {
  test.serial(`${backend}: a likelihood of mean and log-variance couples two outputs: blocks`, async t => {
    await tf.setBackend(backend);
    const net = twoLayers(B, 2);
    const y = net.y.slice([0, 0], [B, 1]);
    const target = y.dataSync();
    const loss = (): tf.Tensor => tf.tidy(() => {
      const p = net.predict();
      const [mean, log] = [p.slice([0, 0], [B, 1]), p.slice([0, 1], [B, 1])];
      return mean.sub(y).square().mul(log.neg().exp()).add(log.exp()).mean();
    });
    // Convex: (m - y)² exp(-l) has a Hessian of determinant below 0, exp(l) does not make up for all of it: its negative eigenvalue by its
    // size, by hand, 2 x 2.
    const positive = (h: Float64Array): Float64Array => {
      const n = 2 * B;
      const result = h.slice();
      for (let i = 0; i < n; i += 2) {
        const [a, b, d] = [h[i * n + i], h[i * n + i + 1], h[(i + 1) * n + i + 1]];
        const [middle, radius] = [(a + d) / 2, Math.hypot((a - d) / 2, b)];
        const least = middle - radius;
        if (least < 0) {
          // H - 2 least P with the projector P = (most I - H) / (2 radius) on the eigenvector of the least.
          const scale = 2 * least / (2 * radius);
          const most = middle + radius;
          [result[i * n + i], result[(i + 1) * n + i + 1]] = [a - scale * (most - a), d - scale * (most - d)];
          result[i * n + i + 1] = result[(i + 1) * n + i] = b + scale * b;
        }
      }
      return result;
    };
    const {step: expected} = expectedStep(net, (b, [m, l]) => ((m - target[b]) ** 2 * Math.exp(-l) + Math.exp(l)) / B, positive);
    const {step, report, left} = stepOf([net.w, net.v], loss);
    t.is(report.curvature, 'projected');
    t.is(left, 0);
    t.true(relativeError(step, expected) < 3e-4, String(relativeError(step, expected)));
    net.free();
    y.dispose();
    await tf.setBackend('cpu');
  });
}

test.serial('a loss of one output each that is not convex: its negative curvature counts by its size, at least by the mean', t => {
  const net = twoLayers(B, 1);
  const loss = (): tf.Tensor => net.predict().sin().mean();
  const {step: expected, n} = expectedStep(net, (_, [f]) => Math.sin(f) / B, h => {
    const own = Array.from({length: B}, (_, i) => h[i * B + i]);
    const mean = own.reduce((sum, x) => sum + Math.abs(x), 0) / B;
    return h.map((x, i) => i % (B + 1) !== 0 ? 0 : x > 0 ? x : Math.max(-x, mean));
  });
  const {step, report} = stepOf([net.w, net.v], loss);
  t.is(report.curvature, 'projected');
  t.is(report.rows, n);
  t.true(relativeError(step, expected) < 3e-4, String(relativeError(step, expected)));
  net.free();
});

test.serial('an example with a large curvature entry by entry does not hide the coupled outputs of the others', t => {
  const net = twoLayers(B, 2);
  const large = tf.tensor2d([1e4, 0, 0, 0, 0], [B, 1]);
  const others = tf.tensor1d([0, 1, 1, 1, 1]);
  const loss = (): tf.Tensor => tf.tidy(() => {
    const p = net.predict().exp();
    // Less a mean of the outputs, so that there is a lower bound.
    return p.mul(large).sum().add(p.sum(1).log().sub(net.predict().mean(1)).mul(others).sum());
  });
  const {jacobian, rows, n, m} = denseJacobian(net.predict, [net.w, net.v]);
  const {q, h} = outputDerivatives((b, [f, g]) => b === 0 ? 1e4 * (Math.exp(f) + Math.exp(g)) : Math.log(Math.exp(f) + Math.exp(g)) - (f + g) / 2, rows, 2);
  // As little damping as shows the others beside the first.
  const {step: expected} = gaussNewtonStep({jacobian, n, m, q, h, weighted: n, damping: 1e-5});
  const before = flat([net.w, net.v]);
  const optimizer = ggn({learningRate: 1, damping: 1e-5, momentum: 0, policy: 'fixed'});
  optimizer.minimize(loss as () => tf.Scalar);
  const step = flat([net.w, net.v]).map((w, j) => w - before[j]);
  t.is(optimizer.lastStep!.rows, n);
  t.true(relativeError(step, expected) < 0.01, String(relativeError(step, expected)));
  optimizer.dispose();
  tf.dispose([large, others]);
  net.free();
});

test.serial('no curvature at all: a status, and the weights stay', t => {
  const net = twoLayers(B, 1);
  const {step, report, left} = stepOf([net.w, net.v], () => net.predict().add(5).sigmoid().mean());
  t.is(report.status, 'noCurvature');
  t.is(report.lambda, 0);
  t.true(report.gradientNorm > 0);
  t.true(step.every(x => x === 0));
  t.is(left, 0);
  net.free();
});

test.serial('coupled examples are refused, and nothing is left behind', t => {
  const net = twoLayers(B, 2);
  const {numTensors} = tf.memory();
  const losses: Array<() => tf.Tensor> = [
    () => net.predict().exp().mean().log(),
    () => net.predict().sub(net.y).abs().mean().mul(net.predict().exp().mean()),
    () => net.predict().sub(net.y).abs().mean().sqrt(),
    () => net.predict().logSumExp(),
    () => net.predict().sub(net.y).square().sqrt().div(net.predict().sub(net.y).abs().mean()).mean(),
    () => net.predict().slice([0, 0], [B - 1, 2]).sub(net.predict().slice([1, 0], [B - 1, 2])).square().add(1).sqrt().mean(),
  ];
  for (const loss of losses) {
    t.throws(() => ggn().minimize(loss as () => tf.Scalar), {message: /couples the examples of the batch.*leastSquares\(\)/});
  }
  t.is(tf.memory().numTensors, numTensors);
  net.free();
});

test.serial('examples that are coupled in pairs far from each other are refused', t => {
  const pairs = 40;
  const w = tf.variable(tf.randomNormal([3, 1], 0, 1, 'float32', 1)) as tf.Variable<tf.Rank.R2>;
  const x = tf.randomNormal([2 * pairs, 3], 0, 1, 'float32', 2) as tf.Tensor2D;
  t.throws(() => ggn().minimize(() => {
    const [a, b] = tf.split(tf.matMul(x, w), 2);
    return a.sub(b).square().add(1).sqrt().mean() as tf.Scalar;
  }), {message: /couples the examples of the batch/});
  tf.dispose([w, x]);
});

test.serial('at a residual of 0 the root of its square has neither gradient nor curvature; the others have theirs', t => {
  for (const [outputs, root] of [[1, (r: tf.Tensor) => r.square().sqrt()], [2, (r: tf.Tensor) => tf.norm(r, 'euclidean', -1)]] as const) {
    const net = twoLayers(B, outputs);
    const target = tf.tidy(() => tf.where(tf.tensor2d([1, 0, 0, 1, 0], [B, 1]).equal(1), net.predict(), net.y));
    const others = tf.tensor1d([1, 2, 4], 'int32');
    const steps = [target, null].map(y => {
      const before = [net.w, net.v].map(v => v.clone());
      const {step, report} = stepOf([net.w, net.v], () => {
        const all = y === null ? tf.gather(net.predict(), others).sub(tf.gather(net.y, others)) : net.predict().sub(y);
        return root(all).sum();
      });
      t.is(report.status, 'ok');
      t.is(report.curvature, 'majorized');
      [net.w, net.v].forEach((v, i) => v.assign(before[i]));
      tf.dispose(before);
      return step;
    });
    t.true(relativeError(steps[0], steps[1]) < 1e-5);
    tf.dispose([target, others]);
    net.free();
  }
});

test.serial('derivatives that are not finite are refused', t => {
  const w = tf.variable(tf.tensor2d([[0], [1]]));
  const x = tf.tensor2d([[1, 0], [0, 1]]);
  t.throws(() => ggn().minimize(() => tf.matMul(x, w as tf.Tensor2D).sqrt().sum()), {message: /derivative of the loss in the outputs of the network is not finite/});
  tf.dispose([w, x]);
});

test.serial('varList and trainable: the others stay, and the step is that of the rest', t => {
  for (const how of ['varList', 'trainable']) {
    const net = twoLayers(B, 2);
    const y = tf.oneHot([0, 1, 1, 0, 1], 2).toFloat();
    const target = y.arraySync() as number[][];
    const value: ExampleLoss = (b, f) => (Math.log(f.reduce((s, x) => s + Math.exp(x), 0)) - f.reduce((s, x, i) => s + x * target[b][i], 0)) / B;
    const {step: expected} = expectedStep(net, value, undefined, [net.v]);
    const before = net.w.dataSync().slice();
    if (how === 'trainable') {
      (net.w as unknown as {trainable: boolean}).trainable = false;
    }
    const {step, report} = stepOf([net.v], () => tf.losses.softmaxCrossEntropy(y, net.predict()), how === 'varList' ? [net.v] : undefined);
    t.is(report.parameters, 8);
    t.deepEqual(net.w.dataSync(), before);
    t.true(relativeError(step, expected) < 3e-4);
    net.free();
    y.dispose();
  }
});

test.serial('heads with different losses: one step for their sum', async t => {
  const x = tf.input({shape: [3]});
  const hidden = tf.layers.dense({units: 4, activation: 'tanh', ...glorotNormal(1)}).apply(x);
  const heads = [tf.layers.dense({units: 3, activation: 'softmax', ...glorotNormal(2)}), tf.layers.dense({units: 1, ...glorotNormal(3)}), tf.layers.dense({units: 2, ...glorotNormal(4)})];
  const model = tf.model({inputs: x, outputs: heads.map(head => head.apply(hidden) as tf.SymbolicTensor)});
  const [w, b, ...rest] = variablesOf(model) as tf.Variable<tf.Rank.R2>[];
  const data = tf.randomNormal([B, 3], 0, 1, 'float32', 5) as tf.Tensor2D;
  const targets = [tf.oneHot([0, 1, 2, 0, 1], 3).toFloat(), tf.randomNormal([B, 1], 0, 1, 'float32', 6), tf.randomNormal([B, 2], 0, 1, 'float32', 7)];
  const [y, u, z] = targets.map(target => target.arraySync() as number[][]);
  const predict = (): tf.Tensor2D => {
    const h = tf.tanh(tf.matMul(data, w).add(b));
    return tf.concat([0, 1, 2].map(k => tf.matMul(h as tf.Tensor2D, rest[2 * k]).add(rest[2 * k + 1])), 1) as tf.Tensor2D;
  };
  const variables = [w, b, ...rest];
  const {jacobian, rows, n, m} = denseJacobian(predict, variables);
  const value: ExampleLoss = (i, f) => (Math.log(Math.exp(f[0]) + Math.exp(f[1]) + Math.exp(f[2])) - f[0] * y[i][0] - f[1] * y[i][1] - f[2] * y[i][2] +
      Math.log(Math.cosh(f[3] - u[i][0])) + ((f[4] - z[i][0]) ** 2 + (f[5] - z[i][1]) ** 2) / 2) / B;
  const {q, h} = outputDerivatives(value, rows, n / B);
  const {step: expected} = gaussNewtonStep({jacobian, n, m, q, h, weighted: n, damping: 0.1});
  const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0, policy: 'levenbergMarquardt', scaling: 'levenberg'});
  model.compile({optimizer, loss: ['categoricalCrossentropy', 'logcosh', 'meanSquaredError']});
  const before = flat(variables);
  await model.trainOnBatch(data, targets);
  t.is(optimizer.lastStep!.curvature, 'exact');
  t.is(optimizer.lastStep!.rows, 6 * B);
  t.true(relativeError(flat(variables).map((v, j) => v - before[j]), expected) < 3e-4);
  optimizer.dispose();
});

test.serial('class weights are inside the step', async t => {
  const model = tf.sequential({layers: [tf.layers.dense({inputShape: [3], units: 3, activation: 'softmax', kernelInitializer: tf.initializers.glorotNormal({seed: 1})})]});
  const [w, b] = variablesOf(model) as tf.Variable<tf.Rank.R2>[];
  const labels = [0, 1, 2, 0, 1];
  const [x, y] = [tf.randomNormal([B, 3], 0, 1, 'float32', 5) as tf.Tensor2D, tf.oneHot(labels, 3).toFloat()];
  const classWeight = {0: 1, 1: 5, 2: 0};
  const {jacobian, rows, n, m} = denseJacobian(() => tf.matMul(x, w).add(b), [w, b]);
  // tfjs-layers multiplies by the class weights and divides by their number that is not 0.
  const weights = labels.map(k => [1, 5, 0][k]);
  const counted = weights.filter(weight => weight !== 0).length;
  const {q, h} = outputDerivatives((i, f) => weights[i] / counted * (Math.log(f.reduce((s, a) => s + Math.exp(a), 0)) - f[labels[i]]), rows, 3);
  const {step: expected} = gaussNewtonStep({jacobian, n, m, q, h, weighted: 3 * counted, damping: 0.1});
  const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0, policy: 'fixed'});
  model.compile({optimizer, loss: 'categoricalCrossentropy'});
  const before = flat([w, b]);
  await model.fit(x, y, {epochs: 1, batchSize: B, classWeight, verbose: 0, shuffle: false});
  t.true(relativeError(flat([w, b]).map((v, j) => v - before[j]), expected) < 3e-4);
  optimizer.dispose();
});

test.serial('Levenberg-Marquardt trains a classifier from saturated logits, through clipped probabilities', async t => {
  const model = tf.sequential({layers: [tf.layers.dense({inputShape: [2], units: 2, activation: 'softmax'})]});
  model.setWeights([tf.tensor2d([[60, -60], [0, 0]]), tf.tensor1d([0, 0])]);
  const x = tf.tensor2d([[1, 0], [1, 1], [-1, 0], [-1, 1], [1, 0.5], [-1, 0.5]]);
  const y = tf.oneHot([1, 1, 0, 0, 1, 0], 2).toFloat();
  const optimizer = ggn({policy: 'levenbergMarquardt'});
  model.compile({optimizer, loss: 'categoricalCrossentropy'});
  for (let i = 0; i < 30; i++) {
    await model.trainOnBatch(x, y);
  }
  t.true(optimizer.lastStep!.loss < 0.05, String(optimizer.lastStep!.loss));
  t.true(model.getWeights().every(weight => weight.dataSync().every(Number.isFinite)));
  optimizer.dispose();
});

test.serial('batch normalisation in front of a softmax: the gradient is that of tfjs', async t => {
  const model = tf.sequential({layers: [
    tf.layers.dense({inputShape: [3], units: 4, kernelInitializer: tf.initializers.glorotNormal({seed: 1})}),
    tf.layers.batchNormalization(), tf.layers.activation({activation: 'tanh'}),
    tf.layers.dense({units: 3, activation: 'softmax', kernelInitializer: tf.initializers.glorotNormal({seed: 2})})]});
  const [x, y] = [tf.randomNormal([B, 3], 0, 1, 'float32', 5), tf.oneHot([0, 1, 2, 0, 1], 3).toFloat()];
  const variables = variablesOf(model);
  const norm = tf.tidy(() => {
    const {grads} = tf.variableGrads(() => tf.metrics.categoricalCrossentropy(y, model.apply(x, {training: true}) as tf.Tensor).mean() as tf.Scalar, variables);
    return Math.sqrt(Object.values(grads).reduce((sum, g) => sum + g.square().sum().dataSync()[0], 0));
  });
  const optimizer = ggn({policy: 'fixed', learningRate: 1, damping: 0.1});
  model.compile({optimizer, loss: 'categoricalCrossentropy'});
  await model.trainOnBatch(x, y);
  t.is(optimizer.lastStep!.jacobian, 'frozenStatistics');
  t.true(Math.abs(optimizer.lastStep!.gradientNorm / norm - 1) < 1e-4, `${optimizer.lastStep!.gradientNorm}, tfjs says ${norm}`);
  optimizer.dispose();
});
