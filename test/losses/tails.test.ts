/**
 * Losses that are nearly linear far from 0: their second derivative is far smaller there than l'(r)/r, and its step far longer than r.
 * On mini-batches, where no trial rejects a step, they train by the majorizing curvature, and on the full batch by the second derivative.
 */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn} from '../../src/index';

test.before(async () => {
  await tf.setBackend('cpu');
});

const N = 128;

/** Targets of a size of ten, of `outputs` outputs. */
function problem(outputs: number, seed: number) {
  const x = tf.randomNormal([N, 3], 0, 1, 'float32', seed) as tf.Tensor2D;
  const y = tf.tidy(() => x.matMul(tf.randomNormal([3, outputs], 0, 1, 'float32', seed + 1)).add(x.square().sum(1, true).mul(0.1)).mul(10)) as tf.Tensor2D;
  const layer = (units: number, at: number) => tf.layers.dense({units, inputShape: [3], activation: units === 8 ? 'tanh' : 'linear',
    kernelInitializer: tf.initializers.glorotUniform({seed: seed + at})});
  const model = tf.sequential({layers: [layer(8, 2), tf.layers.dense({units: outputs, kernelInitializer: tf.initializers.glorotUniform({seed: seed + 3})})]});
  return {x, y, model, free: () => {
    model.dispose();
    tf.dispose([x, y]);
  }};
}

type Loss = string | ((y: tf.Tensor, p: tf.Tensor) => tf.Tensor);
const of = (l: (e: tf.Tensor) => tf.Tensor) => (y: tf.Tensor, p: tf.Tensor): tf.Tensor => tf.tidy(() => l(p.sub(y)).mean());

const TAILS: Record<string, {loss: Loss; outputs?: number}> = {
  'Charbonnier': {loss: of(e => e.square().add(1).sqrt())},
  '|e|^1.05': {loss: of(e => e.abs().pow(1.05))},
  'e²/(1 + |e|), two outputs': {loss: of(e => e.square().div(e.abs().add(1))), outputs: 2},
  'Barron': {loss: (y, p) => tf.tidy(() => tf.squaredDifference(y, p).add(1).pow(0.55).mean())},
  'log-cosh by name': {loss: 'logcosh'},
  'Charbonnier of the norm of an example': {loss: of(e => e.square().sum(-1).add(1).sqrt()), outputs: 3},
  'Charbonnier and a small square': {loss: of(e => e.square().add(1).sqrt().add(e.square().mul(1e-4)))},
};

for (const [name, {loss, outputs = 1}] of Object.entries(TAILS)) {
  test.serial(`mini-batches: ${name}`, async t => {
    const last: number[] = [];
    for (const optimizer of [tf.train.adam(0.03), ggn()]) {
      const {x, y, model, free} = problem(outputs, 5);
      model.compile({optimizer, loss: loss as string});
      const {history} = await model.fit(x, y, {batchSize: 32, epochs: 6, shuffle: false, verbose: 0});
      const losses = history.loss as number[];
      last.push(losses.at(-1)!);
      if ('lastStep' in optimizer) {
        t.is(optimizer.lastStep!.policy, 'agreement');
        t.true(losses.every((now, i) => i === 0 || now < 0.8 * losses[0]), String(losses));
      }
      free();
    }
    t.true(last[1] < last[0], `${last[1]}, with Adam ${last[0]}`);
  });
}

test.serial('example weights and given settings: the same', t => {
  const {x, y, model, free} = problem(1, 5);
  const weights = tf.tidy(() => tf.range(0, N).mod(3).div(N));
  const loss = (): tf.Scalar => tf.tidy(() => (model.apply(x) as tf.Tensor).sub(y).square().add(1).sqrt().reshape([N]).mul(weights).sum());
  const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0});
  const losses = Array.from({length: 8}, () => {
    const {[0]: now} = optimizer.minimize(loss, true)!.dataSync();
    return now;
  });
  t.is(optimizer.lastStep!.policy, 'fixed');
  t.is(optimizer.lastStep!.curvature, 'majorized');
  t.true(losses.every((now, i) => i < 2 || now < losses[i - 1]), String(losses));
  t.true(losses[7] < 0.3 * losses[0], String(losses));
  optimizer.dispose();
  weights.dispose();
  free();
});

test.serial('the full batch, judged by trials, keeps the second derivative that mini-batches do not take', async t => {
  for (const [batchSize, policy, curvature] of [[N, 'levenbergMarquardt', 'exact'], [32, 'agreement', 'majorized']] as const) {
    const {x, y, model, free} = problem(1, 5);
    const optimizer = ggn();
    model.compile({optimizer, loss: of(e => e.square().add(16).sqrt())});
    for (let epoch = 0; epoch < 2; epoch++) {
      await model.fit(x, y, {batchSize, epochs: 1, verbose: 0, shuffle: false});
      t.is(optimizer.lastStep!.policy, policy);
      t.is(optimizer.lastStep!.curvature, curvature);
    }
    free();
  }
});
