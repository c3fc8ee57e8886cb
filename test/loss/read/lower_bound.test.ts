/** Losses without a lower bound are reported and their steps are bounded, and losses that have one are never reported. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn} from '../../../src/index';

const B = 16;

/** Of outputs z, targets y [B, 1], weights w [B, 1] of both signs, and one of three classes c [B, 3]. */
interface Member {
  readonly outputs?: number;
  readonly activation?: 'sigmoid' | 'softplus' | 'tanh' | 'elu' | 'relu';
  readonly loss: (z: tf.Tensor, y: tf.Tensor, w: tf.Tensor, c: tf.Tensor) => tf.Tensor;
}

const part = (z: tf.Tensor, first: number, count = 1): tf.Tensor => z.slice([0, first], [B, count]);
const labels = (y: tf.Tensor): tf.Tensor => y.greater(0).toFloat();
const unit = (z: tf.Tensor): tf.Tensor => z.div(z.square().sum(1, true).add(1e-6).sqrt());
const logOfChosen = (z: tf.Tensor, c: tf.Tensor): tf.Tensor => tf.logSoftmax(z).mul(c).sum(-1);

const UNBOUNDED: Record<string, Member> = {
  'sigmoid, targets of 1.5': {loss: (z, y) => tf.losses.sigmoidCrossEntropy(labels(y).mul(1.5), z)},
  'sigmoid, targets of -0.3': {loss: (z, y) => tf.losses.sigmoidCrossEntropy(labels(y).sub(0.3), z)},
  'softmax, negative targets': {outputs: 3, loss: (z, _y, _w, c) => tf.losses.softmaxCrossEntropy(c.mul(1.3).sub(0.1), z)},
  'actor and critic in one tensor': {outputs: 4, loss: (z, y, w, c) =>
    logOfChosen(part(z, 0, 3), c).mul(w.reshape([B])).mean().neg().add(part(z, 3).sub(y).square().mean())},
  'actor and critic, an entropy bonus': {outputs: 4, loss: (z, y, w, c) => {
    const log = tf.logSoftmax(part(z, 0, 3));
    return log.mul(c).sum(-1).mul(w.reshape([B])).mean().neg().add(part(z, 3).sub(y).square().mean()).add(log.exp().mul(log).sum(-1).mean().mul(0.01));
  }},
  '-mean(r log p), p chosen before the logarithm': {outputs: 3, loss: (z, _y, w, c) => tf.softmax(z).mul(c).sum(-1).log().mul(w.reshape([B])).mean().neg()},
  'a linear loss of one output beside squares of another': {outputs: 2, loss: (z, y) => part(z, 0).sub(y).square().mean().sub(part(z, 1).mean())},
  'a linear loss beside smaller absolute values': {outputs: 2, loss: z => part(z, 0).sub(part(z, 1)).mean().add(z.sub(1).abs().mean().mul(0.3))},
  'absolute errors with weights of both signs': {loss: (z, y, w) => z.sub(y).abs().mul(w).mean()},
  'Huber, weights of both signs': {loss: (z, y, w) => tf.losses.huberLoss(y, z, w)},
  'hinge, weights of both signs': {loss: (z, y, w) => tf.losses.hingeLoss(labels(y), z, w)},
  'pinball above 1': {loss: (z, y) => tf.maximum(y.sub(z).mul(1.2), y.sub(z).mul(0.2)).mean()},
  'log cosh, weights of both signs': {loss: (z, y, w) => z.sub(y).cosh().log().mul(w).mean()},
  'a product of outputs': {outputs: 2, loss: z => part(z, 0).mul(part(z, 1)).mean()},
  'cubes': {loss: z => z.pow(3).mean()},
  'logSumExp less twice a logit': {outputs: 3, loss: (z, _y, _w, c) => tf.logSumExp(z, 1).sub(z.mul(c).sum(1).mul(2)).mean()},
  'a likelihood of residuals that are 0': {outputs: 2, loss: z => part(z, 1).add(part(z, 0).mul(0).square().mul(part(z, 1).neg().exp())).mean()},
};

const BOUNDED: Record<string, Member> = {
  'cosine similarity': {outputs: 3, loss: (z, _y, _w, c) => unit(z).mul(c).sum(1).mean().neg()},
  '-exp(-r²)': {loss: (z, y) => z.sub(y).square().neg().exp().mean().neg()},
  '-exp(-r²) of outputs in the unit of 1e4': {loss: (z, y) => z.div(1e4).sub(y).square().neg().exp().mean().neg()},
  'tanh of outputs in the unit of 1e4': {loss: (z, _y, w) => z.div(1e4).tanh().mul(w).mean()},
  'dice': {activation: 'sigmoid', loss: (z, y) => z.mul(labels(y)).mul(2).add(1).div(z.add(labels(y)).add(1)).mean().neg()},
  'intersection over union': {outputs: 3, activation: 'sigmoid', loss: (z, _y, _w, c) => z.mul(c).sum(1).add(0.1).div(z.add(c).sub(z.mul(c)).sum(1).add(0.1)).mean().neg()},
  'Gaussian likelihood': {outputs: 2, loss: (z, y) => part(z, 1).add(y.sub(part(z, 0)).square().mul(part(z, 1).neg().exp())).mean()},
  'Gaussian likelihood, a floor of the variance': {outputs: 2, loss: (z, y) => {
    const variance = part(z, 1).softplus().add(1e-4);
    return variance.log().add(part(z, 0).sub(y).square().div(variance)).mean();
  }},
  'Gaussian likelihood, σ by an activation': {outputs: 2, activation: 'softplus', loss: (z, y) =>
    part(z, 1).log().mul(2).add(part(z, 0).sub(y).square().div(part(z, 1).square())).mean()},
  'Huber less a constant': {loss: (z, y) => tf.losses.huberLoss(y, z).sub(5)},
  'Charbonnier less a constant': {loss: (z, y) => z.sub(y).square().add(1).sqrt().sub(3).mean()},
  'targets of 1e7': {loss: (z, y) => z.sub(y.mul(1e7)).square().add(1).sqrt().sub(100).mean()},
  'evidence lower bound': {outputs: 2, loss: (z, y) => part(z, 0).square().add(part(z, 1).exp()).sub(part(z, 1)).sub(1).mean().div(2).add(part(z, 0).sub(y).square().mean())},
  'clipped ratios of probabilities': {outputs: 3, loss: (z, _y, w, c) => {
    const ratio = logOfChosen(z, c).add(1).exp().reshape([B, 1]);
    return tf.minimum(ratio.mul(w), ratio.clipByValue(0.8, 1.2).mul(w)).mean().neg();
  }},
  'ratios of probabilities': {outputs: 3, loss: (z, _y, w, c) => logOfChosen(z, c).add(1).exp().mul(w.reshape([B])).mean().neg()},
  'expected reward': {outputs: 3, loss: (z, _y, w, c) => tf.softmax(z).mul(c).sum(-1).mul(w.reshape([B])).mean().neg()},
  'entropy': {outputs: 3, loss: z => tf.softmax(z).mul(tf.logSoftmax(z)).sum(1).mean()},
  'focal loss of a sigmoid': {activation: 'sigmoid', loss: (z, y) => {
    const p = labels(y).mul(z).add(tf.sub(1, labels(y)).mul(tf.sub(1, z)));
    return tf.sub(1, p).square().mul(p.add(1e-7).log()).mean().neg();
  }},
  'Poisson of a log rate': {loss: (z, y) => z.exp().sub(z.mul(y.abs())).mean()},
  'a mixture': {outputs: 3, loss: (z, y) => {
    const errors = tf.concat([part(z, 2).sub(y).square().neg(), part(z, 2).add(y).square().neg()], 1);
    return tf.logSumExp(tf.logSoftmax(part(z, 0, 2)).add(errors), 1).mean().neg();
  }},
  'cross-entropy and a linear term that it bounds': {loss: (z, y) => tf.losses.sigmoidCrossEntropy(labels(y).mul(0.6).add(0.2), z).add(z.mean().mul(0.19))},
  'squares and a linear term': {loss: (z, y) => z.sub(y).square().mean().sub(z.mean())},
  'squares less log cosh': {loss: (z, y) => tf.losses.meanSquaredError(y, z).sub(z.cosh().log().mean())},
  'fourth powers less a linear term': {loss: z => z.square().square().sub(z.mul(10)).mean()},
  'a cross-entropy of logits far on the right side': {outputs: 3, loss: (z, _y, _w, c) => tf.logSumExp(z.add(c.mul(20)), 1).sub(z.add(c.mul(20)).mul(c).sum(1)).mean()},
  'cosines': {loss: (z, y) => z.sub(y).cos().mean().neg()},
  'a cube of a tanh': {activation: 'tanh', loss: (z, y) => z.mul(y).add(z.pow(3)).mean()},
  'elu, relu': {activation: 'elu', loss: z => z.add(z.square()).add(z.square().mul(z).relu()).mean()},
};

const data = tf.tidy(() => {
  const x = tf.randomNormal([B, 4], 0, 1, 'float32', 1);
  return {x, y: x.slice([0, 0], [B, 1]).add(tf.randomNormal([B, 1], 0, 0.3, 'float32', 2)), w: tf.randomNormal([B, 1], 0, 1, 'float32', 3),
    c: tf.oneHot(tf.randomUniform([B], 0, 3, 'int32', 4), 3).toFloat()};
});

const {warn} = console;
const warnings: string[] = [];
test.before(() => {
  console.warn = (line: string) => void warnings.push(line);
});
test.after(() => {
  console.warn = warn;
});

/** Steps on one batch, in a loop or by `trainOnBatch`, where the model's outputs are what comes out of its activation. */
async function train({outputs = 1, activation, loss}: Member, how: 'loop' | 'fit', policy: 'auto' | 'fixed', steps: number) {
  const {x, y, w, c} = data;
  const model = tf.sequential({layers: [
    tf.layers.dense({units: 10, activation: 'elu', inputShape: [4], kernelInitializer: tf.initializers.glorotUniform({seed: 1})}),
    tf.layers.dense({units: outputs, ...(activation === undefined ? {} : {activation}), kernelInitializer: tf.initializers.glorotUniform({seed: 2})})]});
  const optimizer = ggn({policy});
  model.compile({optimizer, loss: (_: tf.Tensor, z: tf.Tensor) => loss(z, y, w, c)});
  const reports = [];
  const changes = [];
  const targets = tf.zeros([B, outputs]);
  for (let i = 0; i < steps; i++) {
    const before = model.predictOnBatch(x) as tf.Tensor;
    if (how === 'loop') {
      optimizer.minimize(() => loss(model.apply(x) as tf.Tensor, y, w, c).mean() as tf.Scalar);
    } else {
      await model.trainOnBatch(x, targets);
    }
    reports.push(optimizer.lastStep!);
    changes.push(tf.tidy(() => (model.predictOnBatch(x) as tf.Tensor).sub(before).abs().mean().dataSync()[0]));
    before.dispose();
  }
  optimizer.dispose();
  model.dispose();
  targets.dispose();
  return {reports, changes};
}

for (const [name, member] of Object.entries(UNBOUNDED)) {
  test.serial(`no lower bound: ${name}: reported, and the outputs change by a bounded amount`, async t => {
    await tf.setBackend('cpu');
    for (const [how, policy] of [['loop', 'auto'], ['fit', 'fixed']] as const) {
      warnings.length = 0;
      const {reports, changes} = await train(member, how, policy, 6);
      t.is(reports[5].curvature, 'unbounded', how);
      t.is(warnings.filter(line => line.includes('no lower bound')).length, 1);
      t.true(changes.every(change => change < 30), `${how}: ${changes.join()}`);
      t.true(reports[5].loss < reports[0].loss);
      t.true(Math.abs(reports[5].loss) < (name === 'cubes' || name.includes('product') ? 1e4 : 300), String(reports[5].loss));
    }
  });
}

test.serial('losses with a lower bound are never reported', async t => {
  await tf.setBackend('cpu');
  warnings.length = 0;
  for (const [name, member] of Object.entries(BOUNDED)) {
    for (const how of ['loop', 'fit'] as const) {
      const {reports} = await train(member, how, 'auto', 2);
      t.true(reports.every(({curvature}) => curvature !== 'unbounded'), `${name}, ${how}`);
    }
  }
  t.deepEqual(warnings.filter(line => line.includes('no lower bound')), []);
});

test.serial('a value head far from its targets is not held back by the policy beside it', async t => {
  await tf.setBackend('cpu');
  const {reports} = await train({...UNBOUNDED['actor and critic in one tensor'], loss: (z, y, w, c) =>
    UNBOUNDED['actor and critic in one tensor'].loss(z, y.mul(10).add(300), w, c)}, 'loop', 'auto', 6);
  t.is(reports[5].curvature, 'unbounded');
  t.true(reports[0].loss > 5e4 && reports[5].loss < 1e3, `${reports[0].loss} to ${reports[5].loss}`);
});
