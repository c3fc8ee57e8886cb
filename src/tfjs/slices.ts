import {backend, engine, slice, type DataId, type Tensor, type TypedArray} from '@tensorflow/tfjs-core';
import {isObserved} from './internals';
import {isRehearsal} from './rehearsal';

/** The read of WASM's backend, which takes a range of entries. */
type ReadsRange = (dataId: DataId, start: number, end: number) => TypedArray;

/**
 * Whether a slice of x is taken by a read of its entries. WASM's Slice copies all of its operand
 * for each of the blocks of a matrix. If kernels are recorded, the slice must be a kernel, since a
 * derivative would miss the read. A rehearsal has no entries to read.
 */
const readsRanges = (x: Tensor): boolean =>
  engine().backendName === 'wasm' && x.dtype !== 'string' && x.dtype !== 'complex64' && !isObserved() &&
    !isRehearsal();

/** The entries start..end-1 of x. */
const entriesOf = (x: Tensor, start: number, end: number): TypedArray => {
  const entries = (backend().readSync as ReadsRange).call(backend(), x.dataId, start, end);
  return entries.length === end - start ? entries : entries.subarray(start, end);  // some versions read all entries
};

/** The entries from..to-1 of x along its first axis; x itself if these are all. */
export function sliceRows(x: Tensor, from: number, to: number): Tensor {
  if (from === 0 && to === x.shape[0]) {
    return x;
  }
  const shape = [to - from, ...x.shape.slice(1)];
  if (readsRanges(x) && to > from) {
    const each = x.size / x.shape[0];
    return engine().makeTensor(entriesOf(x, from * each, to * each), shape, x.dtype);
  }
  return engine().runKernel('Slice', {x}, {begin: x.shape.map((_, i) => i === 0 ? from : 0), size: shape});
}

/** A row of at least this many columns is worth a read of its own. */
const LONG_ROW = 2 ** 11;

/** The columns from..to-1 of a matrix x. */
export function sliceColumns(x: Tensor, from: number, to: number): Tensor {
  const [n, size] = x.shape as [number, number];
  const width = to - from;
  if (!readsRanges(x) || size < LONG_ROW || x.dtype !== 'float32') {
    return slice(x, [0, from], [n, width]);
  }
  const part = new Float32Array(n * width);
  for (let row = 0; row < n; row++) {
    part.set(entriesOf(x, row * size + from, row * size + to), row * width);
  }
  return engine().makeTensor(part, [n, width], 'float32');
}
