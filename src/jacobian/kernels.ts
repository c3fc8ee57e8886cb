import {engine, tensor2d} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {isObserved} from '../capture/tfjs_internals';
import {matrixProduct, rowMajor, transpose} from '../solve/matrix_product';
import type {Matrix} from '../solve/matrix_product';

/**
 * The ops of a step's inner loop by their kernels: float32 tensors only, no conversion, no checks. An op of tfjs
 * spends 2 to 10 microseconds on those, as much as its kernel on a small network, and a step has about 150.
 */
const run = (kernel: string, inputs: Record<string, Tensor>, attrs?: Record<string, unknown>): Tensor =>
  engine().runKernel(kernel, inputs, attrs as never);

/** a + b, broadcast. */
export const add = (a: Tensor, b: Tensor): Tensor => run('Add', {a, b});

/** a - b, broadcast. */
export const sub = (a: Tensor, b: Tensor): Tensor => run('Sub', {a, b});

/** a ∘ b, broadcast. */
export const mul = (a: Tensor, b: Tensor): Tensor => run('Multiply', {a, b});

/** Sums of the rows of a matrix. */
export const sumRows = (x: Tensor, keepDims = false): Tensor => run('Sum', {x}, {axis: [1], keepDims});

/** a b for matrices. */
export const matMul = (a: Tensor, b: Tensor): Tensor => readsAreFree() ? multiplied(matrixOf(a), matrixOf(b)) :
  run('BatchMatMul', {a, b}, {transposeA: false, transposeB: false});

/**
 * On the cpu backend a tensor is a typed array at hand, and a product of our own several times as fast as its kernel. Not while
 * somebody looks on: a derivative of what is computed here would miss what no kernel did.
 */
const readsAreFree = (): boolean => engine().backendName === 'cpu' && !isObserved();

const matrixOf = (x: Tensor): Matrix => rowMajor(x.dataSync() as Float32Array, x.shape[0], x.shape[1]!);

const multiplied = (a: Matrix, b: Matrix): Tensor => tensor2d(matrixProduct(a, b), [a.rows, b.columns]);

/** aᵀ for a matrix. */
export const transposed = (x: Tensor): Tensor => run('Transpose', {x}, {perm: [1, 0]});

/** The same entries in another shape; free where it is the shape already. */
export function shaped(x: Tensor, shape: readonly number[]): Tensor {
  return x.shape.length === shape.length && x.shape.every((d, i) => d === shape[i]) ? x : run('Reshape', {x}, {shape});
}

/** a bᵀ for matrices a [r, k] and b [c, k]; the smaller of the two ways to transpose. */
export function multiplyTransposed(a: Tensor, b: Tensor): Tensor {
  if (readsAreFree()) {
    return multiplied(matrixOf(a), transpose(matrixOf(b)));
  }
  return a.shape[0] <= b.shape[0] && a !== b ? transposed(matMul(b, transposed(a))) : matMul(a, transposed(b));
}

/** aᵀ b for matrices a [k, r] and b [k, c]. */
export const transposeMultiply = (a: Tensor, b: Tensor): Tensor =>
  readsAreFree() ? multiplied(transpose(matrixOf(a)), matrixOf(b)) : matMul(transposed(a), b);
