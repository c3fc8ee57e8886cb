/**
 * Batches of which no fewer examples can be taken, and examples of which one does not fit: some output components at a time, as in one
 * piece, within the limit.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn, leastSquares, type GgnOptions} from '../../src/index';
import {PeakBytes} from '../bench/peak';
import {kernelsOf} from '../support/kernels';
import {relativeError} from '../support/relative_error';
import {flat, noise, variable} from '../support/tensors';

type Image = tf.Tensor4D;

interface Job {
  /** KiB. */
  readonly limit: number;
  readonly shapes: number[][];
  /** The loss, of these variables. */
  readonly loss: (v: tf.Variable[]) => tf.Scalar;
}

const batch = 6;
const images = (): Image => noise([batch, 24, 24, 1], 1) as Image;
const filters = [[3, 3, 1, 6], [3, 3, 6, 6], [6, 3], [3]];
const conv = (x: tf.Tensor, w: tf.Variable, strides = 1): Image => tf.conv2d(x as Image, w as unknown as Image, strides, 'same');
const head = (x: tf.Tensor, [, , w, b]: tf.Variable[]): tf.Tensor => tf.matMul(x.mean([1, 2]) as tf.Tensor2D, w as unknown as tf.Tensor2D).add(b);
const targets = (): tf.Tensor => noise([batch, 3], 2);

/** tanh with a gradient of the user's own. */
const ownTanh = tf.customGrad((x, save) => {
  const y = tf.tanh(x as tf.Tensor);
  (save as (tensors: tf.Tensor[]) => void)([y]);
  return {value: y, gradFunc: (dy, saved) => dy.mul(tf.sub(1, saved[0].square()))};
});

const jobs: Record<string, Job> = {
  'tf.customGrad between convolutions': {limit: 2048, shapes: filters, loss: v =>
    leastSquares([head(conv(ownTanh(conv(images(), v[0])), v[1], 2).relu(), v).sub(targets())])},
  'a parameter that is tiled to the examples': {limit: 2048, shapes: [...filters, [1, 1, 1, 6]], loss: v =>
    leastSquares([head(conv(conv(images(), v[0]).add(tf.concat([tf.tile(v[4], [batch - 1, 1, 1, 1]), v[4]])).tanh(), v[1], 2).relu(), v).sub(targets())])},
  'a loss that couples the examples': {limit: 2048, shapes: filters, loss: v => {
    const y = head(conv(conv(images(), v[0]).tanh(), v[1], 2).relu(), v);
    return leastSquares([y.sub(tf.reverse(y, 0).mul(0.3)).sub(targets())]);
  }},
  'outputs of one example that do not fit': {limit: 2048, shapes: [[3, 3, 1, 8], [3, 3, 8, 8], [3, 3, 8, 1]], loss: v =>
    leastSquares([conv(conv(conv(noise([2, 20, 20, 1], 1), v[0]).relu(), v[1]).tanh(), v[2], 2).avgPool(2, 2, 'same').reshape([2, 25]).sub(noise([2, 25], 2))])},
};

async function train({shapes, loss}: Job, options: GgnOptions): Promise<{change: Float64Array; bytes: number}> {
  const variables = shapes.map((shape, i) => variable(shape, i + 1));
  const {numTensors} = tf.memory();
  const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0.5, policy: 'fixed', ...options});
  const before = flat(variables);
  optimizer.minimize(() => loss(variables));
  const bytes = await new PeakBytes().during(() => optimizer.minimize(() => loss(variables)));
  const change = flat(variables).map((w, i) => w - before[i]);
  optimizer.dispose();
  if (tf.memory().numTensors !== numTensors) {
    throw new Error(`${tf.memory().numTensors - numTensors} tensors are left`);
  }
  tf.dispose(variables);
  return {change, bytes};
}

for (const [name, job] of Object.entries(jobs)) {
  test.serial(`${name}: the step by components`, async t => {
    await tf.setBackend('wasm');
    const whole = await train(job, {solver: 'gram', memoryLimit: 2 ** 30});
    for (const solver of ['gram', 'cg', 'normal'] as const) {
      const {change, bytes} = await train(job, {solver, memoryLimit: job.limit * 1024});
      const error = relativeError(change, whole.change);
      t.log(`${solver}: ${(bytes / 1024).toFixed(0)} KiB, in one piece ${(whole.bytes / 1024).toFixed(0)}, limit ${job.limit}; difference ${error.toExponential(1)}`);
      t.true(error < 2e-4, `${solver}: ${error}`);
    }
  });
}

/** Without kernels that compute nothing. */
const isWork = (kernel: string | undefined): boolean => kernel !== 'Reshape';

/** By what stands in the message: networks of which the cotangents of one output are more than a MiB, of examples that cannot be cut. */
const tooLarge: Record<string, (v: tf.Variable[], x: Image) => tf.Scalar> = {
  CustomGrad: (v, x) => leastSquares([head(conv(ownTanh(conv(x, v[0])), v[1]).relu(), v)]),
  Add: (v, x) => leastSquares([head(conv(conv(x, v[0]).add(tf.concat([tf.tile(v[4], [batch - 1, 1, 1, 1]), v[4]])), v[1]).relu(), v)]),
  'examples that the loss or the network couples': (v, x) => {
    const y = head(conv(conv(x, v[0]).tanh(), v[1]).relu(), v);
    return leastSquares([y.sub(tf.reverse(y, 0))]);
  },
};

test.serial('where one output does not fit, the refusal comes within two forward passes and says what stands against cutting the examples', async t => {
  await tf.setBackend('wasm');
  const x = noise([batch, 80, 80, 1], 1) as Image;
  for (const [obstacle, loss] of Object.entries(tooLarge)) {
    for (const solver of ['gram', 'cg'] as const) {
      const variables = [...filters, [1, 1, 1, 6]].map((shape, i) => variable(shape, i + 1));
      const optimizer = ggn({memoryLimit: 2 ** 20, solver});
      const f = (): tf.Scalar => loss(variables, x);
      const forward = await kernelsOf(() => tf.tidy(f), isWork);
      const {numTensors} = tf.memory();
      const pattern = new RegExp(`memoryLimit allows: \\d+\\.\\d MiB of cotangents or changes of weights at least, the limit is 1\\.0 MiB\\. Its examples cannot be taken in parts: .*${obstacle}`);
      t.throws(() => optimizer.minimize(f), {message: pattern});  // what is made once is made
      const kernels = await kernelsOf(() => t.throws(() => optimizer.minimize(f), {message: pattern}), isWork);
      t.log(`${obstacle}, ${solver}: ${kernels} kernels, a forward pass ${forward}`);
      t.true(kernels <= 2 * forward, `${kernels} kernels, a forward pass ${forward}`);
      t.is(tf.memory().numTensors, numTensors);
      optimizer.dispose();
      tf.dispose(variables);
    }
  }
  x.dispose();
});

test.serial('weights of which a step cannot hold three changes are refused before the sweeps', async t => {
  await tf.setBackend('wasm');
  for (const solver of ['gram', 'cg'] as const) {
    const w = variable([400, 300], 1);  // 0.46 MiB
    const v = variable([300, 1], 2);
    const x = noise([4, 400], 3);
    const optimizer = ggn({memoryLimit: 2 ** 20, solver});
    const f = (): tf.Scalar => leastSquares([tf.matMul(tf.tanh(tf.matMul(x as tf.Tensor2D, w as unknown as tf.Tensor2D)) as tf.Tensor2D, v as unknown as tf.Tensor2D)]);
    const forward = await kernelsOf(() => tf.tidy(f), isWork);
    const kernels = await kernelsOf(() => t.throws(() => optimizer.minimize(f), {message: /1\.4 MiB of cotangents or changes of weights at least, the limit is 1\.0 MiB/}), isWork);
    t.true(kernels <= 2 * forward, `${kernels} kernels, a forward pass ${forward}`);
    optimizer.dispose();
    tf.dispose([w, v, x]);
  }
});
