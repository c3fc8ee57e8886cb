/** λ is taken from the rows that differ: how a loss is split into terms makes no difference to the step. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn} from '../../src/index';
import {variablesOf} from '../support/models';
import {relativeError} from '../support/relative_error';

test.before(async () => {
  await tf.setBackend('cpu');
});

const [B, K] = [6, 3];

/** A network of more parameters than rows, so that n decides on λ. */
function network() {
  const model = tf.sequential({layers: [
    tf.layers.dense({inputShape: [4], units: 8, activation: 'tanh', kernelInitializer: tf.initializers.glorotNormal({seed: 1})}),
    tf.layers.dense({units: K, kernelInitializer: tf.initializers.glorotNormal({seed: 2})})]});
  const x = tf.randomNormal([B, 4], 0, 1, 'float32', 3);
  return {model, x, y: tf.randomNormal([B, K], 0, 1, 'float32', 5), labels: tf.oneHot(tf.tensor1d([0, 1, 2, 0, 1, 2], 'int32'), K)};
}

type Network = ReturnType<typeof network>;

function step(loss: (net: Network) => tf.Tensor) {
  const net = network();
  const variables = variablesOf(net.model);
  const flat = (): Float64Array => Float64Array.from(variables.flatMap(v => [...v.dataSync()]));
  const before = flat();
  const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0, policy: 'fixed'});
  tf.tidy(() => void optimizer.minimize(() => loss(net) as tf.Scalar));
  const d = flat().map((w, i) => w - before[i]);
  const {rows, lambda, status} = optimizer.lastStep!;
  optimizer.dispose();
  net.model.dispose();
  tf.dispose([net.x, net.y, net.labels]);
  return {d, rows, lambda, status};
}

const {meanSquaredError, softmaxCrossEntropy, sigmoidCrossEntropy, huberLoss} = tf.losses;
const entropy = (logits: tf.Tensor): tf.Tensor => tf.softmax(logits).mul(tf.logSoftmax(logits)).sum(-1).mean();

const PAIRS: Record<string, [(net: Network, p: tf.Tensor) => tf.Tensor, (net: Network, p: tf.Tensor) => tf.Tensor]> = {
  'squares and cross-entropy': [({y}, p) => meanSquaredError(y, p), ({labels}, p) => softmaxCrossEntropy(labels, p)],
  'squares of two targets': [({y}, p) => meanSquaredError(y, p), ({labels}, p) => meanSquaredError(labels, p)],
  'two cross-entropies': [({y}, p) => softmaxCrossEntropy(tf.softmax(y), p), ({labels}, p) => softmaxCrossEntropy(labels, p)],
  'a cross-entropy and an entropy': [({labels}, p) => softmaxCrossEntropy(labels, p), (_, p) => entropy(p).mul(0.1)],
  'squares and Huber\'s loss': [({y}, p) => meanSquaredError(y, p), ({labels}, p) => huberLoss(labels, p)],
  'sigmoid cross-entropy and squares': [({labels}, p) => sigmoidCrossEntropy(labels, p), ({y}, p) => p.sub(y).square().sum()],
};

for (const [name, [a, b]] of Object.entries(PAIRS)) {
  test.serial(`${name}: the network evaluated once, twice, or by predict`, t => {
    const once = step(net => {
      const p = net.model.apply(net.x) as tf.Tensor;
      return a(net, p).add(b(net, p));
    });
    t.is(once.status, 'ok');
    for (const evaluate of ['apply', 'predict'] as const) {
      const twice = step(net => a(net, net.model[evaluate](net.x) as tf.Tensor).add(b(net, net.model[evaluate](net.x) as tf.Tensor)));
      t.is(twice.rows, once.rows);
      t.true(relativeError(twice.d, once.d) < 1e-6, `off by ${relativeError(twice.d, once.d)}`);
    }
  });
}

test.serial('squares in one term and in two, with the mean of the targets and with both', t => {
  // ½(p - a)² + ½(p - b)² = (p - (a + b)/2)² + a constant.
  const mean = step(({model, x, y, labels}) => meanSquaredError(y.add(labels).div(2), model.apply(x) as tf.Tensor));
  const both = step(({model, x, y, labels}) => tf.add(meanSquaredError(y, model.apply(x) as tf.Tensor), meanSquaredError(labels, model.apply(x) as tf.Tensor)).div(2));
  t.is(mean.rows, B * K);
  t.is(both.rows, 2 * B * K);
  t.true(Math.abs(both.lambda / mean.lambda - 1) < 1e-6);
  t.true(relativeError(both.d, mean.d) < 1e-5, `off by ${relativeError(both.d, mean.d)}`);
});

test.serial('other examples of the same network are rows of their own', t => {
  const {lambda, rows} = step(({model, x, y}) => tf.add(meanSquaredError(y, model.apply(x) as tf.Tensor), meanSquaredError(y, model.apply(x.mul(2)) as tf.Tensor)));
  const one = step(({model, x, y}) => meanSquaredError(y, model.apply(x) as tf.Tensor));
  const other = step(({model, x, y}) => meanSquaredError(y, model.apply(x.mul(2)) as tf.Tensor));
  t.is(rows, 2 * B * K);
  t.true(Math.abs(lambda / ((one.lambda + other.lambda) / 2) - 1) < 1e-5);
});

test.serial('rows without weight do not count, in either term', t => {
  const half = tf.tidy(() => tf.linspace(0, B - 1, B).less(B / 2).toFloat().reshape([B, 1]));
  const one = step(({model, x, y}) => meanSquaredError(y, model.apply(x) as tf.Tensor, half));
  const two = step(({model, x, y, labels}) => tf.add(meanSquaredError(y, model.apply(x) as tf.Tensor, half), meanSquaredError(labels, model.apply(x) as tf.Tensor, half)));
  t.true(Math.abs(two.lambda / (2 * one.lambda) - 1) < 1e-6);
  half.dispose();
});
