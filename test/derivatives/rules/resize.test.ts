/** Cotangents of resized images. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {relativeError} from '../../support/relative_error';
import {byDifferences, byTape, byUnits, byUs, testMissing, testSecond, uniform} from '../../support/rule_tests';
import type {Op} from '../../support/rule_tests';
import {noise} from '../../support/tensors';

test.serial('defect: ResizeNearestNeighbor on cpu is wrong for the second example', async t => {
  const resize: Op = x => tf.image.resizeNearestNeighbor(x, [4, 4]);
  const [x, dy] = [uniform([2, 2, 2, 3], 1), uniform([2, 4, 4, 3], 2)];
  const right = await byUnits(resize, x.shape, dy);
  const tfjs = await byTape('cpu', resize, [x], dy);
  t.true(relativeError(tfjs.subarray(0, 12), right.subarray(0, 12)) < 1e-6, 'the first example is right');
  t.true(relativeError(tfjs.subarray(12), right.subarray(12)) > 0.1, 'tfjs has mended ResizeNearestNeighborGrad on cpu: drop our rule');
});

for (const [shape, to, half] of [
  [[2, 2, 2, 3], [4, 4], false], [[3, 2, 3, 1], [4, 9], false], [[2, 3, 2, 2], [3, 8], false], [[2, 2, 2, 1], [2, 2], false], [[1, 2, 2, 2], [6, 4], false],
  [[2, 1, 1, 2], [3, 5], false], [[2, 2, 2, 3], [4, 6], true],
] as Array<[number[], [number, number], boolean]>) {
  test.serial(`ResizeNearestNeighbor on cpu: ${shape.join('x')} to ${to.join('x')}${half ? ', half pixel centres' : ''}`, async t => {
    const resize: Op = x => tf.image.resizeNearestNeighbor(x, to, false, half);
    const [x, dy] = [uniform(shape, 1), uniform([shape[0], ...to, shape[3]], 2)];
    t.true(relativeError(await byUs(t, 'cpu', 'ResizeNearestNeighbor', resize, [x], dy, 'images'), await byUnits(resize, shape, dy)) < 1e-6);
  });
}

test.serial('ResizeNearestNeighbor on cpu by a broken factor is refused', async t => {
  for (const [to, align] of [[[3, 3], false], [[1, 1], false], [[4, 4], true], [[4, 3], false]] as Array<[[number, number], boolean]>) {
    const resize: Op = x => tf.image.resizeNearestNeighbor(x, to, align);
    await t.throwsAsync(byUs(t, 'cpu', 'ResizeNearestNeighbor', resize, [uniform([2, 2, 2, 1], 1)], uniform([2, ...to, 1], 2), 'images'),
        {message: /tfjs's gradient of 'ResizeNearestNeighbor' is wrong on the CPU backend.*whole factors/});
  }
});

test.serial('defect: ResizeBilinear on cpu exchanges height and width of an image that is not square', async t => {
  const resize: Op = x => tf.image.resizeBilinear(x, [4, 5]);
  const [x, dy] = [uniform([2, 2, 3, 2], 1), uniform([2, 4, 5, 2], 2)];
  await t.throwsAsync(byTape('cpu', resize, [x], dy), {message: /has shape '2,3,2,2'/}, 'tfjs has mended ResizeBilinearGrad on cpu: drop our rule');
  for (const align of [false, true]) {
    const op: Op = x => tf.image.resizeBilinear(x, [4, 5], align);
    t.true(relativeError(await byUs(t, 'cpu', 'ResizeBilinear', op, [x], dy, 'images'), await byUnits(op, x.shape, dy)) < 1e-6);
  }
});

test.serial('ResizeNearestNeighbor on wasm is right', async t => {
  for (const [to, align] of [[[4, 4], false], [[3, 3], false], [[5, 5], true]] as Array<[[number, number], boolean]>) {
    const resize: Op = x => tf.image.resizeNearestNeighbor(x, to, align);
    const [x, dy] = [uniform([2, 2, 2, 1], 1), uniform([2, ...to, 1], 2)];
    t.true(relativeError(await byUs(t, 'wasm', 'ResizeNearestNeighbor', resize, [x], dy, 'images'), await byUnits(resize, x.shape, dy)) < 1e-6, `${to.join()} ${align}`);
  }
});

test.serial('defect: the gradient of ResizeBilinear on cpu has height and width exchanged', async t => {
  const [x, dy] = [uniform([2, 3, 4, 2], 1), uniform([2, 5, 7, 2], 2)];
  const op: Op = images => tf.image.resizeBilinear(images, [5, 7]);
  await t.throwsAsync(byTape('cpu', op, [x], dy), {message: /has shape '2,4,3,2'/}, 'tfjs has mended this: drop our rule');
  t.true(relativeError(await byUs(t, 'cpu', 'ResizeBilinear', op, [x], dy, 'images'), await byDifferences('wasm', op, x, dy, 0.25)) < 1e-5);
});

test.serial('defect: ResizeBilinear with halfPixelCenters is wrong in tfjs, refused by us', async t => {
  const [x, dy] = [uniform([1, 3, 3, 2], 1), uniform([1, 5, 5, 2], 7)];
  const resize: Op = images => tf.image.resizeBilinear(images, [5, 5], false, true);
  const expected = await byDifferences('cpu', resize, x, dy, 1e-3);
  t.true(relativeError(await byTape('cpu', resize, [x], dy), expected) > 0.05, 'tfjs has mended this');
  await t.throwsAsync(byUs(t, 'cpu', 'ResizeBilinear', resize, [x], dy, 'images'), {message: /wrong with halfPixelCenters/});
});

testMissing([
  {kernel: 'ResizeBilinearGrad', inputs: {images: () => noise([2, 3, 4, 2], 1), dy: () => noise([2, 5, 7, 2], 2)},
    attrs: {alignCorners: false, halfPixelCenters: false}, wanted: ['dy']},
  {kernel: 'ResizeBilinearGrad', inputs: {images: () => noise([2, 3, 4, 2], 1), dy: () => noise([2, 5, 7, 2], 2)},
    attrs: {alignCorners: true, halfPixelCenters: false}, wanted: ['dy']},
  {kernel: 'ResizeNearestNeighborGrad', inputs: {images: () => noise([1, 3, 4, 2], 1), dy: () => noise([1, 6, 8, 2], 2)},
    attrs: {alignCorners: false, halfPixelCenters: false}, wanted: ['dy']},
]);

testSecond([
  ['resizing', () => noise([1, 3, 3, 1], 1), x => tf.image.resizeBilinear(x.square() as tf.Tensor4D, [5, 5]).square(), 1e-3],
]);
