/** Kernels of f() by code of our own on the cpu backend, against those of tfjs. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {withKernels} from '../../src/kernels/allowed';
import {forwardKernel} from '../../src/tfjs/forward_kernels';
import {runKernel, type KernelAttrs, type KernelInputs} from '../../src/tfjs/internals';
import {useBackend} from '../support/backends';

test.before(() => useBackend('cpu'));

const normal = (shape: readonly number[], seed: number): tf.Tensor => tf.randomNormal(shape as number[], 0, 2, 'float32', seed);

/** The output of a kernel by code of our own, and by tfjs; null if tfjs has to run it. */
function both(kernel: string, inputs: Record<string, tf.Tensor>, attrs: KernelAttrs = {}): {own: tf.Tensor; wanted: tf.Tensor} | null {
  const before = tf.memory();
  tf.engine().startScope();
  const own = forwardKernel(kernel, inputs, attrs);
  tf.engine().endScope(own ?? undefined);
  if (own === null) {
    return null;
  }
  const {numTensors, numDataBuffers} = tf.memory();
  const wanted = runKernel(kernel, inputs as KernelInputs, attrs) as tf.Tensor;
  return numTensors === before.numTensors + 1 && numDataBuffers === before.numDataBuffers + 1 ? {own, wanted} : null;
}

/** The largest difference of two tensors, over the largest entry. */
function difference({own, wanted}: {own: tf.Tensor; wanted: tf.Tensor}): number {
  const [x, y] = [own, wanted].map(tensor => tensor.dataSync() as Float32Array);
  const scale = y.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return x.length === y.length ? x.reduce((most, value, i) => Math.max(most, Math.abs(value - y[i])), 0) / scale : NaN;
}

const SPECIAL = [0, -0, NaN, Infinity, -Infinity, 1e-45, -1e-45, 3e38, 6, 7, -20, 88.8, 100, -100];

for (const kernel of ['Tanh', 'Sigmoid', 'Relu', 'Relu6', 'Elu']) {
  test(`${kernel}, to the last bit`, t => {
    const x = tf.concat1d([tf.tensor1d(SPECIAL), normal([200], 1) as tf.Tensor1D]).reshape([2, 107]);
    const found = both(kernel, {x});
    t.deepEqual(found?.own.shape, [2, 107]);
    t.deepEqual([...found!.own.dataSync()], [...found!.wanted.dataSync()]);
    t.deepEqual([...x.dataSync()].slice(0, SPECIAL.length), [...Float32Array.from(SPECIAL)], 'the input is as before');
  });
}

/** Shapes of two tensors that broadcast, and whether tfjs has to combine them. */
const PAIRS: ReadonlyArray<readonly [a: number[], b: number[], byTfjs?: boolean]> = [
  [[5, 7], [5, 7]], [[5, 7], [7]], [[7], [5, 7]], [[5, 7], [1, 7]], [[1, 7], [5, 7]], [[5, 7], [5, 1]], [[5, 1], [5, 7]],
  [[5, 7], []], [[], [5, 7]], [[5, 7], [1, 1]], [[1, 7], [7]], [[7], [1, 7]], [[2, 3, 4], [3, 4]], [[2, 3, 4], [2, 1, 1]],
  [[2, 3, 4, 5], [1, 1, 4, 5]], [[1, 1], [1]], [[], []], [[3], [1]], [[2, 1, 3], [2, 1, 3]], [[2, 1, 3], [1, 1, 3]],
  [[3, 1], [1, 3], true], [[2, 3, 4], [2, 1, 4], true], [[4], [4, 1], true], [[2, 3], [1, 1, 1], true], [[2, 3, 4], [3, 1], true],
  [[2, 0], [2, 0], true],
];

for (const [a, b, byTfjs = false] of PAIRS) {
  test(`sums, differences and products of [${a.join()}] and [${b.join()}], ${byTfjs ? 'by tfjs' : 'to the last bit'}`, t => {
    for (const kernel of ['Add', 'Sub', 'Multiply']) {
      const found = both(kernel, {a: normal(a, 1), b: normal(b, 2)});
      t.is(found === null, byTfjs, kernel);
      t.deepEqual(found?.own.shape, found?.wanted.shape);
      t.deepEqual([...found?.own.dataSync() ?? []], [...found?.wanted.dataSync() ?? []]);
    }
  });
}

const product = (transposeA = false, transposeB = false, more: KernelAttrs = {}): KernelAttrs => ({transposeA, transposeB, ...more});

/** Products: shapes of the factors and the bias, attributes, and whether tfjs has to compute them. */
const PRODUCTS: ReadonlyArray<readonly [a: number[], b: number[], attrs: KernelAttrs, bias?: number[], byTfjs?: boolean]> = [
  [[7, 300], [300, 9], product()], [[300, 7], [300, 9], product(true)], [[7, 300], [9, 300], product(false, true)],
  [[300, 7], [9, 300], product(true, true)], [[128, 40], [40, 129], product()], [[1, 5], [5, 1], product()],
  [[5, 1], [1, 6], product()], [[1, 7, 30], [30, 9], product()], [[7, 30], [1, 1, 30, 9], product()],
  [[3, 7, 30], [3, 30, 9], product()], [[2, 3, 7, 5], [2, 3, 9, 5], product(false, true)],
  [[7, 30], [30, 9], product(false, false, {activation: 'relu'}), [9]], [[7, 30], [30, 9], product(false, false, {activation: 'linear'}), [1, 9]],
  [[7, 30], [30, 9], product(false, false, {activation: 'sigmoid'}), [1]], [[30, 7], [30, 9], product(true, false, {activation: 'elu'}), []],
  [[3, 7, 30], [3, 30, 9], product(false, false, {activation: 'relu6'}), [9]], [[7, 30], [30, 9], product(false, false, {activation: null}), [9]],
  [[7, 30], [30, 9], product(false, false, {activation: 'leakyrelu', leakyreluAlpha: 0.2}), [9], true],
  [[7, 30], [30, 9], product(false, false, {activation: 'linear'}), [7, 1], true], [[3, 7, 30], [1, 30, 9], product(), undefined, true],
  [[7, 30], [30, 9], product(false, false, {activation: 'linear'}), [1, 1, 9], true], [[0, 30], [30, 9], product(), undefined, true],
];

for (const [a, b, attrs, bias, byTfjs = false] of PRODUCTS) {
  test(`products of [${a.join()}] and [${b.join()}], ${JSON.stringify(attrs)}, bias [${bias?.join() ?? 'none'}]${byTfjs ? ', by tfjs' : ''}`, t => {
    const inputs = {a: normal(a, 1), b: normal(b, 2), ...(bias === undefined ? {} : {bias: normal(bias, 3)})};
    const found = both('activation' in attrs ? '_FusedMatMul' : 'BatchMatMul', inputs, attrs);
    t.is(found === null, byTfjs);
    t.deepEqual(found?.own.shape, found?.wanted.shape);
    t.true(found === null || difference(found) < 1e-6);
  });
}

test('factors that do not fit are refused by tfjs', t => {
  t.is(forwardKernel('BatchMatMul', {a: normal([3, 4], 1), b: normal([5, 6], 2)}, product()), null);
});

test('NaN and infinity go through products', t => {
  const {own, wanted} = both('BatchMatMul', {a: tf.tensor2d([[NaN, 1], [Infinity, 0], [1, 2]]), b: tf.tensor2d([[1, 0], [0, 1]])}, product())!;
  t.deepEqual([...own.dataSync()], [...wanted.dataSync()]);
});

/** Convolutions: shapes of images and filter, attributes, and whether a bias and relu are fused. */
const CONVOLUTIONS: ReadonlyArray<readonly [x: number[], filter: number[], attrs: KernelAttrs, isFused?: boolean]> = [
  [[3, 8, 9, 2], [3, 3, 2, 5], {strides: 1, pad: 'valid', dilations: 1}], [[3, 8, 9, 2], [3, 2, 2, 5], {strides: [2, 1], pad: 'same', dilations: 1}],
  [[3, 8, 9, 2], [3, 3, 2, 5], {strides: 1, pad: 'same', dilations: [2, 1]}, true], [[3, 8, 9, 1], [1, 1, 1, 4], {strides: 1, pad: 0, dilations: 1}],
  [[3, 8, 9, 2], [3, 3, 2, 1], {strides: 1, pad: [[0, 0], [2, 1], [0, 3], [0, 0]], dilations: 1}], [[40, 24, 24, 8], [5, 5, 8, 6], {strides: 1, pad: 'valid', dilations: 1}, true],
  [[2, 9, 9, 2], [4, 4, 2, 3], {strides: 3, pad: 1, dilations: 1, dimRoundingMode: 'floor'}],
];

for (const [x, filter, attrs, isFused = false] of CONVOLUTIONS) {
  test(`convolutions of [${x.join()}] with [${filter.join()}], ${JSON.stringify(attrs)}${isFused ? ', fused' : ''}`, t => {
    const inputs = {x: normal(x, 1), filter: normal(filter, 2), ...(isFused ? {bias: normal([filter[3]], 3)} : {})};
    const found = both(isFused ? 'FusedConv2D' : 'Conv2D', inputs, {dataFormat: 'NHWC', ...attrs, ...(isFused ? {activation: 'relu'} : {})})!;
    t.deepEqual(found.own.shape, found.wanted.shape);
    t.true(difference(found) < 1e-6);
  });
}

test('convolutions of channels first are left to tfjs', t => {
  t.is(both('Conv2D', {x: normal([2, 3, 5, 5], 1), filter: normal([2, 2, 3, 4], 2)}, {strides: 1, pad: 'valid', dataFormat: 'NCHW', dilations: 1}), null);
});

test.serial('tanh in the heap of WASM', async t => {
  await useBackend('wasm');
  t.teardown(() => useBackend('cpu'));
  const x = tf.concat1d([tf.tensor1d([0, -0, NaN, Infinity, -Infinity, 1e-30]), normal([200], 1) as tf.Tensor1D]).reshape([2, 103]);
  const found = both('Tanh', {x})!;
  t.deepEqual(found.own.shape, [2, 103]);
  const wanted = found.wanted.dataSync();
  t.deepEqual([...found.own.dataSync()].slice(0, 5), [0, -0, NaN, 1, -1]);
  t.true(found.own.dataSync().every((value, i) => Object.is(value, wanted[i]) || Math.abs(value - wanted[i]) <= 2 ** -22 * Math.abs(wanted[i])));
  await useBackend('cpu');
  const there = normal([3], 2);
  await useBackend('wasm');
  t.true(difference(both('Tanh', {x: there})!) < 1e-6, 'of a tensor that another backend has');
  t.is(withKernels(false, () => both('Tanh', {x})), null);
});

test('tfjs runs integers, kernels on a tape, other kernels, and all kernels if it debugs or ours are switched off', t => {
  const [a, whole] = [normal([3, 3], 1), tf.ones([3, 3], 'int32')];
  const run = (): tf.Tensor | null => forwardKernel('Add', {a, b: a}, {});
  t.not(run(), null);
  t.is(forwardKernel('Add', {a: whole, b: whole}, {}), null);
  t.is(forwardKernel('Cosh', {x: a}, {}), null);
  t.is(withKernels(false, run), null);
  const seen: unknown[] = [];
  tf.grad(x => {
    seen.push(run());
    return tf.sum(x);
  })(a);
  t.deepEqual(seen, [null]);
  tf.env().set('DEBUG', true);
  t.teardown(() => tf.env().set('DEBUG', false));
  t.is(run(), null);
});
