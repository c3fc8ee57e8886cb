/** Inputs and targets as they come: no worse than on normalised ones, and than the linear fit. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn} from '../../src/index';
import type {GgnOptions} from '../../src/index';
import {seededRandom} from '../../docs/examples/shared/random';
import {seededDense, variablesOf} from '../support/models';
import {relativeError} from '../support/relative_error';
import {noise} from '../support/tensors';

test.before(async () => {
  await tf.setBackend('cpu');
});

const range = (count: number): number[] => Array.from({length: count}, (_, i) => i);

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** One hidden layer. */
const network = (inputs: number, units: number, activation: 'relu' | 'tanh'): tf.Sequential => tf.sequential({
  layers: [seededDense(units, 1, {inputShape: [inputs], activation}), seededDense(1, 2)]});

const OFFSETS = [1985, -300, 0];
const SCALES = [20, 1e4, 1e-4];

// The units of inputs alone: so the network on raw inputs, with weights to match, takes the step of the network on standardised ones.
for (const [name, rows, batch, options] of [
  ['agreement, Gram matrix', 64, 32, {}], ['Levenberg-Marquardt, Gram matrix', 32, 32, {}],
  ['Levenberg-Marquardt, normal equations', 96, 96, {solver: 'normal'}],
] as Array<[string, number, number, GgnOptions]>) {
  test.serial(`raw inputs are trained on as standardised ones: ${name}`, async t => {
    const z = tf.tidy(() => {
      // Every batch has the same rows, so that its means and deviations are those of all.
      const part = noise([batch, 3], 5);
      const {mean, variance} = tf.moments(part, 0);
      return part.sub(mean).div(variance.sqrt()).tile([rows / batch, 1]) as tf.Tensor2D;
    });
    const x = tf.tidy(() => z.mul(SCALES).add(OFFSETS));
    const y = tf.tidy(() => z.slice([0, 0], [-1, 1]).square().add(noise([rows, 1], 6).mul(0.3)));
    const trained: Float32Array[] = [];
    for (const input of [z, x]) {
      const model = network(3, 6, 'tanh');
      if (input === x) {
        const [W, b, ...others] = model.getWeights();
        const raw = W.div(tf.tensor(SCALES, [3, 1]));
        model.setWeights([raw, b.sub(raw.mul(tf.tensor(OFFSETS, [3, 1])).sum(0)), ...others]);
      }
      const optimizer = ggn({...options, learningRate: 0.5, damping: 0.1});
      model.compile({loss: 'meanSquaredError', optimizer});
      await model.fit(input, y, {epochs: 3, batchSize: batch, shuffle: false, verbose: 0});
      trained.push((model.predict(input) as tf.Tensor).dataSync() as Float32Array);
      t.true(variablesOf(model).every(v => v.dataSync().every(Number.isFinite)));
    }
    t.true(relativeError(trained[1], trained[0]) < 2e-3, `${relativeError(trained[1], trained[0])}`);
  });
}

test.serial('houses in dollars: the line is found, on mini-batches and on the full batch', async t => {
  const random = seededRandom(7);
  const X = range(200).map(() =>
    [500 + 3500 * random(), 1 + Math.floor(5 * random()), 1950 + Math.floor(70 * random()), 2000 + 18000 * random()]);
  const price = ([area, rooms, year, lot]: number[]): number => 120 * area + 9000 * rooms + 300 * (year - 1950) + 1.5 * lot;
  const Y = X.map(row => 50000 + price(row) + 8000 * normal(random));
  const [x, y] = [tf.tensor2d(X), tf.tensor2d(Y, [200, 1])];
  for (const batchSize of [32, 200]) {
    const model = network(4, 16, 'relu');
    model.compile({loss: 'meanSquaredError', optimizer: ggn()});
    await model.fit(x, y, {epochs: 20, batchSize, verbose: 0});
    const loss = (model.evaluate(x, y, {batchSize: 200}) as tf.Scalar).dataSync()[0];
    t.true(Math.sqrt(loss) < 8400, `batch ${batchSize}: ${Math.sqrt(loss)}`);
  }
});

test.serial('targets in any unit, and far from 0', async t => {
  const random = seededRandom(5);
  const xs = range(200).map(() => 2 * random() - 1);
  const curve = xs.map(x => Math.sin(3 * x) + 0.06 * normal(random));
  for (const [scale, offset] of [[3000, 1.6], [10, 1e4]]) {
    const y = tf.tensor2d(curve.map(value => scale * (value + offset)), [200, 1]);
    for (const batchSize of [32, 200]) {
      const model = network(1, 12, 'tanh');
      model.compile({loss: 'meanSquaredError', optimizer: ggn()});
      await model.fit(tf.tensor2d(xs, [200, 1]), y, {epochs: 25, batchSize, verbose: 0});
      const loss = (model.evaluate(tf.tensor2d(xs, [200, 1]), y, {batchSize: 200}) as tf.Scalar).dataSync()[0];
      t.true(Math.sqrt(loss) < 0.09 * scale, `${scale}, ${offset}, batch ${batchSize}: ${Math.sqrt(loss) / scale}`);
    }
  }
});

test.serial('saturated units are told of, once', async t => {
  const told: string[] = [];
  const {warn} = console;
  console.warn = (message: string) => void told.push(message);
  try {
    for (const scale of [1e3, 1]) {
      const model = network(3, 6, 'tanh');
      model.compile({loss: 'meanSquaredError', optimizer: ggn()});
      await model.fit(tf.tidy(() => noise([64, 3], 5).mul(scale)), noise([64, 1], 6), {epochs: 4, batchSize: 32, verbose: 0});
      t.deepEqual(told.map(message => /hardly learns.*saturated or dead.*Normalise/.test(message)), [true]);
      t.regex(told[0], /kernel 'dense_Dense\d+\/kernel' hardly learns: (9\d|100) %/);
    }
  } finally {
    console.warn = warn;
  }
});
