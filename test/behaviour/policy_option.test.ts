/** Policies through the public API: named policies, a function of the user's, their saved state, and the rights of callbacks. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn, GramGaussNewton, type GgnOptions, type StepReport} from '../../src/index';
import {seededDense, weightsOf} from '../support/models';

await tf.setBackend('cpu');

const x = tf.tensor2d(Array.from({length: 72}, (_, i) => Math.sin(1 + 3 * i)), [24, 3]);
const y = tf.tensor2d(Array.from({length: 24}, (_, i) => Math.cos(2 * i)), [24, 1]);

function net(optimizer: GramGaussNewton): tf.Sequential {
  const model = tf.sequential({layers: [seededDense(6, 1, {inputShape: [3], activation: 'tanh'}), seededDense(1, 2)]});
  model.compile({optimizer, loss: 'meanSquaredError'});
  return model;
}

const fit = (model: tf.LayersModel, batchSize: number, epochs: number): Promise<tf.History> =>
  model.fit(x, y, {batchSize, epochs, shuffle: false, verbose: 0});

test.serial('fixed: what is not given is 0.1, 0.1, 0.9; nothing is judged', async t => {
  const optimizer = ggn({policy: 'fixed'});
  await fit(net(optimizer), 24, 3);
  t.like(optimizer.lastStep, {policy: 'fixed', learningRate: 0.1, damping: 0.1, momentum: 0.9, gainRatio: null, actualDecrease: null, attempts: 1, agreement: null});
  t.true(optimizer.lastStep!.predictedDecrease! > 0);
  const [a, b] = [net(ggn({policy: 'fixed'})), net(ggn({learningRate: 0.1, damping: 0.1, momentum: 0.9}))];
  await fit(a, 24, 3);
  await fit(b, 24, 3);
  t.deepEqual(weightsOf(a), weightsOf(b), "all three given: 'auto' is 'fixed'");
});

test.serial('agreement: the first step has none; then it is the cosine of -z and J d_prev', async t => {
  const optimizer = ggn({policy: 'agreement'});
  const model = net(optimizer);
  await fit(model, 24, 1);
  t.is(optimizer.lastStep!.agreement, null);
  t.is(optimizer.lastStep!.damping, 1);
  const before = model.getWeights().map(w => w.clone());
  const r0 = tf.tidy(() => [...(model.predict(x) as tf.Tensor).sub(y).dataSync()]);
  const previous = (await optimizer.getWeights()).slice(1).map(({tensor}) => tensor.clone());
  await fit(model, 24, 1);
  // J d_prev by a small step along d_prev, from the weights before.
  const after = model.getWeights().map(w => w.clone());
  const h = 1e-2;
  model.setWeights(before.map((w, i) => w.add(previous[i].mul(h))));
  const r1 = tf.tidy(() => [...(model.predict(x) as tf.Tensor).sub(y).dataSync()]);
  const change = r1.map((r, i) => (r - r0[i]) / h);
  const dot = (a: number[], b: number[]): number => a.reduce((sum, v, i) => sum + v * b[i], 0);
  const expected = -dot(r0, change) / Math.sqrt(dot(r0, r0) * dot(change, change));
  t.true(Math.abs(optimizer.lastStep!.agreement! - expected) < 0.02, `${optimizer.lastStep!.agreement} in place of ${expected}`);
  const {damping} = optimizer.lastStep!;
  t.true(damping >= 0.95 && damping <= 1, 'the share of the loss that is left, or 0.95');
  t.is(after.length, before.length);
});

test.serial('a function of the report: called once a step after it, sets the next one, judged, and never rejected', async t => {
  const reports: StepReport[] = [];
  const optimizer = ggn({policy: report => {
    reports.push(report);
    return {damping: 0.5 * report.damping, ...(report.iteration === 2 ? {learningRate: 1, momentum: 0} : {})};
  }});
  await fit(net(optimizer), 24, 4);
  t.is(optimizer.policy, 'custom');
  t.deepEqual(reports.map(({damping}) => damping), [0.1, 0.05, 0.025, 0.0125]);
  t.deepEqual(reports.map(({learningRate}) => learningRate), [0.1, 0.1, 1, 1]);
  t.deepEqual(reports.map(({momentum}) => momentum), [0.9, 0.9, 0, 0]);
  t.true(reports.every(({gainRatio, policy}) => Number.isFinite(gainRatio) && policy === 'custom'));
  t.is(reports[3], optimizer.lastStep!);
  t.deepEqual([optimizer.learningRate, optimizer.damping, optimizer.momentum], [1, 0.00625, 0]);
});

test.serial('a function that returns nonsense or throws: an error, and everything is as before the step', async t => {
  let say: unknown = {};
  const optimizer = ggn({policy: (() => {
    if (say instanceof Error) {
      throw say;
    }
    return say;
  }) as GgnOptions['policy']});
  const model = net(optimizer);
  await fit(model, 24, 2);
  const before = weightsOf(model);
  const tensors = tf.memory().numTensors;
  for (const [bad, message] of [[{damping: -1}, /damping \(returned by the function given as policy\) must be/], [{lr: 1}, /must return settings/],
    [new Error('mine'), /^mine$/]] as const) {
    say = bad;
    await t.throwsAsync(() => Promise.resolve(model.trainOnBatch(x, y)), {message});
    t.deepEqual(weightsOf(model), before);
    t.is(optimizer.iterations, 2);
    t.is(tf.memory().numTensors, tensors);
  }
  say = {damping: 1};
  await model.trainOnBatch(x, y);
  t.is(optimizer.iterations, 3);
});

test.serial('the policy, its settings and its state are saved: training goes on bit for bit', async t => {
  for (const options of [{}, {policy: 'agreement'}, {policy: 'levenbergMarquardt', levenbergMarquardt: {initialDamping: 1}}, {policy: 'fixed', momentum: 0.5}] as GgnOptions[]) {
    for (const batchSize of [8, 24]) {
      const optimizer = ggn(options);
      const model = net(optimizer);
      await fit(model, batchSize, 2);
      const config = JSON.parse(JSON.stringify(optimizer.getConfig())) as tf.serialization.ConfigDict;
      const again = GramGaussNewton.fromConfig(GramGaussNewton as never, config) as unknown as GramGaussNewton;
      await again.setWeights(await optimizer.getWeights());
      const copy = net(again);
      copy.setWeights(model.getWeights());
      await fit(model, batchSize, 3);
      await fit(copy, batchSize, 3);
      t.deepEqual(weightsOf(copy), weightsOf(model), JSON.stringify(options));
      t.deepEqual(again.getConfig(), optimizer.getConfig());
    }
  }
});

test.serial("a function is saved as 'custom', with what it said last; going on without it is an error", async t => {
  const policy: GgnOptions['policy'] = ({damping}) => ({damping: 2 * damping});
  const optimizer = ggn({policy});
  await fit(net(optimizer), 24, 2);
  const config = optimizer.getConfig();
  t.is(config['policy'], 'custom');
  const again = GramGaussNewton.fromConfig(GramGaussNewton as never, config) as unknown as GramGaussNewton;
  const model = net(again);
  const before = weightsOf(model);
  const error = t.throws(() => again.minimize(() => tf.losses.meanSquaredError(y, model.apply(x) as tf.Tensor)));
  t.regex(error.message, /saved with a function as its policy, and functions are not saved\. Give it again, as in optimizer\.policy = /);
  t.deepEqual(weightsOf(model), before);
  again.policy = policy!;
  await fit(model, 24, 1);
  t.is(again.lastStep!.damping, 0.4);
  again.policy = 'fixed';
  await fit(model, 24, 1);
  t.is(again.lastStep!.policy, 'fixed');
  t.throws(() => {
    again.policy = 'newton' as never;
  }, {message: /option policy must be one of 'auto', .*; received 'newton'/});
});

test.serial('a callback may schedule what it likes', async t => {
  const optimizer = ggn({policy: 'agreement'});
  const model = net(optimizer);
  const rates: number[] = [];
  await model.fit(x, y, {batchSize: 8, epochs: 3, verbose: 0, callbacks: {
    onEpochBegin: async epoch => {
      optimizer.learningRate = 0.5 / (1 + epoch);
    },
    onBatchEnd: async () => void rates.push(optimizer.lastStep!.learningRate),
  }});
  t.deepEqual(rates, [0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.5 / 3, 0.5 / 3, 0.5 / 3]);
});

test.serial('effective dimension: between 0 and min(rows, parameters), less with more damping; null before the first step', async t => {
  const dimensions: number[] = [];
  for (const damping of [1e-2, 1, 100]) {
    const optimizer = ggn({policy: 'fixed', damping});
    t.is(optimizer.effectiveDimension(), null);
    await fit(net(optimizer), 24, 1);
    dimensions.push(optimizer.effectiveDimension()!);
  }
  t.true(dimensions[0] < 24 && dimensions[2] > 0);
  t.true(dimensions[0] > dimensions[1] && dimensions[1] > dimensions[2], dimensions.join(' '));
  // Two parameters, both determined: a line through three points.
  const [a, b] = [tf.variable(tf.scalar(0)), tf.variable(tf.scalar(0))];
  const optimizer = ggn({policy: 'fixed', damping: 1e-6});
  optimizer.minimize(() => tf.tensor1d([1, 2, 3]).mul(a).add(b).sub([1, 2, 4]).square().mean() as tf.Scalar);
  t.true(Math.abs(optimizer.effectiveDimension()! - 2) < 1e-3);
});

test.serial('weight decay: matrices shrink by learning rate · κ beside the same step, biases do not, and the gain ratio is that of the step', async t => {
  const train = async (weightDecay: number): Promise<{before: number[][]; after: number[][]; optimizer: GramGaussNewton}> => {
    const optimizer = ggn({policy: 'levenbergMarquardt', weightDecay});
    const model = net(optimizer);
    const read = (): number[][] => model.getWeights().map(w => [...w.dataSync()]);
    const before = read();
    await fit(model, 24, 1);
    return {before, after: read(), optimizer};
  };
  const [plain, decayed] = [await train(0), await train(0.2)];
  plain.after.forEach((values, v) => values.forEach((w, i) =>
    t.true(Math.abs(decayed.after[v][i] - (w - (v % 2 === 0 ? 0.2 * plain.before[v][i] : 0))) < 1e-6)));
  t.is(decayed.optimizer.lastStep!.gainRatio, plain.optimizer.lastStep!.gainRatio);
  t.is(decayed.optimizer.lastStep!.stepNorm, plain.optimizer.lastStep!.stepNorm);
  t.is(decayed.optimizer.getConfig()['weightDecay'], 0.2);
});

test.serial('weight decay by itself: kernels decay on mini-batches of noise, and not on the full batch', async t => {
  const inputs = tf.randomUniform([64, 3], -1, 1, 'float32', 3) as tf.Tensor2D;
  const noise = tf.randomNormal([64, 1], 0, 1, 'float32', 4) as tf.Tensor2D;
  const targets = tf.tidy(() => inputs.slice([0, 0], [64, 1]).add(noise));
  const normOf = async (weightDecay: number | 'auto', batchSize: number): Promise<number> => {
    const optimizer = ggn({weightDecay});
    const model = tf.sequential({layers: [seededDense(20, 1, {inputShape: [3], activation: 'tanh'}), seededDense(1, 2)]});
    model.compile({optimizer, loss: 'meanSquaredError'});
    await model.fit(inputs, targets, {epochs: 30, batchSize, verbose: 0, shuffle: false});
    return model.getWeights().reduce((sum, w) => sum + tf.tidy(() => w.square().sum().dataSync()[0]), 0);
  };
  const [own, none] = [await normOf('auto', 8), await normOf(0, 8)];
  t.true(own < 0.98 * none, `${own}, ${none}`);
  t.is(await normOf('auto', 64), await normOf(0, 64));
});
