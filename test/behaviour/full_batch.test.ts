/** Which policy 'auto' takes: full batches are recognised in fit, fitDataset and custom loops, and after loading. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn, leastSquares, type GramGaussNewton} from '../../src/index';
import {seededDense} from '../support/models';
import {noise} from '../support/tensors';

const x = Array.from({length: 48}, (_, i) => Math.sin(1 + 3 * i));
const y = Array.from({length: 16}, (_, i) => Math.cos(2 * i));

function net(optimizer: GramGaussNewton, middle: tf.layers.Layer[] = []): tf.Sequential {
  const model = tf.sequential({layers: [seededDense(4, 1, {inputShape: [3], activation: 'tanh'}), ...middle, seededDense(1, 2)]});
  model.compile({optimizer, loss: 'meanSquaredError'});
  return model;
}

/** The policies of full batches. */
const FULL: ReadonlySet<string> = new Set(['evidenceDamping', 'levenbergMarquardt']);

/** The policies of the steps that a training takes. */
async function policies(optimizer: GramGaussNewton, train: (callbacks: tf.CustomCallback) => Promise<unknown>): Promise<string> {
  const seen: string[] = [];
  await train(new tf.CustomCallback({onBatchEnd: async () => void seen.push(FULL.has(optimizer.lastStep!.policy) ? 'F' : 'm')}));
  return seen.join('');
}

for (const backend of ['cpu', 'wasm']) {
  test.serial(`${backend}: fit, one batch an epoch, shuffled: full from the first step on; several: never`, async t => {
    await tf.setBackend(backend);
    const [xs, ys] = [tf.tensor2d(x, [16, 3]), tf.tensor2d(y, [16, 1])];
    const optimizer = ggn();
    const model = net(optimizer);
    const train = (batchSize: number, epochs: number, more: object = {}) => (callbacks: tf.CustomCallback): Promise<unknown> =>
      model.fit(xs, ys, {batchSize, epochs, callbacks, verbose: 0, ...more});
    t.is(await policies(optimizer, train(16, 4)), 'FFFF');
    t.is(await policies(optimizer, train(8, 2)), 'mmmm');
    t.is(await policies(optimizer, train(64, 2)), 'FF', 'a batch size above the number of rows');
    t.is(await policies(optimizer, train(12, 2, {validationSplit: 0.25})), 'mF', 'other rows than before, and then the same');
  });

  test.serial(`${backend}: fitDataset: the same batch again and again is full from the second step on`, async t => {
    await tf.setBackend(backend);
    const rows = Array.from({length: 16}, (_, i) => ({xs: x.slice(3 * i, 3 * i + 3), ys: [y[i]]}));
    const dataset = tf.data.array(rows);
    const full = ggn();
    t.is(await policies(full, callbacks => net(full).fitDataset(dataset.shuffle(16).batch(16) as tf.data.Dataset<tf.TensorContainer>,
        {epochs: 4, callbacks, verbose: 0})), 'mFFF');
    const mini = ggn();
    t.is(await policies(mini, callbacks => net(mini).fitDataset(dataset.batch(4) as tf.data.Dataset<tf.TensorContainer>, {epochs: 2, callbacks, verbose: 0})),
        'mmmmmmmm');
    const stream = ggn();
    t.is(await policies(stream, callbacks => net(stream).fitDataset(dataset.repeat().batch(4) as tf.data.Dataset<tf.TensorContainer>,
        {epochs: 3, batchesPerEpoch: 1, callbacks, verbose: 0})).then(seen => seen[0]), 'm', 'one batch an epoch need not be all the data');
  });

  test.serial(`${backend}: custom loops: the same data, in any order, are a full batch`, async t => {
    await tf.setBackend(backend);
    const [w, b] = [tf.variable(noise([3, 2], 1)), tf.variable(tf.zeros([2]))];  // too many for 16 examples to determine them
    const step = (optimizer: GramGaussNewton, xs: tf.Tensor, ys: tf.Tensor): string => {
      optimizer.minimize(() => tf.tanh(tf.matMul(xs as tf.Tensor2D, w as tf.Tensor2D).add(b)).sub(ys).square().mean() as tf.Scalar);
      return optimizer.lastStep!.policy;
    };
    const [xs, ys] = [tf.tensor2d(x, [16, 3]), tf.tensor2d(y, [16, 1])];
    const optimizer = ggn();
    const seen = [step(optimizer, xs, ys), step(optimizer, xs, ys)];
    const order = tf.tensor1d(Array.from({length: 16}, (_, i) => (5 * i) % 16), 'int32');
    seen.push(step(optimizer, tf.gather(xs, order), tf.gather(ys, order)), step(optimizer, xs.slice([0, 0], [8, 3]), ys.slice([0, 0], [8, 1])));
    t.deepEqual(seen, ['agreement', 'levenbergMarquardt', 'levenbergMarquardt', 'agreement']);
    // Several steps on each mini-batch are not a full batch.
    const several = [0, 0, 0, 8, 8, 8].map(from => step(optimizer, xs.slice([from, 0], [8, 3]), ys.slice([from, 0], [8, 1])));
    t.true(several.every(policy => policy === 'agreement'), several.join(' '));
    // A batch that stays the same for long counts as a full batch.
    const long = Array.from({length: 10}, () => step(optimizer, xs, ys));
    t.is(long.at(-1), 'levenbergMarquardt');
  });
}

test.serial('a custom loop over scalars and vectors is judged from the first step on; over mini-batches from the second on it is not', async t => {
  await tf.setBackend('cpu');
  const [xs, ys] = [tf.tensor1d(x.slice(0, 16)), tf.tensor1d(y)];
  const seen = (trained: tf.Variable[], batches: Array<[tf.Tensor, tf.Tensor]>): string => {
    const optimizer = ggn();
    return batches.map(([u, v]) => {
      optimizer.minimize(() => trained.reduce((sum, w) => sum.add(w.sum()), u.mul(trained[0].sum())).tanh().sub(v).square().mean());
      return optimizer.lastStep!.policy === 'levenbergMarquardt' ? 'F' : 'm';
    }).join('');
  };
  const whole: Array<[tf.Tensor, tf.Tensor]> = [[xs, ys], [xs, ys]];
  const parts = [0, 8, 0].map((from): [tf.Tensor, tf.Tensor] => [xs.slice(from, 8), ys.slice(from, 8)]);
  const [scalar, vector, matrix] = [tf.variable(tf.scalar(1)), tf.variable(tf.ones([2])), tf.variable(tf.ones([2, 3]))];
  t.is(seen([scalar, vector], whole), 'FF');
  t.is(seen([scalar, vector], parts), 'Fmm');
  t.is(seen([scalar, matrix], whole), 'mF');
});

test.serial('dropout and noise make a full batch a mini-batch', async t => {
  await tf.setBackend('cpu');
  const [xs, ys] = [tf.tensor2d(x, [16, 3]), tf.tensor2d(y, [16, 1])];
  for (const layer of [tf.layers.dropout({rate: 0.5}), tf.layers.gaussianNoise({stddev: 0.1})]) {
    const optimizer = ggn();
    const model = net(optimizer, [layer]);
    t.is(await policies(optimizer, callbacks => model.fit(xs, ys, {batchSize: 16, epochs: 3, callbacks, verbose: 0})), 'mmm', layer.getClassName());
  }
  const optimizer = ggn();
  const w = tf.variable(tf.zeros([3, 2]));
  const seen = [0, 1, 2].map(() => {
    optimizer.minimize(() => tf.matMul(xs.add(tf.randomNormal([16, 3])) as tf.Tensor2D, w as tf.Tensor2D).sub(ys).square().mean() as tf.Scalar);
    return optimizer.lastStep!.policy;
  });
  t.deepEqual(seen, ['agreement', 'agreement', 'agreement']);
});

test.serial('zero states of a recurrent layer do not make it a mini-batch', async t => {
  await tf.setBackend('cpu');
  const optimizer = ggn();
  const model = tf.sequential({layers: [tf.layers.lstm({units: 3, inputShape: [4, 2]}), tf.layers.dense({units: 1})]});
  model.compile({optimizer, loss: 'meanSquaredError'});
  t.is(await policies(optimizer, callbacks => model.fit(noise([6, 4, 2], 3), noise([6, 1], 4), {batchSize: 6, epochs: 2, callbacks, verbose: 0})), 'FF');
});

test.serial('after loading, training on the same data goes on with the full-batch policy at once, in fit and in a loop', async t => {
  await tf.setBackend('cpu');
  const [xs, ys] = [tf.tensor2d(x, [16, 3]), tf.tensor2d(y, [16, 1])];
  const optimizer = ggn();
  const model = net(optimizer);
  await model.fit(xs, ys, {batchSize: 16, epochs: 3, verbose: 0});
  let saved: tf.io.ModelArtifacts | null = null;
  await model.save(tf.io.withSaveHandler(async artifacts => {
    saved = JSON.parse(JSON.stringify({...artifacts, weightData: null})) as tf.io.ModelArtifacts;
    saved.weightData = artifacts.weightData;
    return {modelArtifactsInfo: {dateSaved: new Date(), modelTopologyType: 'JSON'}};
  }), {includeOptimizer: true});
  const loaded = await tf.loadLayersModel(tf.io.fromMemory(saved!)) as tf.Sequential;
  const again = loaded.optimizer as GramGaussNewton;
  t.is(again.damping, optimizer.damping);
  t.is(await policies(again, callbacks => loaded.fit(xs, ys, {batchSize: 16, epochs: 2, shuffle: false, callbacks, verbose: 0})), 'FF');
  await model.fit(xs, ys, {batchSize: 16, epochs: 2, shuffle: false, verbose: 0});
  t.is(again.damping, optimizer.damping);
  t.is(again.lastStep!.loss, optimizer.lastStep!.loss);

  const [someX, someY] = [xs.slice(0, 8), ys.slice(0, 8)];  // 24 rows: with 48, batches would determine the three parameters by themselves
  const loop = (o: GramGaussNewton, w: tf.Variable): string => {
    o.minimize(() => leastSquares(tf.exp(w.mul(someX)).sub(someY)));
    return o.lastStep!.policy;
  };
  const [first, w] = [ggn(), tf.variable(tf.ones([1, 3]).mul(0.1))];
  [loop(first, w), loop(first, w)].forEach((policy, i) => t.is(policy, i === 0 ? 'agreement' : 'levenbergMarquardt'));
  const {fromConfig} = first.constructor as unknown as {fromConfig(cls: unknown, config: object): GramGaussNewton};
  const second = fromConfig(first.constructor, JSON.parse(JSON.stringify(first.getConfig())) as object);
  await second.setWeights(await first.getWeights());
  t.is(loop(second, w), 'levenbergMarquardt');
});
