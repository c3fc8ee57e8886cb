/** The way back from a divergence on mini-batches. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn, type GramGaussNewton, type GgnOptions} from '../../../src/index';
import {glorotNormal} from '../../support/models';
import {numbersOf, noise} from '../../support/tensors';

/** Linear regression on batches of 8 rows of 12 weights; one batch may have other targets. */
class Regression {
  readonly w = tf.tidy(() => tf.variable(noise([12, 1], 1)));
  readonly optimizer: GramGaussNewton;
  private count = 0;

  constructor(options: GgnOptions = {}) {
    this.optimizer = ggn({averaging: false, ...options});  // so that the weights are the training point
  }

  /** The loss of the batch, at the weights before the step. */
  step(target: (y: tf.Tensor) => tf.Tensor = y => y): number {
    const k = this.count++;
    return tf.tidy(() => {
      const x = noise([8, 12], 100 + k) as tf.Tensor2D;
      const y = target(tf.add(tf.sum(x, 1, true), tf.mul(noise([8, 1], 1000 + k), 0.1)));
      return this.optimizer.minimize(() => tf.losses.meanSquaredError(y, tf.matMul(x, this.w as unknown as tf.Tensor2D)) as tf.Scalar, true)!.dataSync()[0];
    });
  }

  steps(count: number): void {
    for (let i = 0; i < count; i++) {
      this.step();
    }
  }

  get isBack(): boolean {
    const {status, stepNorm, gainRatio} = this.optimizer.lastStep!;
    return status === 'rejected' && stepNorm === 0 && gainRatio === null;
  }

  dispose(): void {
    this.w.dispose();
    this.optimizer.dispose();
  }
}

const far = (y: tf.Tensor): tf.Tensor => tf.mul(y, 1e4);

for (const backend of ['cpu', 'wasm']) {
  test.serial(`${backend}: weights thrown away by one batch come back if they do not recover, with more damping`, async t => {
    await tf.setBackend(backend);
    const {numTensors} = tf.memory();
    const job = new Regression();
    job.steps(60);
    const usual = job.step();
    const seen: number[][] = [];
    for (let i = 0; i < 20; i++) {
      seen.push(numbersOf([job.w]));
      job.step();
    }
    const {damping} = job.optimizer;
    job.step(far);
    t.false(job.isBack, 'the batch is unusual, not the weights');
    job.optimizer.learningRate = 1e-9;  // so that they do not recover by themselves
    const thrown = job.step();
    t.true(thrown > 1e4 * usual, `${thrown} ${usual}`);
    t.false(job.isBack);
    job.step();
    t.false(job.isBack);
    job.step();
    t.true(job.isBack, 'the third batch in a row');
    job.optimizer.learningRate = 'auto' as never;
    const back = numbersOf([job.w]);
    t.true(seen.some(weights => weights.join() === back.join()), 'bit for bit weights of one of the last steps');
    t.true(job.optimizer.damping > 3 * damping);
    t.true(job.step() < 10 * usual);
    t.false(job.isBack);
    job.dispose();
    t.is(tf.memory().numTensors, numTensors);
  });
}

test.serial('a failed step on other variables or other weights keeps the good weights', async t => {
  await tf.setBackend('cpu');
  const {numTensors} = tf.memory();
  const [job, twin] = [new Regression(), new Regression()];
  [job, twin].forEach(each => each.steps(60));
  const other = tf.tidy(() => tf.variable(tf.ones([3])));
  const atEnd = tf.memory().numTensors;
  t.throws(() => job.optimizer.minimize(() => tf.mul(tf.mean(tf.square(other)), NaN) as tf.Scalar), {message: /the loss is NaN/});
  const [weights, ones] = [tf.clone(job.w), tf.ones([12, 1])] as const;
  job.w.assign(ones as never);
  t.throws(() => job.optimizer.minimize(() => tf.mul(tf.mean(tf.square(job.w)), NaN) as tf.Scalar), {message: /the loss is NaN/});
  job.w.assign(weights);
  tf.dispose([weights, ones]);
  t.is(tf.memory().numTensors, atEnd);
  const seen = [job, twin].map(each => {
    each.step(far);
    each.optimizer.learningRate = 1e-9;
    return [1, 2, 3].map(() => [each.step(), each.isBack, numbersOf([each.w])]);
  });
  t.true(seen[1][2][1], 'the third batch in a row');
  t.deepEqual(seen[0], seen[1]);
  other.dispose();
  [job, twin].forEach(each => each.dispose());
  t.is(tf.memory().numTensors, numTensors);
});

test.serial('unusual batches alone do not lead back', async t => {
  await tf.setBackend('cpu');
  // With so small a learning rate no batch throws the weights away.
  const job = new Regression({learningRate: 1e-7});
  job.steps(40);
  for (let i = 0; i < 30; i++) {
    job.step(i % 3 === 0 ? far : undefined);
    t.false(job.isBack, `step ${i}`);
  }
  job.dispose();
});

test.serial('weights of 1e14 lead back, and a loss that is not finite at the kept weights either is an error', async t => {
  await tf.setBackend('cpu');
  const job = new Regression();
  job.steps(60);
  job.step(y => tf.mul(y, 1e15));
  job.optimizer.learningRate = 1e-9;
  const losses = [job.step(), job.step(), job.step()];
  t.true(Math.min(...losses) > 1e20, losses.join());
  t.true(job.isBack);
  job.optimizer.learningRate = 'auto' as never;
  t.throws(() => job.step(y => tf.mul(y, Infinity)), {message: /the loss is Infinity/});
  t.true(job.step() < 1);
  job.dispose();
});

test.serial('weights of the user begin a new trend, and a given damping stays', async t => {
  await tf.setBackend('cpu');
  const job = new Regression();
  job.steps(60);
  tf.tidy(() => job.w.assign(noise([12, 1], 5).mul(1e3)));
  t.true(job.step() > 1e4);
  t.false(job.isBack);
  job.dispose();
  const given = new Regression({damping: 0.1});
  given.steps(60);
  given.step(far);
  given.step();
  t.false(given.isBack);
  t.is(given.optimizer.damping, 0.1);
  given.dispose();
});

test.serial('other data begin a new trend and do not lead back for ever', async t => {
  await tf.setBackend('cpu');
  const job = new Regression();
  job.steps(60);
  let backs = 0;
  for (let i = 0; i < 60; i++) {
    job.step(y => tf.mul(y, -5));
    backs += Number(job.isBack);
  }
  t.true(backs <= 1, `${backs}`);
  t.true(job.step(y => tf.mul(y, -5)) < 5);
  const {caution} = (job.optimizer.getConfig()['policyState'] as {agreement: {caution: number}}).agreement;
  t.true(caution < 4, `${caution}`);
  job.dispose();
});

test.serial('weights that are frozen meanwhile stay', async t => {
  await tf.setBackend('cpu');
  const [a, b] = tf.tidy(() => [tf.variable(noise([12, 1], 1)), tf.variable(noise([12, 1], 2))]);
  const optimizer = ggn();
  let k = 0;
  const step = (scale: number, variables: tf.Variable[]): void => tf.tidy(() => {
    const x = noise([8, 12], 500 + k++) as tf.Tensor2D;
    const y = tf.mul(tf.sum(x, 1, true), scale);
    optimizer.minimize(() => tf.losses.meanSquaredError(y, tf.matMul(x, tf.add(a, b) as tf.Tensor2D)) as tf.Scalar, false, variables);
  });
  for (let i = 0; i < 60; i++) {
    step(1, [a, b]);
  }
  const frozen = numbersOf([a]);
  for (let i = 0; i < 40; i++) {
    step(i < 25 || i > 27 ? 1 : 1e6, [b]);
    t.deepEqual(numbersOf([a]), frozen, `step ${i}`);
  }
  tf.dispose([a, b]);
  optimizer.dispose();
});

/** A mean and the log of a variance, from one input. */
async function gaussian(seed: number): Promise<{losses: number[]; backs: number}> {
  const rows = 400;
  const x = tf.sub(tf.mul(tf.randomUniform([rows, 1], 0, 1, 'float32', seed), 2), 1);
  const y = tf.add(tf.sin(tf.mul(x, 3)), tf.mul(tf.add(tf.mul(tf.add(x, 1), 0.15), 0.05), tf.randomNormal([rows, 1], 0, 1, 'float32', seed + 1)));
  const model = tf.sequential({layers: [
    tf.layers.dense({units: 20, activation: 'tanh', inputShape: [1], ...glorotNormal(seed)}),
    tf.layers.dense({units: 2, ...glorotNormal(seed + 1)}),
  ]});
  const optimizer = ggn();
  model.compile({optimizer, loss: (target, output) => tf.tidy(() => {
    const [[error], [mean, logVariance]] = [tf.split(target, 2, -1), tf.split(output, 2, -1)];
    return tf.mean(tf.add(tf.mul(logVariance, 0.5), tf.mul(tf.mul(tf.square(tf.sub(error, mean)), tf.exp(tf.neg(logVariance))), 0.5)));
  })});
  const losses: number[] = [];
  let backs = 0;
  await model.fit(x, tf.concat([y, tf.zerosLike(y)], 1), {epochs: 20, batchSize: 32, verbose: 0, yieldEvery: 'never', callbacks: {
    onEpochEnd: (_, logs) => void losses.push(logs!['loss'] as number),
    onBatchEnd: () => void (backs += Number(optimizer.lastStep!.status === 'rejected')),
  }});
  model.dispose();
  optimizer.dispose();
  tf.dispose([x, y]);
  return {losses, backs};
}

for (const seed of [1, 3, 5]) {
  test.serial(`a mean and a variance learnt on mini-batches end near their best loss, seed ${seed}`, async t => {
    await tf.setBackend('wasm');
    const {losses, backs} = await gaussian(seed);
    const best = Math.min(...losses);
    t.log(`best ${best.toFixed(2)}, last ${losses.at(-1)!.toFixed(2)}, ${backs} times back`);
    t.true(best < -0.9);
    t.true(losses.at(-1)! <= best + Math.abs(best) / 2, losses.map(loss => loss.toFixed(2)).join(' '));
  });
}
