import {engine, ones, scalar, sum as sumOver, tensor, tile, type Tensor} from '@tensorflow/tfjs-core';
import {addScaledIn, combinedIn, heapOf, outerProductIn, productIn, pulledIn, rowDotsIn, rowSumsIn} from './heap_ops';
import {isObserved, isNativeHost} from './internals';
import {checkMemory} from './memory';
import {isRehearsal} from './rehearsal';
import {mayRunKernels} from '../kernels/allowed';
import {difference, product, repeated, rowSums, sum, transposedEntries} from '../arrays/elementwise';
import {rowMajor, transpose, type Matrix} from '../arrays/matrix';
import {matrixProduct} from '../arrays/matrix_product';

/**
 * The ops of a step's inner loop call their kernels: float32 tensors only, no conversion, no
 * checks.
 *
 * Measured: an op of tfjs spends 2 to 10 microseconds on conversions and checks, as much as its
 * kernel takes in a small network. A step has about 150 ops.
 */
const run = (kernel: string, inputs: Record<string, Tensor> | Tensor[], attrs?: Record<string, unknown>): Tensor =>
  engine().runKernel(kernel, inputs as never, attrs as never);

/** Backends whose tensors lie in the memory of the process. A read is at most a copy. */
export const READS_ARE_CHEAP = new Set(['cpu', 'wasm']);

/**
 * Entries up to which a loop takes the place of an op on tfjs-node.
 *
 * Measured: an op takes 20 to 60 microseconds there, a read of 4,096 entries 5, and a new tensor
 * 3 until an op reads it.
 */
const SMALL = 2 ** 12;

/** Whether tensors of this many entries are cheaper to read than to give to an op. */
export const isSmall = (size: number): boolean => size <= SMALL && isNativeHost();

/**
 * Whether loops of our own take the place of kernels: on the cpu backend, whose tensors are typed
 * arrays and whose kernels are slow, and for small tensors on tfjs-node. If kernels are recorded,
 * each op must be a kernel, since a derivative would miss the loops. A rehearsal has no entries to
 * loop over.
 *
 * @param size entries of the largest tensor.
 */
const ownLoops = (size = Infinity): boolean =>
  (engine().backendName === 'cpu' || isSmall(size)) && mayRunKernels() && !isObserved() && !isRehearsal();

const read = (x: Tensor): Float32Array => x.dataSync() as Float32Array;

function made(entries: Float32Array, shape: number[]): Tensor {
  const t = engine().makeTensor(entries, shape, 'float32');
  checkMemory();  // no kernel runs, after which the bytes would be counted
  return t;
}

const hasShape = (x: Tensor, shape: readonly number[]): boolean =>
  x.shape.length === shape.length && x.shape.every((d, i) => d === shape[i]);

/** a + b, broadcast. */
export const add = (a: Tensor, b: Tensor): Tensor =>
  ownLoops(a.size) && fits(b, a) ? made(sum(read(a), readAs(b, a)), a.shape) :
    onHeap('sum', a, b) ?? run('Add', {a, b});

/** a - b, broadcast. */
export const sub = (a: Tensor, b: Tensor): Tensor =>
  ownLoops(a.size) && fits(b, a) ? made(difference(read(a), readAs(b, a)), a.shape) :
    onHeap('difference', a, b) ?? run('Sub', {a, b});

/** a ∘ b, broadcast. */
export function mul(a: Tensor, b: Tensor): Tensor {
  if (ownLoops(a.size)) {
    if (b.rank === 0 || isColumn(b, a) || fits(b, a)) {
      return made(product(read(a), readAs(b, a)), a.shape);
    }
    if (a.rank === 2 && b.rank === 2 && a.shape[1] === 1 && b.shape[0] === 1) {
      return multiplied(matrixOf(a), matrixOf(b));
    }
  }
  return onHeap('product', a, b) ?? run('Multiply', {a, b});
}

/** Whether b has the shape of a, or is one row of a. */
const fits = (b: Tensor, a: Tensor): boolean => hasShape(a, b.shape) || isRow(b, a);

const isRow = (b: Tensor, a: Tensor): boolean =>
  b.rank > 0 && b.rank <= a.rank && b.size === b.shape[b.rank - 1] && b.size === a.shape[a.rank - 1] && b.size > 1;

/** The entries of b, as many as a has if b is one row of a. */
const readAs = (b: Tensor, a: Tensor): Float32Array =>
  b.size < a.size && isRow(b, a) ? repeated(read(b), a.size / b.size) : read(b);

/** The op by a kernel of our own; null if there is none that does it here. */
function onHeap(kind: 'sum' | 'difference' | 'product', a: Tensor, b: Tensor): Tensor | null {
  const heap = heapOf(a, b);
  return heap === null ? null : combinedIn(heap, kind, a, b);
}

/** Whether b has one entry for each row of a matrix a. */
const isColumn = (b: Tensor, a: Tensor): boolean => a.rank === 2 && hasShape(b, [a.shape[0], 1]);

/**
 * (a, b) ↦ a + factor · b for tensors of one shape; a null a counts as zeros. On the cpu backend,
 * on WASM, and for small tensors on tfjs-node, one loop takes the place of two ops.
 *
 * Measured: an op of the cpu backend takes 10 to 30 nanoseconds an entry.
 */
export function addScaled(factor: number): (a: Tensor | null, b: Tensor) => Tensor {
  let scale: Tensor | null = null;
  return (a, b) => {
    if ((engine().backendName === 'cpu' && mayRunKernels()) || ownLoops(b.size)) {
      return tensor(sumWithScaled(a === null ? null : read(a), factor, read(b)), b.shape);
    }
    const heap = a === null ? null : heapOf(a, b);
    if (heap !== null) {
      return addScaledIn(heap, a!, factor, b);
    }
    scale ??= scalar(factor);
    const scaled = factor === 1 && a !== null ? b : mul(b, scale);
    return a === null ? scaled : add(a, scaled);
  };
}

/** a + factor · b; a null a counts as zeros. */
function sumWithScaled(a: Float32Array | null, factor: number, b: Float32Array): Float32Array {
  const sum = a === null ? new Float32Array(b.length) : new Float32Array(a);
  for (let i = 0; i < sum.length; i++) {
    sum[i] = sum[i] + factor * b[i];
  }
  return sum;
}

/**
 * x, repeated along its axes of size 1 up to `shape`. A product with ones does so: the kernel of
 * the product broadcasts.
 *
 * Measured: on WASM, tfjs's Tile and BroadcastTo take 90 nanoseconds an entry, the product 2.
 */
export function broadcast(x: Tensor, shape: readonly number[]): Tensor {
  const copies = shape.map((size, axis) => size / x.shape[axis]);
  return x.dtype === 'float32' ? run('Multiply', {a: x, b: ones(copies)}) : tile(x, copies);
}

/**
 * dy ∘ φ'(x) of an activation φ, by y = φ(x), in one kernel; null if there is none that does it
 * here.
 */
export function pulledBack(kind: 'tanh' | 'sigmoid' | 'relu' | 'relu6', y: Tensor, dy: Tensor): Tensor | null {
  const heap = hasShape(y, dy.shape) ? heapOf(y, dy) : null;
  return heap === null ? null : pulledIn(heap, kind, y, dy);
}

/** Sums [r] or, with `keepDims`, [r, 1] over the columns of a matrix x [r, c]. */
export function sumRows(x: Tensor, keepDims = false): Tensor {
  const shape = keepDims ? [x.shape[0], 1] : [x.shape[0]];
  if (ownLoops()) {
    return made(rowSums(read(x), x.shape[0], x.shape[1]!), shape);
  }
  const heap = heapOf(x);
  return heap !== null ? rowSumsIn(heap, x, shape) : run('Sum', {x}, {axis: [1], keepDims});
}

/** Σ_j x_ij y_ij [r] for matrices x [r, c] and y, which broadcasts. */
export function rowDots(x: Tensor, y: Tensor): Tensor {
  const heap = hasShape(x, y.shape) ? heapOf(x, y) : null;
  return heap !== null ? rowDotsIn(heap, x, y) : sumRows(mul(x, y));
}

/** a b [r, c] for matrices a [r, k] and b [k, c]. */
export function matMul(a: Tensor, b: Tensor): Tensor {
  if (ownLoops()) {
    return multiplied(matrixOf(a), matrixOf(b));
  }
  const heap = heapOf(a, b);
  return heap !== null ? productIn(heap, [a, false], [b, false]) :
    run('BatchMatMul', {a, b: unpacked(b)}, {transposeA: false, transposeB: false});
}

const matrixOf = (x: Tensor): Matrix => rowMajor(read(x), x.shape[0], x.shape[1]!);

const multiplied = (a: Matrix, b: Matrix): Tensor => made(matrixProduct(a, b), [a.rows, b.columns]);

/** The shape in which WASM has packed a right factor, by the data of that factor. */
const packed = new WeakMap<object, string>();

/**
 * b, or a copy of b if WASM has packed its data in another shape. WASM packs a right factor once
 * and finds it again by its data alone. So it would read a reshaped matrix in its old shape, with
 * no error.
 *
 * Source: tfjs-backend-wasm 4.22, batch_mat_mul_impl.cc.
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

/** xᵀ [c, r] for a matrix x [r, c]. */
export const transposed = (x: Tensor): Tensor =>
  ownLoops() ? made(transposedEntries(read(x), x.shape[0], x.shape[1]!), [x.shape[1]!, x.shape[0]]) :
    run('Transpose', {x}, {perm: [1, 0]});

/**
 * The entries of x in another shape; x itself if it has that shape. On tfjs-node, where a reshape
 * is an op, a small x is read.
 */
export function shaped(x: Tensor, shape: readonly number[]): Tensor {
  if (hasShape(x, shape)) {
    return x;
  }
  const heap = shape.includes(-1) ? null : heapOf(x);
  if (heap !== null) {
    return heap.view(x, shape);
  }
  return isReadForShape(x) && !shape.includes(-1) ? made(read(x), [...shape]) : run('Reshape', {x}, {shape});
}

/** Whether the entries of x are read to give them another shape. */
const isReadForShape = (x: Tensor): boolean =>
  x.dtype === 'float32' && isSmall(x.size) && !isObserved() && !isRehearsal();

/** The sum of some tensors of one shape. On tfjs-node that is one op. */
export function sumOf(terms: readonly Tensor[]): Tensor {
  return isNative() && terms.length > 2 && !isSmall(terms[0].size) ? run('AddN', [...terms]) :
    terms.reduce((partial, term) => add(partial, term));
}

/**
 * Whether the backend is tfjs-node and no kernel is recorded. There, flags of a product transpose
 * its operands at no cost, and a transpose is an op more. A recorded product has no flags: its
 * derivative would be another kernel.
 */
const isNative = (): boolean => engine().backendName === 'tensorflow' && !isObserved();

/**
 * a bᵀ [r, c] for matrices a [r, k] and b [c, k]. The smaller of a and b is transposed, if
 * products take no transposes in place.
 */
export function multiplyTransposed(a: Tensor, b: Tensor): Tensor {
  if (ownLoops()) {
    return multiplied(matrixOf(a), transpose(matrixOf(b)));
  }
  const heap = heapOf(a, b);
  if (heap !== null) {
    return a === b ? outerProductIn(heap, a) : productIn(heap, [a, false], [b, true]);
  }
  if (isNative()) {
    return run('BatchMatMul', {a, b}, {transposeA: false, transposeB: true});
  }
  return a.shape[0] <= b.shape[0] && a !== b ? transposed(matMul(b, transposed(a))) : matMul(a, transposed(b));
}

/** aᵀ b [r, c] for matrices a [k, r] and b [k, c]. */
export function transposeMultiply(a: Tensor, b: Tensor): Tensor {
  if (ownLoops()) {
    return multiplied(transpose(matrixOf(a)), matrixOf(b));
  }
  const heap = heapOf(a, b);
  if (heap !== null) {
    return productIn(heap, [a, true], [b, false]);
  }
  return isNative() ? run('BatchMatMul', {a, b}, {transposeA: true, transposeB: false}) : matMul(transposed(a), b);
}

/**
 * Whether products take a matrix x or its transpose where it lies, so that no transpose is formed.
 */
export const multipliesInPlace = (x: Tensor): boolean => ownLoops() || isNative() || heapOf(x) !== null;

/** Sums t over the axes along which a tensor of `shape` was broadcast to the shape of t. */
export function sumTo(t: Tensor, shape: readonly number[]): Tensor {
  const lead = t.rank - shape.length;
  const axes = t.shape.map((_, i) => i).filter(i => i < lead || (shape[i - lead] === 1 && t.shape[i] !== 1));
  return shaped(axes.length === 0 ? t : sumOver(t, axes), shape);
}

/** Number of matrices in a tensor [..., rows, columns]. */
export const matricesIn = (t: {readonly shape: readonly number[]}): number =>
  t.shape.slice(0, -2).reduce((a, b) => a * b, 1);
