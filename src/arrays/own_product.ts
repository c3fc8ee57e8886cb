import {MODE, scratchBytes} from '../kernels/kernels';
import {kernelsFor, type OwnKernels} from '../kernels/own_kernels';
import type {Matrix} from './matrix';

/**
 * Multiply-adds from which a product by the kernels pays for the copies in and out.
 *
 * Measured: products of 2,000 multiply-adds take the same time in a loop.
 */
const LEAST = 2 ** 11;

/**
 * Rows, columns and terms of the blocks that are copied to the memory of the kernels: 48 MiB at
 * most.
 */
const BLOCK = 2048;

/**
 * a b [m, n] of a [m, k] and b [k, n] by kernels of our own, summed in float32, row-major; null if
 * they do not run, or if they do not pay. Factors of any size are copied block by block.
 */
export function ownProduct(a: Matrix, b: Matrix): Float32Array | null {
  const [m, k, n] = [a.rows, a.columns, b.columns];
  const own = m * k * n < LEAST ? null :
    kernelsFor(bytesOf(Math.min(m, BLOCK), Math.min(k, BLOCK), Math.min(n, BLOCK)));
  if (own === null) {
    return null;
  }
  const product = new Float32Array(m * n);
  for (let j = 0; j < n; j += BLOCK) {
    for (let i = 0; i < m; i += BLOCK) {
      multiplyBlock(own, a, b, product, i, Math.min(m - i, BLOCK), j, Math.min(n - j, BLOCK));
    }
  }
  return product;
}

/** Bytes of the blocks of the factors and of the product, and of the scratch space. */
const bytesOf = (rows: number, terms: number, columns: number): number =>
  4 * (rows * terms + terms * columns + rows * columns) + scratchBytes(rows, terms, columns);

/** Writes the block of `rows` x `columns` entries at (i, j) of a b. */
function multiplyBlock(own: OwnKernels, a: Matrix, b: Matrix, product: Float32Array, i: number, rows: number, j: number,
    columns: number): void {
  const {kernels} = own;
  const terms = Math.min(a.columns, BLOCK);
  own.withSpace(bytesOf(rows, terms, columns), left => {
    const right = left + 4 * rows * terms, out = right + 4 * terms * columns, scratch = out + 4 * rows * columns;
    for (let p = 0; p < a.columns; p += BLOCK) {
      const depth = Math.min(a.columns - p, BLOCK);
      const [aRow, aColumn] = copyBlock(own, left, a, i, rows, p, depth);
      const [bRow, bColumn] = copyBlock(own, right, b, p, depth, j, columns);
      kernels.product(left, aRow, aColumn, right, bRow, bColumn, out, columns, rows, depth, columns,
        p === 0 ? MODE.set : MODE.add, 0, 0, 0, scratch);
    }
    const block = own.floats(out, rows * columns);
    if (columns * rows === product.length) {
      product.set(block);
      return;
    }
    const width = b.columns;
    for (let row = 0; row < rows; row++) {
      product.set(block.subarray(row * columns, (row + 1) * columns), (i + row) * width + j);
    }
  });
}

/**
 * Copies the block of `rows` x `columns` entries at (i, j) of x, in the order in which x has them.
 *
 * @returns the distances of two rows and of two columns of the copy.
 */
function copyBlock(own: OwnKernels, to: number, {entries, row, column}: Matrix, i: number, rows: number, j: number,
    columns: number): [number, number] {
  const into = own.floats(to, rows * columns);
  const isByRows = column === 1;
  const [first, count, length, step] =
    isByRows ? [i * row + j, rows, columns, row] : [i + j * column, columns, rows, column];
  if (length === step || count === 1) {
    into.set(entries.subarray(first, first + count * length));
  } else {
    for (let line = 0; line < count; line++) {
      into.set(entries.subarray(first + line * step, first + line * step + length), line * length);
    }
  }
  return isByRows ? [columns, 1] : [1, rows];
}

/**
 * x xᵀ [n, n] of a row-major x [n, k] by kernels of our own; null as above. Long rows are copied
 * part by part.
 */
export function ownOuterProduct(x: Float32Array, n: number, k: number): Float32Array | null {
  const own = n * n * k < 2 * LEAST || n > BLOCK ? null : kernelsFor(bytesOf(n, Math.min(k, BLOCK), n));
  if (own === null) {
    return null;
  }
  const {kernels} = own;
  const terms = Math.min(k, BLOCK);
  return own.withSpace(bytesOf(n, terms, n), from => {
    const out = from + 4 * n * terms;
    const matrix = {entries: x, rows: n, columns: k, row: k, column: 1};
    for (let p = 0; p < k; p += BLOCK) {
      const depth = Math.min(k - p, BLOCK);
      copyBlock(own, from, matrix, 0, n, p, depth);
      kernels.product(from, depth, 1, from, 1, depth, out, n, n, depth, n, p === 0 ? MODE.set : MODE.add, 0, 0, 1,
        out + 4 * n * n);
    }
    kernels.mirror(out, n, n);
    return own.floats(out, n * n).slice();
  });
}
