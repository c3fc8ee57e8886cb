/**
 * Tests of rules for input cotangents: beside tfjs's own gradients, by differences and by sums of single entries, on each backend.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test, {type ExecutionContext} from 'ava';
import {cotangents, tfjsCotangents} from '../../src/derivatives/cotangents';
import {grad} from '../../src/index';
import {runKernel} from '../../src/tfjs/internals';
import type {KernelAttrs} from '../../src/tfjs/internals';
import {capture} from '../../src/trace/capture';
import {relativeError} from './relative_error';
import {noise} from './tensors';

export type Op = (...inputs: any[]) => tf.Tensor;

export interface Numbers {
  values: Float32Array;
  shape: number[];
}

export const sizeOf = (shape: number[]): number => shape.reduce((a, b) => a * b, 1);

/** Repeatable numbers in [-1, 1], moved by `shift`. */
export function uniform(shape: number[], seed: number, shift = 0): Numbers {
  let state = seed * 2654435761;
  return {shape, values: Float32Array.from({length: sizeOf(shape)}, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 8) / 2 ** 23 - 1 + shift;
  })};
}

export const tensorOf = ({values, shape}: Numbers): tf.Tensor => tf.tensor(values, shape);

/** tf.grad's cotangent of input `wrt` on this backend. */
export async function byTape(backend: string, op: Op, inputs: Numbers[], dy: Numbers, wrt = 0): Promise<Float32Array> {
  await tf.setBackend(backend);
  return tf.tidy(() => tf.grads(op)(inputs.map(tensorOf), tensorOf(dy))[wrt].dataSync().slice()) as Float32Array;
}

/** Ours, both as the self-check and as the sweep asks for it. */
export async function byUs(t: ExecutionContext, backend: string, kernel: string, op: Op, inputs: Numbers[], dy: Numbers, name: string): Promise<Float32Array> {
  await tf.setBackend(backend);
  const {numTensors} = tf.memory();
  const result = tf.tidy(() => {
    const tensors = inputs.map(tensorOf);
    const {trace} = capture(() => op(...tensors).sum());
    try {
      const node = trace.nodes.find(one => one.kernel === kernel)!;
      const mine = tfjsCotangents(trace.values, node, [tensorOf(dy)])[name]();
      const [same] = cotangents(trace.values, node, [tensorOf(dy)], [name]);
      t.deepEqual(mine.shape, trace.values[node.inputs.find(([n]) => n === name)![1]].shape);
      t.deepEqual(same.dataSync(), mine.dataSync());
      return mine.dataSync().slice() as never;
    } finally {
      trace.dispose();
    }
  });
  t.is(tf.memory().numTensors, numTensors);
  return result;
}

export const isZero = (values: Float32Array): boolean => values.every(x => x === 0);

/** The transpose of a linear op, one unit of the input at a time. */
export async function byUnits(op: Op, shape: number[], dy: Numbers): Promise<Float32Array> {
  await tf.setBackend('cpu');
  return Float32Array.from({length: sizeOf(shape)}, (_, i) => tf.tidy(() =>
    op(tf.oneHot(i, sizeOf(shape)).toFloat().reshape(shape)).mul(tensorOf(dy)).sum().dataSync()[0]) as unknown as number);
}

/** Central differences of dyᵀ op(x): exact up to rounding, as these ops are linear between ties. */
export async function byDifferences(backend: string, op: Op, x: Numbers, dy: Numbers, h: number): Promise<Float64Array> {
  await tf.setBackend(backend);
  const at = (i: number, change: number): number => tf.tidy(() => {
    const moved = Float32Array.from(x.values);
    moved[i] += change;
    const y = op(tf.tensor(moved, x.shape)).dataSync();
    return dy.values.reduce((sum, d, k) => sum + d * y[k], 0) as never;
  });
  return Float64Array.from(x.values, (_, i) => (at(i, h) - at(i, -h)) / (2 * h));
}

/** Numbers that differ by 1 at least, all negative. */
export const negative = (shape: number[]): Numbers => ({shape, values: Float32Array.from({length: sizeOf(shape)}, (_, i) => -1 - (i * 7919) % sizeOf(shape))});

/** Kernel, input, the case in words, op, its input, the shape of the output, and the backends whose gradient is wrong. */
export type Wrong = [string, string, string, Op, Numbers, number[], string[]];

/** Gradients of tfjs that are wrong, beside ours, by differences. */
export function testWrong(cases: readonly Wrong[]): void {
  for (const [kernel, name, words, op, x, shape, backends] of cases) {
    for (const backend of backends) {
      test.serial(`defect: the gradient of ${kernel} (${words}) on ${backend}`, async t => {
        const dy = uniform(shape, 7);
        const expected = await byDifferences(backend, op, x, dy, 0.25);
        t.true(relativeError(await byTape(backend, op, [x], dy), expected) > 0.05, 'tfjs has mended this: drop our rule');
        t.true(relativeError(await byUs(t, backend, kernel, op, [x], dy, name), expected) < 1e-5);
      });
    }
  }
}

/** Slow gradients of tfjs beside ours, by the case in words: op, input and kernel. */
export function testSlow(rules: Record<string, [Op, () => tf.Tensor, string]>): void {
  for (const backend of ['cpu', 'wasm']) {
    for (const [name, [op, make, kernel]] of Object.entries(rules)) {
      test.serial(`${backend}: ${name}`, async t => {
        await tf.setBackend(backend);
        const {numTensors} = tf.memory();
        tf.tidy(() => {
          const x = make();
          const {trace} = capture(() => tf.sum(tf.neg(op(x))));
          const node = trace.nodes.find(one => one.kernel === kernel)!;
          const [input] = node.inputs.find(([, value]) => trace.values[value].dataId === x.dataId)!;
          const dy = tf.randomNormal(trace.values[node.outputs[0]].shape, 0, 1, 'float32', 3);
          const [own] = cotangents(trace.values, node, [dy], [input]);
          const theirs = tfjsCotangents(trace.values, node, [dy])[input]();
          t.deepEqual(own.shape, theirs.shape);
          t.true(relativeError(own.dataSync(), theirs.dataSync()) < 1e-6);
          trace.dispose();
        });
        t.is(tf.memory().numTensors, numTensors);
      });
    }
  }
}

/** Numbers at which piecewise linear kernels bend, and beside them. */
export const edges = (): tf.Tensor => tf.tensor([-7, -1, -1e-30, -0, 0, 1e-30, 1, 5.9999995, 6, 6.0000005, 7, 0.5], [2, 2, 3]);

/** All numbers differ by 1 at least, in an order without pattern. */
export const distinct = (shape: number[], seed: number): tf.Tensor => {
  const size = shape.reduce((a, b) => a * b, 1);
  return tf.tensor(Array.from({length: size}, (_, i) => (i * 7919 + seed * 104729) % size - size / 2), shape);
};

/** Two images of 5 x 4 with two channels. */
export const image = (): tf.Tensor => distinct([2, 5, 4, 2], 1);

export const volume = (): tf.Tensor => tf.randomNormal([2, 3, 2, 2, 3], 0, 1, 'float32', 1);

/** The inner product of all numbers, in float64. */
export function dot(a: tf.Tensor, b: tf.Tensor): number {
  const [left, right] = [a.dataSync(), b.dataSync()];
  let sum = 0;
  for (let i = 0; i < left.length; i++) {
    sum += left[i] * right[i];
  }
  return sum;
}

export interface Missing {
  kernel: string;
  /** Inputs by name; a function where it needs the others. */
  inputs: Record<string, () => tf.Tensor>;
  attrs?: KernelAttrs;
  /** Inputs whose derivative is not zero; in the others the kernel does not vary, or not smoothly. */
  wanted: string[];
  /** Step of the central differences: exact at any size where the kernel is linear in the input. */
  h?: number;
  tolerance?: number;
  backends?: string[];
  /** Inputs that stand for others too, so that only the derivative of the whole op can be compared. */
  total?: string[];
}

/** Kernels without a gradient in tfjs: ours against central differences of the kernel itself. */
export function testMissing(cases: readonly Missing[]): void {
  for (const {kernel, inputs, attrs = {}, wanted, total = [], h = 1, tolerance = h === 1 ? 1e-5 : 1e-3, backends = ['cpu', 'wasm']} of cases) {
    for (const backend of backends) {
      test.serial(`${kernel} ${JSON.stringify(attrs)} on ${backend}`, async t => {
        await tf.setBackend(backend);
        const {numTensors} = tf.memory();
        tf.tidy(() => {
          const tensors = Object.fromEntries(Object.entries(inputs).map(([name, make]) => [name, make()]));
          const {trace} = capture(() => (runKernel(kernel, tensors, attrs) as tf.Tensor).sum());
          const [node] = trace.nodes;
          const out = trace.values[node.outputs[0]];
          const u = noise(out.shape, 9);
          const cotangents = tfjsCotangents(trace.values, node, [u]);
          for (const [name, input] of Object.entries(tensors).filter(([name, x]) => x.dtype === 'float32' && !total.includes(name))) {
            const mine = cotangents[name]();
            t.deepEqual(mine.shape, input.shape);
            if (!wanted.includes(name)) {
              t.true(mine.dataSync().every(x => x === 0), name);
              continue;
            }
            const data = input.dataSync();
            const at = (i: number, x: number): number => {
              const moved = Float32Array.from(data);
              moved[i] = x;
              const y = runKernel(kernel, {...tensors, [name]: tf.tensor(moved, input.shape)}, attrs) as tf.Tensor;
              return dot(y, u);
            };
            const expected = Float64Array.from(data, (x, i) => tf.tidy(() => (at(i, x + h) - at(i, x - h)) / (2 * h) as never));
            t.true(relativeError(mine.dataSync(), expected) < tolerance, `${name}: ${relativeError(mine.dataSync(), expected)}`);
          }
          trace.dispose();
        });
        t.is(tf.memory().numTensors, numTensors);
      });
    }
  }
}

/** Second derivatives of whole ops: d/dx of dyᵀ df/dx, against central differences of the first derivative. */
export function testSecond(ops: ReadonlyArray<[string, () => tf.Tensor, (x: tf.Tensor) => tf.Tensor, number]>): void {
  for (const backend of ['cpu', 'wasm']) {
    for (const [name, point, f, tolerance] of ops) {
      test.serial(`the derivative of a derivative: ${name} on ${backend}`, async t => {
        await tf.setBackend(backend);
        const {numTensors} = tf.memory();
        tf.tidy(() => {
          const x = point();
          const dy = noise(f(x).shape, 3);
          const [u] = [noise(x.shape, 4)];
          const first = (p: tf.Tensor): tf.Tensor => grad(f)(p, dy);
          const mine = grad(first)(x, u).dataSync();
          const data = x.dataSync();
          const h = 1e-2;
          const at = (i: number, value: number): number => {
            const moved = Float32Array.from(data);
            moved[i] = value;
            return dot(first(tf.tensor(moved, x.shape)), u);
          };
          const expected = Float64Array.from(data, (v, i) => tf.tidy(() =>
            (8 * (at(i, v + h) - at(i, v - h)) - (at(i, v + 2 * h) - at(i, v - 2 * h))) / (12 * h) as never));
          t.true(relativeError(mine, expected) < tolerance, `${relativeError(mine, expected)}`);
        });
        t.is(tf.memory().numTensors, numTensors);
      });
    }
  }
}
