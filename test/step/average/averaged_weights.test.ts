/** The hidden average of the weights on mini-batches. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn, GramGaussNewton, type GgnOptions} from '../../../src/index';
import {numbersOf, noise} from '../../support/tensors';

await tf.setBackend('cpu');

/** Noisy linear regression on batches of 8 rows of 12 weights, and a bias. */
class Regression {
  readonly w = tf.tidy(() => tf.variable(noise([12, 1], 1)));
  readonly b = tf.tidy(() => tf.variable(tf.zeros([1])));

  constructor(readonly optimizer: GramGaussNewton) {}

  loss(k: number): tf.Scalar {
    const x = noise([8, 12], 100 + k) as tf.Tensor2D;
    const y = tf.add(tf.sum(x, 1, true), noise([8, 1], 1000 + k));
    return tf.losses.meanSquaredError(y, tf.add(tf.matMul(x, this.w as unknown as tf.Tensor2D), this.b));
  }

  /** The weights after each of the steps from..to - 1. */
  steps(from: number, to: number): number[][] {
    return Array.from({length: to - from}, (_, i) => {
      this.optimizer.minimize(() => this.loss(from + i));
      return this.weights;
    });
  }

  get weights(): number[] {
    return numbersOf([this.w, this.b]);
  }

  dispose(): void {
    tf.dispose([this.w, this.b]);
    this.optimizer.dispose();
  }
}

const regression = (options: GgnOptions = {}): Regression => new Regression(ggn(options));

/** The averages of training points by the formula. */
function averagesOf(points: readonly number[][]): number[][] {
  let x = points[0];
  return points.map((y, k) => x = x.map((xi, i) => xi + 9 / (k + 9) * (y[i] - xi)));
}

const near = (actual: readonly number[], expected: readonly number[]): boolean =>
  actual.length === expected.length && actual.every((a, i) => Math.abs(a - expected[i]) <= 1e-5);

for (const backend of ['cpu', 'wasm']) {
  test.serial(`${backend}: variables hold x ← (1 - c) x + c y with c = 9 / (k + 9), and training goes on at y`, async t => {
    await tf.setBackend(backend);
    const {numTensors} = tf.memory();
    const points = regression({averaging: false});
    const averaged = regression();
    const expected = averagesOf(points.steps(0, 40));
    const seen = averaged.steps(0, 40);
    seen.forEach((weights, k) => t.true(near(weights, expected[k]), `step ${k}`));
    t.false(near(seen[39], points.weights));
    points.dispose();
    averaged.dispose();
    t.is(tf.memory().numTensors, numTensors);
  });
}

test.serial('the returned loss is that of the training point', async t => {
  await tf.setBackend('cpu');
  const losses = [false, true].map(averaging => {
    const job = regression({averaging});
    job.steps(0, 20);
    const loss = tf.tidy(() => job.optimizer.minimize(() => job.loss(20), true)!.dataSync()[0]);
    const {lastStep} = job.optimizer;
    job.dispose();
    return [loss, lastStep!.loss];
  });
  t.deepEqual(losses[1], losses[0]);
});

test.serial('a variable that somebody else writes begins training and average anew', async t => {
  await tf.setBackend('cpu');
  const job = regression();
  job.steps(0, 30);
  tf.tidy(() => job.b.assign(tf.tensor1d([50])));
  const from = job.weights;
  let seen: number[] = [];
  job.optimizer.minimize(() => {
    seen = job.weights;
    return job.loss(30);
  });
  t.deepEqual(seen, from, 'the loss is computed at the weights that were written and the averages of the others');
  const after = job.weights;
  job.optimizer.minimize(() => {
    seen = job.weights;
    return job.loss(31);
  });
  t.deepEqual(seen, after, 'the first step of an average is its training point');
  job.dispose();
});

test.serial('after an error the variables hold the average from before, bit for bit, and training goes on as without it', async t => {
  await tf.setBackend('cpu');
  const [job, twin] = [regression(), regression()];
  job.steps(0, 25);
  twin.steps(0, 25);
  const {numTensors} = tf.memory();
  const before = job.weights;
  const fail = (): tf.Scalar => {
    job.loss(25);
    throw new Error('of the user');
  };
  t.throws(() => job.optimizer.minimize(fail), {message: 'of the user'});
  t.throws(() => job.optimizer.minimize(() => tf.mul(job.loss(25), NaN)), {message: /not finite|NaN/});
  t.throws(() => job.optimizer.minimize(() => {
    job.optimizer.minimize(() => job.loss(26));
    return job.loss(25);
  }), {message: /inside the function/});
  t.deepEqual(job.weights, before);
  t.is(tf.memory().numTensors, numTensors);
  t.deepEqual(job.steps(25, 40), twin.steps(25, 40));
  job.dispose();
  twin.dispose();
});

test.serial('variables of other losses, and variables that are left out of a step, keep their averages', async t => {
  await tf.setBackend('cpu');
  const optimizer = ggn();
  const [one, two] = [new Regression(optimizer), new Regression(optimizer)];
  for (let k = 0; k < 20; k++) {
    one.steps(k, k + 1);
    const before = one.weights;
    two.steps(50 + k, 51 + k);
    t.deepEqual(one.weights, before);
  }
  const bias = numbersOf([one.b]);
  optimizer.minimize(() => one.loss(20), false, [one.w]);
  t.deepEqual(numbersOf([one.b]), bias);
  let seen: number[] = [];
  optimizer.minimize(() => {
    seen = numbersOf([one.b]);
    return one.loss(21);
  });
  t.notDeepEqual(seen, bias, 'its training point is kept');
  tf.dispose([one.w, one.b]);
  two.steps(90, 91);
  two.dispose();
});

test.serial('a state of the optimizer that is loaded goes on bit for bit in a custom loop', async t => {
  await tf.setBackend('cpu');
  const job = regression({policy: 'agreement'});
  job.steps(0, 20);
  const saved = await job.optimizer.getWeights();
  t.deepEqual(saved.map(({name}) => name), ['iter', 'ggn/1/previousStep/0', 'ggn/1/previousStep/1', 'ggn/1/average',
    'ggn/1/trainingPoint/0', 'ggn/1/trainingPoint/1']);
  const loaded = GramGaussNewton.fromConfig(GramGaussNewton as never, job.optimizer.getConfig()) as unknown as GramGaussNewton;
  await loaded.setWeights(saved);
  const again = new Regression(loaded);
  again.w.assign(job.w);
  again.b.assign(job.b);
  t.deepEqual((await loaded.getWeights()).map(({tensor}) => numbersOf([tensor])), saved.map(({tensor}) => numbersOf([tensor])));
  t.deepEqual(again.steps(20, 40), job.steps(20, 40));
  [job, again].forEach(each => each.dispose());
});

test.serial('a loaded average waits for a step that ends without an error', async t => {
  await tf.setBackend('cpu');
  const job = regression({policy: 'agreement'});
  job.steps(0, 20);
  const saved = await job.optimizer.getWeights();
  const loaded = GramGaussNewton.fromConfig(GramGaussNewton as never, job.optimizer.getConfig()) as unknown as GramGaussNewton;
  await loaded.setWeights(saved);
  const again = new Regression(loaded);
  again.w.assign(job.w);
  again.b.assign(job.b);
  const other = tf.tidy(() => tf.variable(tf.scalar(1)));
  const before = again.weights;
  const {numTensors} = tf.memory();
  t.throws(() => loaded.minimize(() => {
    throw new Error('mine');
  }), {message: 'mine'});
  t.throws(() => loaded.minimize(() => other.square() as tf.Scalar, false, [other]), {message: /belongs to other variables/});
  t.deepEqual(again.weights, before);
  t.is(tf.memory().numTensors, numTensors);
  t.deepEqual((await loaded.getWeights()).map(({name}) => name), saved.map(({name}) => name));
  t.deepEqual(again.steps(20, 30), job.steps(20, 30));
  tf.dispose(other);
  job.dispose();
  again.dispose();
});

test.serial('f() that disposes of the optimizer leaves the average in the variables', async t => {
  await tf.setBackend('cpu');
  const job = regression();
  job.steps(0, 20);
  const before = job.weights;
  t.throws(() => job.optimizer.minimize(() => {
    job.optimizer.dispose();
    throw new Error('mine');
  }), {message: 'mine'});
  t.deepEqual(job.weights, before);
  job.steps(20, 25);
  job.optimizer.minimize(() => {
    job.optimizer.dispose();
    return job.loss(25);
  });
  t.true(job.weights.every(Number.isFinite));
  job.dispose();
});

test.serial('a loaded average of other weights is forgotten', async t => {
  await tf.setBackend('cpu');
  const job = regression();
  job.steps(0, 20);
  const saved = await job.optimizer.getWeights();
  const other = regression();
  await other.optimizer.setWeights(saved);
  const from = other.weights;
  let seen: number[] = [];
  other.optimizer.minimize(() => {
    seen = other.weights;
    return other.loss(20);
  });
  t.deepEqual(seen, from);
  job.dispose();
  other.dispose();
});

test.serial('a loaded average goes to the network that f() reads, not to its newer copy; if f() reads both, varList says which', async t => {
  await tf.setBackend('cpu');
  const job = regression();
  job.steps(0, 20);
  const saved = await job.optimizer.getWeights();
  const start = [tf.clone(job.w), tf.clone(job.b)];
  const loaded = async (): Promise<GramGaussNewton> => {
    [job.w, job.b].forEach((variable, i) => variable.assign(start[i]));
    const optimizer = ggn();
    await optimizer.setWeights(saved);
    return optimizer;
  };
  const alone = await loaded();
  alone.minimize(() => job.loss(20));
  const expected = job.weights;
  const copy = tf.tidy(() => [tf.variable(job.w), tf.variable(job.b)]);  // the target network of a DQN
  copy.forEach((variable, i) => variable.assign(start[i]));
  const weights = numbersOf(copy);
  const [outside, both, named] = [await loaded(), await loaded(), await loaded()];

  outside.minimize(() => job.loss(20));
  t.deepEqual([job.weights, numbersOf(copy)], [expected, weights]);

  await both.setWeights(saved);
  [job.w, job.b].forEach((variable, i) => variable.assign(start[i]));
  const {numTensors} = tf.memory();
  const withCopy = (): tf.Scalar => tf.tidy(() => tf.add(job.loss(20), tf.mul(tf.sum(copy[0]), 0)) as tf.Scalar);
  t.throws(() => both.minimize(withCopy), {message: /an average of weights.*'\d+', '\d+' all have these weights.*varList/});
  t.deepEqual([job.weights, numbersOf(copy)], [weights, weights]);
  t.is(tf.memory().numTensors, numTensors);
  named.minimize(withCopy, false, [job.w, job.b]);
  t.deepEqual([job.weights, numbersOf(copy)], [expected, weights]);
  tf.dispose([...start, ...copy]);
  [alone, outside, both, named, job].forEach(each => each.dispose());
});

test.serial('a training point that no training has saved is refused as a damaged state', async t => {
  await tf.setBackend('cpu');
  const job = regression();
  job.steps(0, 20);
  const saved = await job.optimizer.getWeights();
  const optimizer = ggn();
  const damaged = saved.map(({name, tensor}) => ({name, tensor: name.includes('oint') ? tf.mul(tensor, 1e18) : tensor}));
  await optimizer.setWeights(damaged);
  const before = job.weights;
  t.throws(() => optimizer.minimize(() => job.loss(20)), {message: /state is damaged: a training point of the variable '\d+' has the size \de\+1[78]/});
  t.deepEqual(job.weights, before);
  optimizer.dispose();
  job.dispose();
});

const model = (layers: tf.layers.Layer[] = []): tf.Sequential => tf.sequential({layers: [
  tf.layers.dense({units: 6, activation: 'tanh', inputShape: [3], kernelInitializer: tf.initializers.glorotNormal({seed: 1})}), ...layers,
  tf.layers.dense({units: 1, kernelInitializer: tf.initializers.glorotNormal({seed: 2})})]});

const x = noise([40, 3], 5);
const y = tf.tidy(() => tf.add(tf.sum(x, 1, true), noise([40, 1], 6)));

const fit = async (net: tf.LayersModel, epochs: number): Promise<unknown> =>
  (await net.fit(x, y, {epochs, batchSize: 8, shuffle: false, verbose: 0})).history['loss'];

test.serial('a model that is saved during training on mini-batches goes on bit for bit', async t => {
  await tf.setBackend('cpu');
  const net = model();
  net.compile({optimizer: ggn(), loss: 'meanSquaredError'});
  await fit(net, 4);
  let artifacts: tf.io.ModelArtifacts | null = null;
  await net.save(tf.io.withSaveHandler(async saved => {
    artifacts = saved;
    return {modelArtifactsInfo: {dateSaved: new Date(0), modelTopologyType: 'JSON'}};
  }), {includeOptimizer: true});
  const loaded = await tf.loadLayersModel(tf.io.fromMemory(artifacts!));
  t.deepEqual(await fit(loaded, 4), await fit(net, 4));
  t.deepEqual(loaded.getWeights().map(w => numbersOf([w])), net.getWeights().map(w => numbersOf([w])));
  (loaded.optimizer as tf.Optimizer).dispose();
  net.optimizer.dispose();
  loaded.dispose();
  net.dispose();
});

const isAveraged = async (net: tf.LayersModel, options: GgnOptions, batchSize = 8): Promise<boolean> => {
  const optimizer = ggn(options);
  net.compile({optimizer, loss: 'meanSquaredError'});
  await net.fit(x, y, {epochs: 3, batchSize, verbose: 0});
  const names = (await optimizer.getWeights()).map(({name}) => name);
  optimizer.dispose();
  net.dispose();
  return names.includes('ggn/1/average');
};

test.serial('who has an average: mini-batches, but not full batches, moving averages, or averaging: false', async t => {
  await tf.setBackend('cpu');
  t.true(await isAveraged(model(), {}));
  t.true(await isAveraged(model([tf.layers.dropout({rate: 0.5})]), {}));
  t.true(await isAveraged(model(), {damping: 1}));
  t.false(await isAveraged(model(), {averaging: false}));
  t.false(await isAveraged(model(), {}, 40));
  t.false(await isAveraged(model(), {learningRate: 0.3, damping: 0.1, momentum: 0.9}));
  t.false(await isAveraged(model([tf.layers.batchNormalization()]), {}));
  t.throws(() => ggn({averaging: 1 as never}), {message: /the option averaging must be true or false; received 1/});
});
