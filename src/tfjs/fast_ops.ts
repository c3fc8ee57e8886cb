import {engine, getBackend, ones, scalar, sum as sumOver, tensor, tile} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {isObserved} from './internals';
import {difference, product, rowSums, sum, transposedEntries} from '../arrays/elementwise';
import {matrixProduct, rowMajor, transpose} from '../arrays/matrix_product';
import type {Matrix} from '../arrays/matrix_product';

/**
 * The ops of a step's inner loop by their kernels: float32 tensors only, no conversion, no checks. An op of tfjs
 * spends 2 to 10 microseconds on those, as much as its kernel on a small network, and a step has about 150.
 */
const run = (kernel: string, inputs: Record<string, Tensor>, attrs?: Record<string, unknown>): Tensor =>
  engine().runKernel(kernel, inputs, attrs as never);

/** Backends whose tensors lie in the memory of the process: reading is at most a copy. */
export const READS_ARE_CHEAP = new Set(['cpu', 'wasm']);

/**
 * On the cpu backend tensors are typed arrays at hand, and loops of our own several times as fast as its kernels. Not while
 * somebody looks on: a derivative of what is computed here would miss what no kernel did.
 */
const ownLoops = (): boolean => engine().backendName === 'cpu' && !isObserved();

const read = (x: Tensor): Float32Array => x.dataSync() as Float32Array;

const made = (entries: Float32Array, shape: number[]): Tensor => engine().makeTensor(entries, shape, 'float32');

const isSameShape = (a: Tensor, b: Tensor): boolean => a.shape.length === b.shape.length && a.shape.every((d, i) => d === b.shape[i]);

/** a + b, broadcast. */
export const add = (a: Tensor, b: Tensor): Tensor =>
  ownLoops() && isSameShape(a, b) ? made(sum(read(a), read(b)), a.shape) : run('Add', {a, b});

/** a - b, broadcast. */
export const sub = (a: Tensor, b: Tensor): Tensor =>
  ownLoops() && isSameShape(a, b) ? made(difference(read(a), read(b)), a.shape) : run('Sub', {a, b});

/** a ∘ b, broadcast. */
export const mul = (a: Tensor, b: Tensor): Tensor =>
  ownLoops() && (isSameShape(a, b) || b.rank === 0 || isColumn(b, a)) ? made(product(read(a), read(b)), a.shape) : run('Multiply', {a, b});

/** Whether b has one entry for each row of a matrix a. */
const isColumn = (b: Tensor, a: Tensor): boolean => a.rank === 2 && b.rank === 2 && b.shape[1] === 1 && b.shape[0] === a.shape[0];

/**
 * (a, b) => a + factor · b for tensors of one shape; a null a counts as zeros. On the cpu backend, where reads are free and
 * an op takes 10 to 30 nanoseconds an element, in one pass of our own.
 */
export function addScaled(factor: number): (a: Tensor | null, b: Tensor) => Tensor {
  if (getBackend() === 'cpu') {
    return (a, b) => {
      const more = b.dataSync();
      const sum = a === null ? new Float32Array(more.length) : new Float32Array(a.dataSync());
      for (let i = 0; i < sum.length; i++) {
        sum[i] = sum[i] + factor * more[i];
      }
      return tensor(sum, b.shape);
    };
  }
  const scale = scalar(factor);
  return (a, b) => a === null ? mul(b, scale) : add(a, mul(b, scale));
}

/**
 * The entries of x along each of its axes of size 1 as often as `shape` says. By a product with ones, where the backend broadcasts in
 * its kernel: tfjs's Tile and BroadcastTo take WASM 90 nanoseconds an entry, the product 2.
 */
export function broadcast(x: Tensor, shape: readonly number[]): Tensor {
  const copies = shape.map((size, axis) => size / x.shape[axis]);
  return x.dtype === 'float32' ? run('Multiply', {a: x, b: ones(copies)}) : tile(x, copies);
}

/** Sums of the rows of a matrix. */
export const sumRows = (x: Tensor, keepDims = false): Tensor =>
  ownLoops() ? made(rowSums(read(x), x.shape[0], x.shape[1]!), keepDims ? [x.shape[0], 1] : [x.shape[0]]) :
    run('Sum', {x}, {axis: [1], keepDims});

/** a b for matrices. */
export const matMul = (a: Tensor, b: Tensor): Tensor => ownLoops() ? multiplied(matrixOf(a), matrixOf(b)) :
  run('BatchMatMul', {a, b: unpacked(b)}, {transposeA: false, transposeB: false});

const matrixOf = (x: Tensor): Matrix => rowMajor(read(x), x.shape[0], x.shape[1]!);

const multiplied = (a: Matrix, b: Matrix): Tensor => made(matrixProduct(a, b), [a.rows, b.columns]);

/** The shape in which WASM has packed a right factor, by its data. */
const packed = new WeakMap<object, string>();

/**
 * WASM packs a right factor once and finds it again by its data alone: a reshaped matrix would be read as it was before
 * the reshape, with no error (tfjs-backend-wasm 4.22, batch_mat_mul_impl.cc). So the second shape gets data of its own.
 */
function unpacked(b: Tensor): Tensor {
  if (engine().backendName !== 'wasm') {
    return b;
  }
  const shape = b.shape.join();
  const known = packed.get(b.dataId);
  if (known === undefined) {
    packed.set(b.dataId, shape);
  }
  return known === undefined || known === shape ? b : run('Identity', {x: b});
}

/** aᵀ for a matrix. */
export const transposed = (x: Tensor): Tensor =>
  ownLoops() ? made(transposedEntries(read(x), x.shape[0], x.shape[1]!), [x.shape[1]!, x.shape[0]]) : run('Transpose', {x}, {perm: [1, 0]});

/** The same entries in another shape; free where it is the shape already. */
export function shaped(x: Tensor, shape: readonly number[]): Tensor {
  return x.shape.length === shape.length && x.shape.every((d, i) => d === shape[i]) ? x : run('Reshape', {x}, {shape});
}

/** a bᵀ for matrices a [r, k] and b [c, k]; the smaller of the two ways to transpose. */
export function multiplyTransposed(a: Tensor, b: Tensor): Tensor {
  if (ownLoops()) {
    return multiplied(matrixOf(a), transpose(matrixOf(b)));
  }
  return a.shape[0] <= b.shape[0] && a !== b ? transposed(matMul(b, transposed(a))) : matMul(a, transposed(b));
}

/** aᵀ b for matrices a [k, r] and b [k, c]. */
export const transposeMultiply = (a: Tensor, b: Tensor): Tensor =>
  ownLoops() ? multiplied(transpose(matrixOf(a)), matrixOf(b)) : matMul(transposed(a), b);

/** Sums a tensor over the axes along which `shape` was broadcast to it. */
export function sumTo(t: Tensor, shape: readonly number[]): Tensor {
  const lead = t.rank - shape.length;
  const axes = t.shape.map((_, i) => i).filter(i => i < lead || (shape[i - lead] === 1 && t.shape[i] !== 1));
  return shaped(axes.length === 0 ? t : sumOver(t, axes), shape);
}

/** Number of matrices that a tensor [..., rows, columns] holds. */
export const matricesIn = (t: {readonly shape: readonly number[]}): number => t.shape.slice(0, -2).reduce((a, b) => a * b, 1);
