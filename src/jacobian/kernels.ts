import {engine} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {isObserved} from '../capture/tfjs_internals';
import {difference, product, rowSums, sum, transposedEntries} from '../solve/elementwise';
import {matrixProduct, rowMajor, transpose} from '../solve/matrix_product';
import type {Matrix} from '../solve/matrix_product';

/**
 * The ops of a step's inner loop by their kernels: float32 tensors only, no conversion, no checks. An op of tfjs
 * spends 2 to 10 microseconds on those, as much as its kernel on a small network, and a step has about 150.
 */
const run = (kernel: string, inputs: Record<string, Tensor>, attrs?: Record<string, unknown>): Tensor =>
  engine().runKernel(kernel, inputs, attrs as never);

/**
 * On the cpu backend tensors are typed arrays at hand, and loops of our own several times as fast as its kernels. Not while
 * somebody looks on: a derivative of what is computed here would miss what no kernel did.
 */
const readsAreFree = (): boolean => engine().backendName === 'cpu' && !isObserved();

const read = (x: Tensor): Float32Array => x.dataSync() as Float32Array;

const made = (entries: Float32Array, shape: number[]): Tensor => engine().makeTensor(entries, shape, 'float32');

const isSameShape = (a: Tensor, b: Tensor): boolean => a.shape.length === b.shape.length && a.shape.every((d, i) => d === b.shape[i]);

/** a + b, broadcast. */
export const add = (a: Tensor, b: Tensor): Tensor =>
  readsAreFree() && isSameShape(a, b) ? made(sum(read(a), read(b)), a.shape) : run('Add', {a, b});

/** a - b, broadcast. */
export const sub = (a: Tensor, b: Tensor): Tensor =>
  readsAreFree() && isSameShape(a, b) ? made(difference(read(a), read(b)), a.shape) : run('Sub', {a, b});

/** a ∘ b, broadcast. */
export const mul = (a: Tensor, b: Tensor): Tensor =>
  readsAreFree() && (isSameShape(a, b) || b.rank === 0 || isColumn(b, a)) ? made(product(read(a), read(b)), a.shape) : run('Multiply', {a, b});

/** Whether b has one entry for each row of a matrix a. */
const isColumn = (b: Tensor, a: Tensor): boolean => a.rank === 2 && b.rank === 2 && b.shape[1] === 1 && b.shape[0] === a.shape[0];

/** Sums of the rows of a matrix. */
export const sumRows = (x: Tensor, keepDims = false): Tensor =>
  readsAreFree() ? made(rowSums(read(x), x.shape[0], x.shape[1]!), keepDims ? [x.shape[0], 1] : [x.shape[0]]) :
    run('Sum', {x}, {axis: [1], keepDims});

/** a b for matrices. */
export const matMul = (a: Tensor, b: Tensor): Tensor => readsAreFree() ? multiplied(matrixOf(a), matrixOf(b)) :
  run('BatchMatMul', {a, b}, {transposeA: false, transposeB: false});

const matrixOf = (x: Tensor): Matrix => rowMajor(read(x), x.shape[0], x.shape[1]!);

const multiplied = (a: Matrix, b: Matrix): Tensor => made(matrixProduct(a, b), [a.rows, b.columns]);

/** aᵀ for a matrix. */
export const transposed = (x: Tensor): Tensor =>
  readsAreFree() ? made(transposedEntries(read(x), x.shape[0], x.shape[1]!), [x.shape[1]!, x.shape[0]]) : run('Transpose', {x}, {perm: [1, 0]});

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
