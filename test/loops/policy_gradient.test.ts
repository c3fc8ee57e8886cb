/**
 * Losses that are not convex in the outputs or have no lower bound: policy gradients with weights of both signs. If Adam's steps do not
 * explode, ours do not.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn, type GgnOptions} from '../../src/index';

const B = 40;

/** Of targets in {0, 1}, outputs and weights of both signs. */
interface Member {
  readonly outputs: number;
  readonly curvature: 'unbounded' | 'projected';
  readonly loss: (y: tf.Tensor, z: tf.Tensor, w: tf.Tensor) => tf.Tensor;
}

const chosen = (y: tf.Tensor): tf.Tensor => tf.oneHot(y.reshape([B]).mul(2).toInt(), 3);

const MEMBERS: Record<string, Member> = {
  'sigmoid, weights of both signs': {outputs: 1, curvature: 'unbounded', loss: (y, z, w) => tf.losses.sigmoidCrossEntropy(y, z, w)},
  'softmax, weights of both signs': {outputs: 3, curvature: 'unbounded', loss: (y, z, w) => tf.losses.softmaxCrossEntropy(chosen(y), z, w.reshape([B]))},
  'REINFORCE': {outputs: 3, curvature: 'unbounded', loss: (y, z, w) => tf.logSoftmax(z).mul(chosen(y)).sum(-1).mul(w.reshape([B])).mean().neg()},
  'all weights negative': {outputs: 1, curvature: 'unbounded', loss: (y, z, w) => tf.losses.sigmoidCrossEntropy(y, z, w.abs().neg())},
  'REINFORCE, an entropy bonus': {outputs: 3, curvature: 'unbounded', loss: (y, z, w) => {
    const log = tf.logSoftmax(z);
    return log.mul(chosen(y)).sum(-1).mul(w.reshape([B])).mean().neg().add(log.exp().mul(log).sum(-1).mean().mul(0.01));
  }},
  'own, convex and concave': {outputs: 1, curvature: 'projected', loss: (_, z, w) => z.sigmoid().mul(w).mean()},
};

const OPTIONS: Record<string, GgnOptions> = {
  auto: {},
  levenbergMarquardt: {policy: 'levenbergMarquardt'},
  agreement: {policy: 'agreement'},
  fixed: {policy: 'fixed'},
  custom: {policy: () => undefined},
};

const {warn} = console;
const warnings: string[] = [];
test.before(() => {
  console.warn = (line: string) => void warnings.push(line);
});
test.after(() => {
  console.warn = warn;
});

const network = (outputs: number): tf.Sequential => tf.sequential({layers: [
  tf.layers.dense({units: 16, activation: 'elu', inputShape: [4], kernelInitializer: tf.initializers.glorotUniform({seed: 1})}),
  tf.layers.dense({units: outputs, kernelInitializer: tf.initializers.glorotUniform({seed: 2})})]});

for (const backend of ['cpu', 'wasm']) {
  for (const [name, {outputs, curvature, loss}] of Object.entries(MEMBERS)) {
    test.serial(`${backend}, ${name}: the outputs change by a bounded amount in each step, under every policy`, async t => {
      await tf.setBackend(backend);
      for (const [policy, options] of Object.entries(OPTIONS)) {
        const isOften = policy !== 'levenbergMarquardt';  // which judges by the batch it is given
        for (const isRepeated of isOften ? [true, false] : [true]) {
          const model = network(outputs);
          const optimizer = ggn(options);
          let tensors = -1;
          for (let i = 0; i < 12; i++) {
            const seed = isRepeated ? 0 : i;
            tf.tidy(() => {
              const x = tf.randomNormal([B, 4], 0, 1, 'float32', 10 + seed);
              const y = tf.randomUniform([B, 1], 0, 1, 'float32', 20 + seed).greater(0.5).toFloat();
              const w = tf.randomNormal([B, 1], 0, 1, 'float32', 30 + seed);
              const before = model.apply(x) as tf.Tensor;
              optimizer.minimize(() => loss(y, model.apply(x) as tf.Tensor, w).asScalar());
              const change = (model.apply(x) as tf.Tensor).sub(before).abs().mean().dataSync()[0];
              t.true(change < 30, `${policy}, step ${i + 1}: ${change}`);
            });
            t.true(Number.isFinite(optimizer.lastStep!.loss));
            t.true(Math.abs(optimizer.lastStep!.loss) < 60, `${policy}, step ${i + 1}: ${optimizer.lastStep!.loss}`);
            if (i === 0) {
              t.is(optimizer.lastStep!.curvature, curvature, policy);
            }
            t.true(i < 3 || tf.memory().numTensors === tensors);
            tensors = tf.memory().numTensors;
          }
          optimizer.dispose();
          model.dispose();
        }
      }
    });
  }
}

test.serial('a policy gradient on new batches learns: the better action becomes likely', async t => {
  await tf.setBackend('cpu');
  const model = network(1);
  const optimizer = ggn();
  // The reward of action 1 is x0, of action 0 its opposite.
  const actions = (x: tf.Tensor): tf.Tensor => (model.apply(x) as tf.Tensor).sigmoid();
  for (let i = 0; i < 30; i++) {
    tf.tidy(() => {
      const x = tf.randomNormal([B, 4], 0, 1, 'float32', i);
      const action = tf.less(tf.randomUniform([B, 1], 0, 1, 'float32', 100 + i), actions(x)).toFloat();
      const advantage = x.slice([0, 0], [B, 1]).mul(action.mul(2).sub(1));
      optimizer.minimize(() => tf.losses.sigmoidCrossEntropy(action, model.apply(x) as tf.Tensor, advantage).asScalar());
    });
  }
  const right = tf.tidy(() => {
    const x = tf.randomNormal([200, 4], 0, 1, 'float32', 1000);
    return tf.equal(actions(x).greater(0.5).toFloat(), x.slice([0, 0], [200, 1]).greater(0).toFloat()).toFloat().mean().dataSync()[0];
  });
  t.true(right > 0.9, String(right));
});

test.serial('a loss without a lower bound is reported once, by a warning, and in each report', async t => {
  await tf.setBackend('cpu');
  warnings.length = 0;
  const model = network(1);
  const optimizer = ggn();
  model.compile({optimizer, loss: (y: tf.Tensor, z: tf.Tensor) => tf.losses.sigmoidCrossEntropy(y, z, -1)});
  await model.fit(tf.randomNormal([B, 4], 0, 1, 'float32', 1), tf.ones([B, 1]), {epochs: 3, batchSize: B, verbose: 0});
  t.is(optimizer.lastStep!.curvature, 'unbounded');
  t.is(warnings.filter(line => line.includes('no lower bound')).length, 1, warnings.join());
});
