/** Cotangents of kernels that move, join or copy entries. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {grad} from '../../../src/index';
import {checkOperator} from '../../support/check_operator';
import {relativeError} from '../../support/relative_error';
import {edges, image, testMissing, testSlow, testWrong, uniform, volume} from '../../support/rule_tests';
import type {Missing} from '../../support/rule_tests';
import {noise} from '../../support/tensors';
import {ownCotangent} from '../../support/own_cotangent';

testSlow({
  'a stack': [x => tf.stack([x, tf.onesLike(x), tf.zerosLike(x)]), edges, 'Pack'],
  'a stack along an axis': [x => tf.stack([tf.onesLike(x), x], 1), volume, 'Pack'],
  'a stack along the last axis': [x => tf.stack([tf.onesLike(x), tf.zerosLike(x), x], -1), edges, 'Pack'],
});

testWrong([
  ['MirrorPad', 'x', 'reflect', x => tf.mirrorPad(x, [[2, 1], [0, 2]], 'reflect'), uniform([4, 3], 1), [7, 5], ['cpu', 'wasm']],
  ['MirrorPad', 'x', 'symmetric', x => tf.mirrorPad(x, [[2, 1], [0, 2]], 'symmetric'), uniform([4, 3], 1), [7, 5], ['cpu', 'wasm']],
]);

testMissing([
  ...([[[1, 0], [4, 3], [2, 1], 0, 0], [[3, 2], [-6, -4], [-1, -2], 0, 0], [[-3, 1], [5, 0], [2, 1], 0, 2], [[1], [2], [1], 0, 0, 0, 0, 1]] as const)
      .map(([begin, end, strides, beginMask, endMask, ellipsisMask = 0, newAxisMask = 0, shrinkAxisMask = 0]): Missing =>
        ({kernel: 'StridedSlice', inputs: {x: () => noise([5, 3], 1)}, wanted: ['x'],
          attrs: {begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask}})),
  {kernel: 'FlipLeftRight', inputs: {image}, wanted: ['image']},
]);

test.serial('a tile of any rank, with copies along any axes', async t => {
  const cases: [number[], number[]][] = [[[3], [4]], [[2, 3], [3, 1]], [[2, 3], [1, 2]], [[2, 3], [2, 2]], [[1, 3], [5, 1]], [[1, 1, 1, 3], [2, 4, 3, 1]],
    [[2, 3, 4, 1], [1, 1, 1, 5]], [[2, 1, 2, 3], [2, 3, 1, 2]], [[2, 3], [1, 1]], [[1, 1], [1, 1]]];
  for (const backend of ['cpu', 'wasm']) {
    await tf.setBackend(backend);
    for (const [shape, reps] of cases) {
      const x = tf.randomNormal(shape, 0, 1, 'float32', 1);
      const f = (v: tf.Tensor): tf.Tensor => tf.tile(v, reps);
      const dy = tf.randomNormal(f(x).shape, 0, 1, 'float32', 3);
      const mine = ownCotangent(backend, {kernel: 'Tile', attrs: {reps}}, [x], dy)!();
      t.deepEqual(mine.shape, shape);
      t.true(relativeError(mine.dataSync(), tf.grad(f)(x, dy).dataSync()) < 1e-6, `${shape.join()} by ${reps.join()}`);
      // Of the second order, within grad(): the derivative of Σ dy · tile(x²) is 2 x · untile(dy).
      t.true(relativeError(grad(v => f(v.square()))(x, dy).dataSync(), mine.mul(x).mul(2).dataSync()) < 1e-6);
    }
    // tfjs's own knows ranks up to four.
    const x = tf.randomNormal([1, 2, 1, 2, 2], 0, 1, 'float32', 4);
    const many = tf.ones([3, 2, 2, 2, 4]);
    t.throws(() => tf.grad(v => tf.tile(v, [3, 1, 2, 1, 2]))(x, many), {message: /rank-5/}, 'tfjs has mended this');
    t.deepEqual([...grad(v => tf.tile(v, [3, 1, 2, 1, 2]))(x, many).dataSync()], new Array<number>(8).fill(12));
  }
  await tf.setBackend('cpu');
});

test.serial('a network with mirrored images, and a filter that is mirrored, against reversed ones', async t => {
  await tf.setBackend('cpu');
  const [filter, w] = [tf.variable(noise([2, 2, 1, 3], 1)), tf.variable(noise([36, 2], 2))];
  const x = noise([4, 4, 5, 1], 3) as tf.Tensor4D;
  const rows = (mirrored: (t: tf.Tensor4D) => tf.Tensor4D) => (): tf.Tensor => {
    const hidden = tf.conv2d(x, tf.transpose(mirrored(tf.transpose(filter as tf.Tensor4D, [3, 0, 1, 2])), [1, 2, 3, 0]) as tf.Tensor4D, 1, 'valid').tanh();
    return tf.matMul(tf.mul(mirrored(hidden as tf.Tensor4D), hidden).reshape([4, 36]) as tf.Tensor2D, w as tf.Tensor2D);
  };
  const plan = checkOperator(t, rows(tf.image.flipLeftRight), [filter, w], 1e-5, {reference: rows(image => tf.reverse(image, 2))});
  t.is(plan.analysis.examples, 4);
  t.deepEqual(plan.sites.map(({kind, parameter}) => `${kind} ${parameter.kind}`).sort(), ['convolution selection', 'matrix direct']);
  tf.dispose([filter, w, x]);
});
