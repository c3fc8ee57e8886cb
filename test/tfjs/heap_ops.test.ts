import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {mayRunKernels, withKernels} from '../../src/kernels/allowed';
import {add, addScaled, matMul, mul, multiplyTransposed, pulledBack, rowDots, shaped, sub, sumRows,
  transposeMultiply} from '../../src/tfjs/fast_ops';
import {heapOf} from '../../src/tfjs/heap_ops';
import {WasmHeap} from '../../src/tfjs/wasm_heap';
import {useBackend} from '../support/backends';

test.before(() => useBackend('wasm'));

const normal = (shape: number[], seed: number): tf.Tensor => tf.randomNormal(shape, 0, 1, 'float32', seed);

/** The largest difference of two tensors, over the largest entry. */
const difference = (a: tf.Tensor, b: tf.Tensor): number =>
  tf.tidy(() => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0] / Math.max(1, tf.max(tf.abs(b)).dataSync()[0]));

/** By name: an op with kernels of our own, and what it has to give. */
const OPS: Record<string, readonly [f: (...x: tf.Tensor[]) => tf.Tensor, expected: (...x: tf.Tensor[]) => tf.Tensor,
  shapes: readonly number[][]]> = {
  'a b': [matMul, (a, b) => tf.matMul(a as never, b as never), [[7, 300], [300, 9]]],
  'a v': [matMul, (a, b) => tf.matMul(a as never, b as never), [[7, 300], [300, 1]]],
  'a bᵀ': [multiplyTransposed, (a, b) => tf.matMul(a as never, b as never, false, true), [[7, 30], [9, 30]]],
  'aᵀ b': [transposeMultiply, (a, b) => tf.matMul(a as never, b as never, true, false), [[30, 7], [30, 9]]],
  'a aᵀ': [a => multiplyTransposed(a, a), a => tf.matMul(a as never, a as never, false, true), [[131, 17]]],
  'a + b': [add, tf.add, [[5, 7], [5, 7]]],
  'a + row': [add, tf.add, [[5, 7], [1, 7]]],
  'a + vector': [add, tf.add, [[2, 5, 7], [7]]],
  'row - a': [sub, tf.sub, [[1, 7], [5, 7]]],
  'a ∘ column': [mul, tf.mul, [[5, 7], [5, 1]]],
  'column ∘ row, by tfjs': [mul, tf.mul, [[5, 1], [1, 7]]],
  'a ∘ number': [mul, tf.mul, [[5, 7], []]],
  'number - a': [sub, tf.sub, [[1, 1], [5, 7]]],
  'a + examples, by tfjs': [add, tf.add, [[2, 5, 7], [2, 1, 7]]],
  'a + 0.3 b': [(a, b) => addScaled(0.3)(a, b), (a, b) => tf.add(a, tf.mul(0.3, b)), [[5, 7], [5, 7]]],
  'sums of rows': [x => sumRows(x), x => tf.sum(x, 1), [[5, 70]]],
  'sums of rows, kept': [x => sumRows(x, true), x => tf.sum(x, 1, true), [[5, 70]]],
  'products of rows': [rowDots, (x, y) => tf.sum(tf.mul(x, y), 1), [[5, 70], [5, 70]]],
  'products with a row': [rowDots, (x, y) => tf.sum(tf.mul(x, y), 1), [[5, 70], [1, 70]]],
  'another shape': [x => shaped(x, [7, 5]), x => tf.reshape(x, [7, 5]), [[5, 7]]],
  'through tanh': [(y, dy) => pulledBack('tanh', y, dy)!, (y, dy) => tf.mul(dy, tf.sub(1, tf.square(y))), [[5, 7], [5, 7]]],
  'through relu': [(y, dy) => pulledBack('relu', y, dy)!, (y, dy) => tf.mul(dy, tf.step(y)), [[5, 7], [5, 7]]],
};

for (const [name, [f, expected, shapes]] of Object.entries(OPS)) {
  test(name, t => {
    const inputs = shapes.map((shape, i) => normal(shape, i + 1));
    t.not(heapOf(inputs[0]), null);
    const before = tf.memory().numTensors;
    const found = tf.tidy(() => f(...inputs));
    t.is(tf.memory().numTensors, before + 1);
    const wanted = tf.tidy(() => expected(...inputs));
    t.deepEqual(found.shape, wanted.shape);
    t.true(difference(found, wanted) < 1e-6);
    if (!name.startsWith('through')) {
      const plain = withKernels(false, () => tf.tidy(() => f(...inputs)));
      t.true(difference(plain, wanted) < 1e-6, 'by tfjs');
    }
    tf.dispose([found, wanted, ...inputs]);
  });
}

test('a view shares its data, which live as long as the last of both', t => {
  const x = tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]);
  const {numDataBuffers} = tf.memory();
  const view = shaped(x, [3, 2]);
  t.is(tf.memory().numDataBuffers, numDataBuffers);
  x.dispose();
  t.deepEqual([...view.dataSync()], [1, 2, 3, 4, 5, 6]);
  view.dispose();
  t.is(tf.memory().numDataBuffers, numDataBuffers - 1);
});

test('kernels of our own run on float32 tensors with entries, and not where kernels are recorded', t => {
  const x = normal([2, 2], 1);
  t.not(heapOf(x), null);
  t.is(heapOf(tf.tensor1d([1, 2], 'int32')), null);
  t.is(heapOf(tf.zeros([0, 3])), null);
  t.is(withKernels(false, () => heapOf(x)), null);
  const gradient = tf.grad(y => {
    t.is(heapOf(y), null);
    return tf.sum(matMul(y, x));
  })(normal([2, 2], 2));
  t.true(difference(gradient, tf.tidy(() => tf.matMul(tf.ones([2, 2]), x as never, false, true))) < 1e-6);
});

test('an error in f leaves the kernels as they were', t => {
  t.throws(() => withKernels(false, () => {
    throw new Error('of f');
  }), {message: 'of f'});
  t.true(mayRunKernels());
});

test('a backend that hides its memory, or a part of its names, has no heap', t => {
  const open = tf.backend() as unknown as Record<string, unknown> & {wasm: Record<string, unknown>};
  t.not(WasmHeap.of(open as never), null);
  const {wasm} = open;
  const without = (name: string): unknown => ({...wasm, HEAPU8: wasm['HEAPU8'], asm: wasm['asm'], [name]: undefined});
  const backend = (changed: unknown): never => Object.assign(Object.create(open) as object, {wasm: changed}) as never;
  t.not(WasmHeap.of(backend({...wasm})), null);
  for (const name of ['asm', 'HEAPU8', '_malloc', '_free']) {
    t.is(WasmHeap.of(backend(without(name))), null, name);
  }
  t.is(WasmHeap.of(backend({...wasm, asm: {memory: new WebAssembly.Memory({initial: 1})}})), null, 'another memory');
  t.is(WasmHeap.of(Object.assign(Object.create(open) as object, {getMemoryOffset: undefined}) as never), null);
});

test('if the memory is full, no kernel writes', t => {
  const open = tf.backend() as unknown as {wasm: Record<string, unknown>};
  const full = Object.assign(Object.create(open) as object, {wasm: {...open.wasm, _malloc: () => 0}});
  const heap = WasmHeap.of(full as never)!;
  t.throws(() => heap.scratch(16), {message: /^tfjs-ggn: the memory of tfjs's WASM backend is full/});
});
