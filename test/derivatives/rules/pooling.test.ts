/** Cotangents of pooling by maxima and by averages, and of dilation. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {relativeError} from '../../support/relative_error';
import {byDifferences, byTape, byUnits, byUs, distinct, image, isZero, negative, tensorOf, testMissing, testSecond, testWrong, uniform} from '../../support/rule_tests';
import type {Numbers, Op} from '../../support/rule_tests';
import {noise} from '../../support/tensors';

const POOL = {filterSize: [2, 3], strides: [2, 1], pad: 'same'};
const POOL_3D = {filterSize: [2, 2, 2], strides: [2, 1, 1], pad: 'same', dataFormat: 'NDHWC'};
const pooled = distinct.bind(null, [2, 4, 3, 3, 2], 1);
const CPU = ['cpu'];

test.serial('defect: MaxPool on wasm passes nothing where a window has no positive number', async t => {
  const pool: Op = x => tf.maxPool(x, 2, 2, 'valid');
  const [x, dy] = [uniform([2, 4, 4, 3], 1, -2), uniform([2, 2, 2, 3], 2)];
  // Whatever such windows pass goes to the first number of all.
  const [onWasm, onCpu] = [await byTape('wasm', pool, [x], dy), await byTape('cpu', pool, [x], dy)];
  t.true(isZero(onWasm.subarray(1)), 'tfjs has mended MaxPoolGrad on wasm: drop our rule');
  t.is(onCpu.filter(d => d !== 0).length, dy.values.length);
  // Positive numbers are right.
  const positive = uniform([2, 4, 4, 3], 1, 2);
  t.true(relativeError(await byTape('wasm', pool, [positive], dy), await byTape('cpu', pool, [positive], dy)) < 1e-6);
});

const pools: Array<[number[], number | [number, number], number | [number, number], 'same' | 'valid' | number | [[number, number], [number, number], [number, number], [number, number]]]> = [
  [[2, 4, 4, 3], 2, 2, 'valid'], [[2, 4, 4, 3], 2, 2, 'same'], [[2, 5, 5, 2], 2, 2, 'same'], [[2, 5, 5, 2], 2, 2, 'valid'], [[2, 6, 5, 2], 3, 1, 'same'],
  [[2, 6, 5, 2], 3, 1, 'valid'], [[1, 7, 5, 1], [3, 2], [2, 1], 'same'], [[1, 7, 5, 1], [3, 2], [2, 1], 'valid'], [[2, 5, 6, 2], [1, 3], [1, 3], 'same'],
  [[2, 7, 7, 2], 2, 3, 'same'], [[2, 7, 7, 2], 2, 3, 'valid'], [[1, 5, 5, 2], 3, 2, 1], [[2, 3, 3, 1], 3, 3, 'valid'], [[2, 2, 2, 1], 2, 1, 'same'],
  [[1, 6, 5, 2], 3, 2, [[0, 0], [1, 2], [0, 1], [0, 0]]], [[2, 4, 3, 2], 1, 1, 'same'], [[2, 8, 1, 2], [2, 1], [2, 1], 'valid'],
];

for (const [shape, filter, strides, padding] of pools) {
  test.serial(`MaxPool on wasm: ${shape.join('x')}, window ${filter.toString()}, strides ${strides.toString()}, pad ${padding.toString()}`, async t => {
    const pool: Op = x => tf.maxPool(x, filter, strides, padding as 'same');
    const ties: Numbers = {shape, values: uniform(shape, 5).values.map(x => Math.round(2 * x) / 2)};
    const relu: Numbers = {shape, values: uniform(shape, 6).values.map(x => Math.max(0, x))};
    await tf.setBackend('cpu');
    const dy = uniform(tf.tidy(() => pool(tensorOf(relu)).shape), 7);
    for (const [name, x] of Object.entries({mixed: uniform(shape, 1), negative: uniform(shape, 2, -2), positive: uniform(shape, 3, 2), ties, relu,
      tiny: {shape, values: uniform(shape, 8, -1).values.map(v => v * 1e-39)}})) {
      const mine = await byUs(t, 'wasm', 'MaxPool', pool, [x], dy, 'x');
      t.true(relativeError(mine, await byTape('cpu', pool, [x], dy)) < 1e-6, name);
    }
  });
}

test.serial('MaxPool with sizes rounded down', async t => {
  const pool: Op = x => tf.maxPool(x, 2, 2, 1, 'floor');
  const [x, dy] = [uniform([2, 4, 5, 2], 1, -1), uniform([2, 3, 3, 2], 7)];
  t.true(relativeError(await byUs(t, 'wasm', 'MaxPool', pool, [x], dy, 'x'), await byTape('cpu', pool, [x], dy)) < 1e-6);
});

test.serial('defect: MaxPool on wasm with sizes rounded up is wrong in its values already, beyond our reach', async t => {
  const values = async (backend: string): Promise<Float32Array> => {
    await tf.setBackend(backend);
    return tf.tidy(() => tf.maxPool(tensorOf(uniform([1, 4, 6, 1], 1)) as tf.Tensor4D, 3, 2, 0, 'ceil').dataSync().slice() as Float32Array);
  };
  t.true(relativeError(await values('wasm'), await values('cpu')) > 0.1, 'tfjs has mended this: test the gradient too');
});

test.serial('MaxPool on cpu is left to tfjs', async t => {
  const pool: Op = x => tf.maxPool(x, 2, 2, 'same');
  const [x, dy] = [uniform([2, 5, 5, 2], 1, -2), uniform([2, 3, 3, 2], 2)];
  t.deepEqual(await byUs(t, 'cpu', 'MaxPool', pool, [x], dy, 'x'), await byTape('cpu', pool, [x], dy));
});

test.serial('MaxPool3D on wasm: of equals the last, as on cpu', async t => {
  for (const [filter, strides, padding] of [[2, 2, 'valid'], [2, 1, 'same'], [[3, 2, 2], [1, 2, 1], 'same']] as const) {
    const pool: Op = x => tf.maxPool3d(x, filter as never, strides as never, padding);
    const shape = [2, 4, 4, 5, 2];
    const x: Numbers = {shape, values: uniform(shape, 5).values.map(value => 2 + Math.round(2 * value) / 2)};
    await tf.setBackend('cpu');
    const dy = uniform(tf.tidy(() => pool(tensorOf(x)).shape), 7);
    t.true(relativeError(await byUs(t, 'wasm', 'MaxPool3D', pool, [x], dy, 'x'), await byTape('cpu', pool, [x], dy)) < 1e-6);
  }
});

for (const backend of ['cpu', 'wasm']) {
  test.serial(`defect: AvgPool on ${backend} divides by the whole window where it reaches into the padding`, async t => {
    const [x, dy] = [uniform([2, 5, 4, 2], 1), uniform([2, 3, 2, 2], 2)];
    const pool: Op = x => tf.avgPool(x as tf.Tensor4D, 3, 2, 'same');
    const right = await byUnits(pool, x.shape, dy);
    t.true(relativeError(await byTape(backend, pool, [x], dy), right) > 0.1, 'tfjs has mended AvgPoolGrad: drop our rule');
    t.true(relativeError(await byUs(t, backend, 'AvgPool', pool, [x], dy, 'x'), right) < 1e-6);
  });

  test.serial(`defect: AvgPool3D on ${backend} as well`, async t => {
    const [x, dy] = [uniform([2, 3, 4, 5, 2], 1), uniform([2, 3, 4, 5, 2], 2)];
    const pool: Op = x => tf.avgPool3d(x as tf.Tensor5D, 2, 1, 'same');
    const right = await byUnits(pool, x.shape, dy);
    t.true(relativeError(await byTape(backend, pool, [x], dy), right) > 0.1, 'tfjs has mended AvgPool3DGrad: drop our rule');
    t.true(relativeError(await byUs(t, backend, 'AvgPool3D', pool, [x], dy, 'x'), right) < 1e-6);
  });
}

testWrong([
  ['AvgPool', 'x', 'same', x => tf.avgPool(x, 2, 1, 'same'), uniform([2, 3, 4, 2], 1), [2, 3, 4, 2], ['cpu', 'wasm']],
  ['AvgPool', 'x', 'same, strides', x => tf.avgPool(x, [3, 2], 2, 'same'), uniform([2, 4, 5, 2], 1), [2, 2, 3, 2], ['cpu', 'wasm']],
  ['AvgPool', 'x', 'padded by 1', x => tf.avgPool(x, 3, 2, 1), uniform([2, 5, 5, 2], 1), [2, 3, 3, 2], ['cpu', 'wasm']],
  ['AvgPool3D', 'x', 'same', x => tf.avgPool3d(x, 2, 1, 'same'), uniform([2, 3, 2, 2, 1], 1), [2, 3, 2, 2, 1], ['cpu', 'wasm']],
  ['MaxPool3D', 'x', 'negative numbers', x => tf.maxPool3d(x, 2, 1, 'same'), negative([1, 3, 3, 2, 2]), [1, 3, 3, 2, 2], ['wasm']],
  ['MaxPool3D', 'x', 'windows of another height than width', x => tf.maxPool3d(x, [1, 2, 3], [1, 2, 1], 'valid'), negative([2, 2, 4, 4, 2]), [2, 2, 2, 2, 2], ['cpu']],
]);

test.serial('average pooling without padding costs nothing more', async t => {
  await tf.setBackend('cpu');
  const x = uniform([2, 4, 4, 2], 1);
  t.deepEqual(await byUs(t, 'cpu', 'AvgPool', p => tf.avgPool(p, 2, 2, 'same'), [x], uniform([2, 2, 2, 2], 2), 'x'),
      await byTape('cpu', p => tf.avgPool(p, 2, 2, 'same'), [x], uniform([2, 2, 2, 2], 2)));
});

test.serial('defect: Dilation2D on wasm, pooling with sizes rounded up: wrong in tfjs, refused by us', async t => {
  const [x, filter, dy] = [uniform([1, 3, 3, 2], 1), uniform([2, 2, 2], 3), uniform([1, 2, 2, 2], 7)];
  const dilate: Op = images => tf.dilation2d(tf.sub<tf.Tensor4D>(images, 5), tensorOf(filter) as tf.Tensor3D, 1, 'valid');
  const expected = await byDifferences('wasm', dilate, x, dy, 1e-3);
  t.true(relativeError(await byTape('wasm', dilate, [x], dy), expected) > 0.05, 'tfjs has mended this');
  await t.throwsAsync(byUs(t, 'wasm', 'Dilation2D', dilate, [x], dy, 'x'), {message: /'Dilation2D' is wrong on the WASM backend/});
  await t.throwsAsync(byUs(t, 'cpu', 'AvgPool', p => tf.avgPool(p, 3, 2, 1, 'ceil'), [uniform([1, 6, 6, 1], 1)], uniform([1, 4, 4, 1], 2), 'x'),
      {message: /'AvgPool' is wrong with sizes rounded by 'ceil'/});
});

testMissing([
  {kernel: 'AvgPoolGrad', inputs: {dy: () => noise([2, 3, 4, 2], 2), input: image}, attrs: POOL, wanted: ['dy']},
  {kernel: 'AvgPoolGrad', inputs: {dy: () => noise([2, 2, 2, 2], 2), input: image}, attrs: {filterSize: 2, strides: 2, pad: 'valid'}, wanted: ['dy']},
  {kernel: 'MaxPoolGrad', inputs: {dy: () => noise([2, 3, 4, 2], 2), input: image, output: () => tf.maxPool(image() as tf.Tensor4D, [2, 3], [2, 1], 'same')},
    attrs: POOL, wanted: ['dy'], backends: CPU},
  {kernel: 'MaxPoolGrad', inputs: {dy: () => noise([2, 4, 2, 2], 2), input: image, output: () => tf.maxPool(image() as tf.Tensor4D, [2, 3], 1, 'valid')},
    attrs: {filterSize: [2, 3], strides: 1, pad: 'valid'}, wanted: ['dy'], backends: CPU},
  {kernel: 'AvgPool3DGrad', inputs: {dy: () => noise([2, 2, 3, 3, 2], 2), input: pooled}, attrs: POOL_3D, wanted: ['dy']},
  {kernel: 'MaxPool3DGrad', inputs: {dy: () => noise([2, 2, 3, 3, 2], 2), input: pooled, output: () => tf.maxPool3d(pooled() as tf.Tensor5D, 2, [2, 1, 1], 'same')},
    attrs: POOL_3D, wanted: ['dy'], backends: CPU},
]);

testSecond([
  ['average pooling of squares', () => noise([1, 4, 4, 2], 1), x => tf.avgPool(x.square() as tf.Tensor4D, 3, 2, 'same').square(), 1e-3],
  ['maximum pooling of cubes', () => noise([1, 4, 4, 2], 1), x => tf.maxPool(x.pow(3) as tf.Tensor4D, 3, 2, 'same').square(), 1e-3],
  ['maximum pooling in 3D', () => noise([1, 4, 4, 2, 1], 1), x => tf.maxPool3d(x.pow(3) as tf.Tensor5D, 2, 2, 'same').square(), 1e-3],
]);
