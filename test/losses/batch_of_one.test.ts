/**
 * Batches of one example, as the last of `fit` may be: every loss of the table and losses of the user's own, by the rules of larger
 * batches.
 */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn} from '../../src/index';
import {useBackend} from '../support/backends';
import type {NodeBackend} from '../support/backends';
import {glorotUniform} from '../support/models';
import {lossSteps, runLoss} from './loss_steps';

test.before(async () => {
  await useBackend('cpu');
});

for (const step of lossSteps) {
  test.serial(`one example: ${step.name}`, async t => {
    t.deepEqual(await runLoss({...step, examples: 1}, 'cpu', name => useBackend(name as NodeBackend)), []);
  });
}

/** Losses of targets y and of two outputs z and p. */
const OWN: Record<string, (y: tf.Tensor, z: tf.Tensor, p: tf.Tensor) => tf.Tensor> = {
  'KL of a normal distribution': (_, z, p) => z.add(1).sub(p.square()).sub(z.exp()).sum(-1).mul(-0.5).mean(),
  'a mean of squares and KL': (y, z, p) => tf.losses.meanSquaredError(y, p).add(z.add(1).sub(p.square()).sub(z.exp()).sum(-1).mul(-0.5)).mean(),
  'an exponential': (_, z) => z.exp().mean(),
  'an exponential, summed by example': (_, z) => z.exp().sum(-1).mean(),
  'an exponential, flattened': (_, z) => z.reshape([-1]).exp().mean(),
  'an exponential, weighted by output': (_, z) => z.mul(tf.tensor1d([1, 2])).exp().mean(),
  'Cauchy': (y, z) => z.sub(y).square().add(1).log().mean(),
  'Cauchy, transposed': (y, z) => z.sub(y).transpose().square().add(1).log().mean(),
  'a normal likelihood': (y, z, p) => y.sub(z).square().mul(p.neg().exp()).add(p).mean(),
  'absolute values, flattened': (y, z) => z.flatten().sub(y.flatten()).abs().mean(),
  'a norm': (y, z) => tf.norm(z.sub(y), 'euclidean', -1).mean(),
  'softmax cross-entropy': (_, z) => tf.losses.softmaxCrossEntropy(tf.oneHot(tf.zeros([z.shape[0]], 'int32'), 2), z) as tf.Tensor,
};

function twoHeads() {
  const x = tf.input({shape: [3]});
  const hidden = tf.layers.dense({units: 4, activation: 'tanh', ...glorotUniform(1)}).apply(x);
  return tf.model({inputs: x, outputs: [2, 3].map(seed => tf.layers.dense({units: 2, ...glorotUniform(seed)}).apply(hidden) as tf.SymbolicTensor)});
}

for (const [name, loss] of Object.entries(OWN)) {
  test.serial(`1, 2 and 4 examples in a loop: ${name}`, t => {
    const curvatures = new Set<string>();
    for (const examples of [1, 2, 4]) {
      const model = twoHeads();
      const optimizer = ggn();
      const x = tf.randomNormal([examples, 3], 0, 1, 'float32', 5);
      const y = tf.randomNormal([examples, 2], 0, 1, 'float32', 6);
      const f = (): tf.Scalar => {
        const [z, p] = model.apply(x) as tf.Tensor[];
        return loss(y, z, p) as tf.Scalar;
      };
      const norm = tf.tidy(() => Math.sqrt(Object.values(tf.variableGrads(f).grads).reduce((sum, g) => sum + g.square().sum().dataSync()[0], 0)));
      optimizer.minimize(f);
      const {status, curvature, gradientNorm} = optimizer.lastStep!;
      t.is(status, 'ok');
      t.true(Math.abs(gradientNorm / norm - 1) < 1e-4, `${examples}: ${gradientNorm}, tfjs says ${norm}`);
      curvatures.add(curvature);
      optimizer.dispose();
      model.dispose();
      tf.dispose([x, y]);
    }
    t.is(curvatures.size, 1, [...curvatures].join());
  });
}

test.serial('fit: a last batch of one example', async t => {
  for (const loss of [OWN['Cauchy'], OWN['an exponential'], OWN['a norm'], OWN['absolute values, flattened']]) {
    const model = tf.sequential({layers: [tf.layers.dense({inputShape: [3], units: 2, kernelInitializer: tf.initializers.glorotUniform({seed: 1})})]});
    const optimizer = ggn();
    model.compile({optimizer, loss: (y, p) => loss(y, p, p)});
    await model.fit(tf.randomNormal([5, 3], 0, 1, 'float32', 5), tf.randomNormal([5, 2], 0, 1, 'float32', 6), {epochs: 2, batchSize: 2, shuffle: false, verbose: 0});
    t.is(optimizer.lastStep!.rows, 2);
    t.is(optimizer.lastStep!.iteration, 6);
    t.true(model.getWeights().every(w => w.dataSync().every(Number.isFinite)));
    optimizer.dispose();
    model.dispose();
  }
});
