import {engine, type Tensor} from '@tensorflow/tfjs-core';
import {isObserved} from './internals';
import {isRehearsal} from './rehearsal';
import {wasmHeap, type WasmHeap} from './wasm_heap';
import {mayRunKernels} from '../kernels/allowed';
import {COMBINED, ENTRYWISE, MODE, scratchBytes} from '../kernels/kernels';

/**
 * Ops of a step by kernels of our own, on float32 tensors in the heap of tfjs's WASM backend.
 *
 * Measured: before its kernel begins, an op of tfjs spends 5 to 20 microseconds on that backend.
 */

/**
 * The heap, if kernels of our own run on these tensors now. If kernels are recorded, each op must
 * be a kernel of tfjs, since a derivative would miss others. A rehearsal has no entries.
 */
export const heapOf = (x: Tensor, y = x): WasmHeap | null =>
  engine().backendName === 'wasm' && x.dtype === 'float32' && y.dtype === 'float32' && x.size > 0 && y.size > 0 &&
    mayRunKernels() && !isObserved() && !isRehearsal() ? wasmHeap() : null;

/** A matrix, or its transpose. */
type Factor = readonly [x: Tensor, isTransposed: boolean];

/** a b [r, c] of two matrices or their transposes. No transpose is formed. */
export function productIn(heap: WasmHeap, [a, aFlipped]: Factor, [b, bFlipped]: Factor): Tensor {
  const [m, k, aRow, aColumn] = layout(a, aFlipped);
  const [, n, bRow, bColumn] = layout(b, bFlipped);
  const {kernels} = heap;
  const scratch = heap.scratch(scratchBytes(m, k, n));
  const {tensor, pointer} = heap.make([m, n]);
  kernels.product(heap.pointer(a), aRow, aColumn, heap.pointer(b), bRow, bColumn, pointer, n, m, k, n,
    MODE.set, 0, 0, 0, scratch);
  return tensor;
}

/** x xᵀ [n, n] of a matrix x [n, k]. */
export function outerProductIn(heap: WasmHeap, x: Tensor): Tensor {
  const [n, k] = x.shape as [number, number];
  const {kernels} = heap;
  const scratch = heap.scratch(scratchBytes(n, k, n));
  const {tensor, pointer} = heap.make([n, n]);
  const from = heap.pointer(x);
  kernels.product(from, k, 1, from, 1, k, pointer, n, n, k, n, MODE.set, 0, 0, 1, scratch);
  kernels.mirror(pointer, n, n);
  return tensor;
}

/** The blocks x_b x_bᵀ [blocks, n, n] of a matrix x [blocks · n, k]. */
export function outerBlocksIn(heap: WasmHeap, x: Tensor, blocks: number): Tensor {
  const [rows, k] = x.shape as [number, number];
  const n = rows / blocks;
  const {kernels} = heap;
  const scratch = heap.scratch(scratchBytes(n, k, n));
  const {tensor, pointer} = heap.make([blocks, n, n]);
  const first = heap.pointer(x);
  for (let b = 0; b < blocks; b++) {
    const [from, to] = [first + 4 * b * n * k, pointer + 4 * b * n * n];
    kernels.product(from, k, 1, from, 1, k, to, n, n, k, n, MODE.set, 0, 0, 1, scratch);
    kernels.mirror(to, n, n);
  }
  return tensor;
}

/** Rows and columns; distances in memory of two entries in a column, and in a row. */
const layout = ({shape: [rows, columns = 1]}: Tensor, isTransposed: boolean): [number, number, number, number] =>
  isTransposed ? [columns, rows, 1, columns] : [rows, columns, columns, 1];

/** a + b, a - b or a ∘ b; null if the way in which one of them broadcasts is not known here. */
export function combinedIn(heap: WasmHeap, kind: keyof typeof COMBINED, a: Tensor, b: Tensor): Tensor | null {
  const shape = a.size >= b.size ? a.shape : b.shape;
  const columns = shape.length === 0 ? 1 : shape[shape.length - 1];
  const rows = Math.max(a.size, b.size) / columns;
  const [left, right] = [broadcast(a, shape, columns), broadcast(b, shape, columns)];
  if (left === null || right === null) {
    return null;
  }
  const {tensor, pointer} = heap.make(shape);
  const all = left[0] === columns && right[0] === columns;
  heap.kernels.combined(COMBINED[kind], heap.pointer(a), ...left, heap.pointer(b), ...right, pointer, all ? 1 : rows,
    all ? rows * columns : columns);
  return tensor;
}

/**
 * Distances of two rows and of two columns of x in an output of `shape`; null if x is none of: of
 * that shape, a scalar, one row, one column.
 */
function broadcast({shape, size}: Tensor, out: readonly number[], columns: number): [number, number] | null {
  if (shape.length === out.length && shape.every((d, i) => d === out[i])) {
    return [columns, 1];
  }
  if (size === 1) {
    return shape.length <= out.length ? [0, 0] : null;
  }
  const isRow = size === columns && shape[shape.length - 1] === columns && shape.length <= out.length;
  const isColumn = shape.length === out.length && shape[shape.length - 1] === 1 &&
    shape.every((d, i) => i === shape.length - 1 || d === out[i]);
  return isRow ? [0, 1] : isColumn ? [1, 0] : null;
}

/** a + factor · b of one shape. */
export function addScaledIn(heap: WasmHeap, a: Tensor, factor: number, b: Tensor): Tensor {
  const {tensor, pointer} = heap.make(a.shape);
  heap.kernels.addScaled(heap.pointer(a), factor, heap.pointer(b), pointer, a.size);
  return tensor;
}

/** Sums of the rows of a matrix x [rows, columns], in this shape. */
export function rowSumsIn(heap: WasmHeap, x: Tensor, shape: readonly number[]): Tensor {
  const [rows, columns] = x.shape as [number, number];
  const scratch = heap.scratch(scratchBytes(rows, columns, 1));
  const {tensor, pointer} = heap.make(shape);
  heap.kernels.sumRows(heap.pointer(x), pointer, rows, columns, scratch);
  return tensor;
}

/** Σ_j x_ij y_ij [r] for matrices x and y [r, c]. */
export function rowDotsIn(heap: WasmHeap, x: Tensor, y: Tensor): Tensor {
  const [rows, columns] = x.shape as [number, number];
  const {tensor, pointer} = heap.make([rows]);
  heap.kernels.rowDots(heap.pointer(x), heap.pointer(y), pointer, rows, columns);
  return tensor;
}

/** tanh x, to 2 units in the last place. */
export function tanhIn(heap: WasmHeap, x: Tensor): Tensor {
  const {tensor, pointer} = heap.make(x.shape);
  heap.kernels.tanh(heap.pointer(x), pointer, x.size);
  return tensor;
}

/** dy ∘ φ'(x) by y = φ(x), for a function φ of `ENTRYWISE`. */
export function pulledIn(heap: WasmHeap, kind: keyof typeof ENTRYWISE, y: Tensor, dy: Tensor): Tensor {
  const {tensor, pointer} = heap.make(dy.shape);
  heap.kernels.entrywise(ENTRYWISE[kind], heap.pointer(y), heap.pointer(dy), pointer, dy.size);
  return tensor;
}
