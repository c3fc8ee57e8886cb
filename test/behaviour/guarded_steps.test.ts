/**
 * Mini-batches of counts: the first steps of the quadratic model would overflow exp(f), and are
 * shortened. The targets have a rate that the network can learn, without noise but for rounding.
 */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn} from '../../src/index';
import {seededDense} from '../support/models';
import {noise} from '../support/tensors';

test.before(async () => {
  await tf.setBackend('cpu');
});

const N = 192;

type Loss = (y: tf.Tensor, f: tf.Tensor) => tf.Scalar;

/** A loss of the output f, and the f at which it is lowest for a target y. */
const LOSSES: ReadonlyArray<readonly [string, Loss, (y: tf.Tensor) => tf.Tensor]> = [
  ['Poisson', (y, f) => f.exp().sub(y.mul(f)).mean(), y => y.log()],
  ['squares of exp(f)', (y, f) => f.exp().sub(y).square().mean(), y => y.log()],
  ['squares of f³', (y, f) => f.pow(3).sub(y).square().mean(), y => y.pow(1 / 3)],
  ['negative binomial', (y, f) => f.exp().add(2).log().mul(y.add(2)).sub(y.mul(f)).mean(), y => y.log()],
  ['gamma', (y, f) => f.add(y.mul(f.neg().exp())).mean(), y => y.log()],
];

for (const [name, loss, best] of LOSSES) {
  for (const size of [190, 3000]) {
    test.serial(`${name}, counts of about ${size}: 20 epochs leave at most a fiftieth of the loss of the mean`, async t => {
      const x = noise([N, 3], 1);
      const y = tf.tidy(() => x.matMul(tf.tensor2d([[0.5], [-0.5], [0.3]])).exp().mul(size).round().maximum(1));
      const [lowest, ofMean] = tf.tidy(() => [best(y), best(y.mean()).mul(tf.onesLike(y))].map(f => loss(y, f).dataSync()[0]));
      const model = tf.sequential({layers: [seededDense(8, 1, {inputShape: [3], activation: 'tanh'}), seededDense(1, 2)]});
      const optimizer = ggn();
      model.compile({optimizer, loss});
      const {history} = await model.fit(x, y, {batchSize: 32, epochs: 20, shuffle: false, verbose: 0});
      const left = (history.loss as number[]).map(value => (value - lowest) / (ofMean - lowest));
      t.true(left.at(-1)! < 0.02, `${left.map(value => value.toPrecision(3)).join(' ')}`);
      // A guarded step is not judged, and the report says so.
      t.deepEqual([optimizer.lastStep!.policy, optimizer.lastStep!.gainRatio], ['agreement', null]);
      model.dispose();
      optimizer.dispose();
      tf.dispose([x, y]);
    });
  }
}

test.serial('if no attempt of a step can be trusted, then the weights stay', async t => {
  const w = tf.variable(tf.tensor2d([[0.5, -0.5], [0.25, 1]]));
  const optimizer = ggn();
  // A cliff that no damping avoids: the loss is finite at these weights only.
  const start = w.clone();
  const f = (seed: number) => (): tf.Scalar => tf.tidy(() => {
    const outputs = noise([8, 2], seed).matMul(w);
    const isHere = tf.abs(tf.sub(w, start)).max().lessEqual(0).toFloat();
    return outputs.div(isHere).sub(1).square().mean() as tf.Scalar;
  });
  optimizer.minimize(f(1));
  t.deepEqual(w.dataSync(), start.dataSync());
  t.deepEqual([optimizer.lastStep!.status, optimizer.lastStep!.attempts], ['rejected', 10]);
});
