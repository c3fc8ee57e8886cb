/**
 * Elementwise uses: biases and scales in every shape that broadcasts along the axis of the
 * examples, in every kernel, tiled or not.
 */
import * as tf from '@tensorflow/tfjs';
import test, {type ExecutionContext} from 'ava';
import '@tensorflow/tfjs-backend-wasm';
import {ggn} from '../../../src/index';
import {checkOperator} from '../../support/check_operator';
import {kernelsOf} from '../../support/kernels';
import {noise} from '../../support/tensors';

test.beforeEach(async () => {
  await tf.setBackend('cpu');
});

const B = 4;

function check(t: ExecutionContext, rows: () => tf.Tensor, variables: tf.Variable[], kinds: string[],
    reference?: () => tf.Tensor): void {
  const plan = checkOperator(t, rows, variables, 1e-5, {reference});
  t.is(plan.analysis.examples, B);
  t.deepEqual(plan.sites.map(site => site.kind), kinds);
}

/** Shape of the parameter, shape of the data behind the batch. */
const shapes: Array<[number[], number[]]> = [
  [[3], [3]], [[], [3]], [[1], [3]], [[1, 1], [3]], [[1, 3], [3]], [[3], [1]],
  [[3], [2, 3]], [[1, 1, 3], [2, 3]], [[2, 3], [2, 3]], [[1, 2, 3], [2, 3]], [[], [2, 3]],
  [[2, 1], [2, 3]], [[2, 1], [2, 1]], [[5], [4, 2, 5]], [[4, 2, 5], [4, 2, 5]], [[2, 5], [4, 2, 5]],
  [[4, 1, 1], [4, 2, 5]], [[4, 1, 5], [4, 2, 5]], [[1, 1, 1, 5], [4, 2, 5]], [[4, 2, 1], [4, 2, 5]],
  [[1, 2, 1], [4, 2, 5]],
];

const ops: Record<string, (x: tf.Tensor, p: tf.Tensor) => tf.Tensor> = {
  'x + p': (x, p) => tf.add(x, p), 'p + x': (x, p) => tf.add(p, x), 'x - p': (x, p) => tf.sub(x, p),
  'p - x': (x, p) => tf.sub(p, x),
  'x p': (x, p) => tf.mul(x, p), 'p x': (x, p) => tf.mul(p, x), 'p / x': (x, p) => tf.div(p, x.abs().add(1)),
  'x / p': (x, p) => tf.div(x, p), '|x|^p': (x, p) => tf.pow(x.abs().add(0.5), p),
};

/** Kernels whose gradient in tfjs does not undo broadcasting, with the same in other words. */
const larger = (x: tf.Tensor, p: tf.Tensor): tf.Tensor => x.add(p).add(x.sub(p).abs()).div(2);
const notInTfjs: Record<string,
    [(x: tf.Tensor, p: tf.Tensor) => tf.Tensor, (x: tf.Tensor, p: tf.Tensor) => tf.Tensor]> = {
  'max(x, p)': [(x, p) => tf.maximum(x, p), larger], 'max(p, x)': [(x, p) => tf.maximum(p, x), larger],
  'min(x, p)': [(x, p) => tf.minimum(x, p), (x, p) => larger(x.neg(), p.neg()).neg()],
  'min(p, x)': [(x, p) => tf.minimum(p, x), (x, p) => larger(x.neg(), p.neg()).neg()],
  '(x - p)²': [(x, p) => tf.squaredDifference(x, p).add(1).sqrt(), (x, p) => x.sub(p).square().add(1).sqrt()],
  '(p - x)²': [(x, p) => tf.squaredDifference(p, x).add(1).sqrt(), (x, p) => x.sub(p).square().add(1).sqrt()],
};

for (const [shape, data] of shapes) {
  test.serial(`[${shape.join()}] on [B,${data.join()}]`, t => {
    for (const op of Object.values(ops)) {
      const p = tf.variable(noise(shape, 1));
      const x = noise([B, ...data], 2);
      check(t, () => op(x, p).add(0.1), [p], ['vector']);
      // In front of something that is not linear, with positions summed.
      check(t, () => op(x, p).tanh().reshape([B, -1]).sum(1), [p], ['vector']);
      tf.dispose([p, x]);
    }
    for (const [op, asIf] of Object.values(notInTfjs)) {
      const p = tf.variable(noise(shape, 1));
      const x = noise([B, ...data], 2);
      check(t, () => op(x, p).add(0.1), [p], ['vector'], () => asIf(x, p).add(0.1));
      tf.dispose([p, x]);
    }
  });
}

test.serial('a parameter with more axes than the data', t => {
  const p = tf.variable(noise([2, 1, 3], 1));
  const x = noise([B, 3], 2);
  check(t, () => x.mul(p).tanh().transpose([1, 0, 2]), [p], ['vector']);
  tf.dispose([p, x]);
});

test.serial('prelu, atan2, where', t => {
  for (const shape of [[2, 3], [3], [1, 3], [2, 1], [1, 1]]) {
    const p = tf.variable(noise(shape, 1));
    const x = noise([B, 2, 3], 2);
    check(t, () => tf.prelu(x, p).add(0.1), [p], ['vector']);
    check(t, () => tf.prelu(x.add(0.1), p).sum([1, 2]).sin(), [p], ['vector']);
    check(t, () => tf.atan2(x, p).sum(1), [p], ['vector']);
    check(t, () => tf.where(x.greater(0), x, p).add(0.1), [p], ['vector']);
    check(t, () => tf.where(x.greater(0), p, x).add(0.1), [p], ['vector']);
    tf.dispose([p, x]);
  }
});

test.serial('scale and offset, mean and variance of a normalisation by constants', t => {
  const [scale, offset, mean, variance] = [1, 2, 3, 4].map(seed => tf.variable(noise([3], seed).abs().add(0.1)));
  const x = noise([B, 2, 2, 3], 5);
  check(t, () => tf.batchNorm(x as tf.Tensor4D, mean as tf.Tensor1D, variance as tf.Tensor1D, offset as tf.Tensor1D,
      scale as tf.Tensor1D, 0.01).tanh().sum([1, 2]),
    [scale, offset, mean, variance], ['vector', 'vector', 'vector', 'vector']);
  const matrix = noise([B, 3], 6) as tf.Tensor2D;
  const rows = (): tf.Tensor => tf.batchNorm2d(matrix, tf.zeros([3]) as tf.Tensor1D, tf.ones([3]) as tf.Tensor1D,
      offset as tf.Tensor1D, scale as tf.Tensor1D);
  check(t, rows, [scale, offset], ['vector', 'vector']);
  tf.dispose([scale, offset, mean, variance, x, matrix]);
});

test.serial('a small parameter tiled to the shape of the data', t => {
  const [p, q] = [tf.variable(noise([3], 1)), tf.variable(noise([2, 1], 2))];
  const x = noise([B, 2, 3], 3);
  check(t, () => x.mul(p.reshape([1, 1, 3]).tile([B, 2, 1])).tanh().sum(1), [p], ['vector']);
  check(t, () => x.add(tf.broadcastTo(q, [B, 2, 3])).tanh().sum(1), [q], ['vector']);
  check(t, () => x.reshape([1, B, 6]).mul(q.reshape([1, 2, 1]).tile([B, 1, 3]).reshape([1, B, 6])).reshape([B, 6]), [q],
      ['fallback']);
  check(t, () => x.reshape([1, B, 2, 1, 3]).mul(q.reshape([1, 2, 1]).tile([B, 1, 3]).reshape([1, B, 2, 1, 3]))
      .reshape([B, 6]), [q], ['vector']);
  check(t, () => x.mul(p.reshape([1, 3]).tile([2, 1]).reshape([1, 2, 3]).tile([B, 1, 1])).add(q).tanh(), [p, q],
      ['vector', 'vector']);
  // Not along an axis of size 1: tiled entries count as they stand.
  check(t, () => x.reshape([B, 6]).mul(p.tile([2])).tanh(), [p], ['vector']);
  tf.dispose([p, q, x]);
});

test.serial('where the examples are not in front', t => {
  const [p, q] = [tf.variable(noise([3], 1)), tf.variable(noise([3, 1], 2))];
  const x = noise([B, 2, 3], 3);
  // Time-major [2, B, 3].
  check(t, () => x.transpose([1, 0, 2]).mul(p).transpose([1, 0, 2]), [p], ['vector']);
  check(t, () => x.transpose([1, 0, 2]).mul(p).tanh().sum([0, 2]), [p], ['vector']);
  // Features first [3, 2·B].
  check(t, () => x.reshape([-1, 3]).transpose().mul(q).transpose().reshape([B, 2, 3]), [q], ['vector']);
  // Features on both sides, [3, B, 2].
  check(t, () => x.transpose([2, 0, 1]).mul(tf.add(q.reshape([3, 1, 1]), p.slice([0], [2]))).transpose([1, 2, 0]),
      [q, p], ['vector']);
  // A weight of its own for each example.
  const own = tf.variable(noise([B, 1, 3], 4));
  check(t, () => x.mul(own).tanh(), [own], ['fallback']);
  tf.dispose([p, q, x, own]);
});

test.serial('one vector in several places: its rows add up', t => {
  const p = tf.variable(noise([3], 1));
  const x = noise([B, 3], 2);
  check(t, () => x.mul(p).tanh().add(p).sin().mul(p), [p], ['vector', 'vector', 'vector']);
  tf.dispose([p, x]);
});

test.serial('a scale, a shift and a slope, all at once', t => {
  const [s, b, w] = [tf.variable(noise([3], 1)), tf.variable(noise([], 2)), tf.variable(noise([2, 3], 3))];
  const x = noise([B, 2, 3], 4);
  check(t, () => x.mul(s).tanh().add(b).mul(w).tanh().sum(2), [s, b, w], ['vector', 'vector', 'vector']);
  tf.dispose([s, b, w, x]);
});

/** Kernels of WASM that take 7 to 110 nanoseconds an entry; a product takes .5. */
const SLOW = new Set<string | undefined>(['Tile', 'BroadcastTo', 'Select', 'Greater', 'Minimum', 'Maximum']);
const slopes = (sharedAxes: number[]): tf.layers.Layer => tf.layers.prelu({sharedAxes, alphaInitializer: 'randomNormal'});

for (const [name, layer] of Object.entries({
  'prelu, a slope for each channel': () => slopes([1, 2]),
  'prelu, a slope for each row of an image': () => slopes([2, 3]),
  'prelu, a slope for each entry': () => slopes([]),
  'prelu, a slope for each entry of a time step': () => tf.layers.timeDistributed({layer: slopes([])}),
})) {
  test.serial(`wasm: ${name} takes no slow kernel`, async t => {
    await tf.setBackend('wasm');
    const model = tf.sequential({layers: [tf.layers.dense({units: 3, inputShape: [4, 5, 2]}), layer(), slopes([1]),
      tf.layers.flatten(), tf.layers.dense({units: 2})]});
    const optimizer = ggn({policy: 'fixed'});
    model.compile({optimizer, loss: 'meanSquaredError'});
    const [x, y] = [noise([B, 4, 5, 2], 1), noise([B, 2], 2)];
    // The first step checks itself by tfjs's gradients.
    await model.trainOnBatch(x, y);
    t.is(await kernelsOf(() => model.trainOnBatch(x, y), kernel => SLOW.has(kernel)), 0);
    t.is(optimizer.lastStep!.status, 'ok');
    model.dispose();
    tf.dispose([x, y]);
  });
}

test.serial('wasm: slopes and constants of a normalisation agree with the dense Jacobian', async t => {
  await tf.setBackend('wasm');
  const x = noise([B, 2, 3], 2);
  for (const shape of [[2, 3], [3], [1, 3], [2, 1], [1, 1]]) {
    const p = tf.variable(noise(shape, 1));
    check(t, () => tf.prelu(x.add(0.1), p).sum([1, 2]).sin(), [p], ['vector']);
    p.dispose();
  }
  const constants = [1, 2, 3, 4].map(seed => tf.variable(noise([3], seed).abs().add(0.1)) as tf.Variable<tf.Rank.R1>);
  const [scale, offset, mean, variance] = constants;
  const images = noise([B, 2, 2, 3], 5) as tf.Tensor4D;
  const rows = (): tf.Tensor => tf.batchNorm(images, mean, variance, offset, scale, 0.01).tanh().sum([1, 2]);
  check(t, rows, constants, ['vector', 'vector', 'vector', 'vector']);
  tf.dispose([x, images, constants]);
});
