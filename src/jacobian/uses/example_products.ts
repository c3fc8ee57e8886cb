import {getBackend, reshape, tensor, tidy, transpose, type Tensor} from '@tensorflow/tfjs-core';
import {rowMajor} from '../../arrays/matrix';
import {matrixProduct} from '../../arrays/matrix_product';
import {matMul} from '../../tfjs/fast_ops';
import {heapOf} from '../../tfjs/heap_ops';
import {exampleProductsIn} from '../../tfjs/heap_patches';
import {isHost, matMulBatch} from '../../derivatives/kernels/patches';
import {sliceRows} from '../../tfjs/slices';
import type {PositionData} from './positions';

/**
 * Dense rows of a matrix use for the examples from..to-1: row (b, c) is a_bᵀ δ_bc, [in, out] (or
 * its transpose), by one small product per example.
 *
 * On WASM kernels of our own work in its heap. If they may not run, aᵀ is written here for each
 * example, because tfjs's batch_mat_mul_impl takes XNNPACK for a single product without flags only.
 * On cpu the product is our own, too.
 *
 * Measured: batched and transposed products of WASM have a tenth of the speed of plain ones.
 *
 * @param delta δ, [B, C, s, out].
 * @param transposed whether the parameter, and so a row, is stored as [out, in].
 * @returns [(to - from)·C, in·out].
 */
export function exampleProducts(data: PositionData, delta: Tensor, transposed: boolean, from: number,
    to: number): Tensor {
  const [, components, positions, outer] = delta.shape as [number, number, number, number];
  const count = to - from;
  const onHeap = data.onHeap;
  const heap = heapOf(onHeap.x, delta);
  if (heap !== null && count > 0) {
    return exampleProductsIn(heap, onHeap, delta, transposed, from, to);
  }
  if (isHost()) {
    const rows = onHost(data, delta, transposed, from, to);
    return tensor(rows, [count * components, data.inner * outer]);
  }
  return tidy(() => {
    const part = sliceRows(delta, from, to);
    const joined = components === 1 ? reshape(part, [count, positions, outer]) :
        reshape(transpose(part, [0, 2, 1, 3]), [count, positions, components * outer]);
    const all = matMulBatch(data.part(from, to), joined);
    if (components === 1 && !transposed) {
      return reshape(all, [count, data.inner * outer]);
    }
    const products = reshape(all, [count, data.inner, components, outer]);
    const ordered = transposed ? transpose(products, [0, 2, 3, 1]) :
      components === 1 ? products : transpose(products, [0, 2, 1, 3]);
    return reshape(ordered, [count * components, data.inner * outer]);
  });
}

/** The rows by products in this thread (cpu) or of one example at a time (WASM). */
function onHost(data: PositionData, delta: Tensor, transposed: boolean, from: number, to: number): Float32Array {
  const [, components, positions, outer] = delta.shape as [number, number, number, number];
  const {inner} = data;
  const size = inner * outer;
  const width = components * outer;
  const deltas = delta.dataSync() as Float32Array;
  const isCpu = getBackend() === 'cpu';
  const a = new Float32Array(inner * positions);
  const b = components === 1 ? null : new Float32Array(positions * width);
  const rows = new Float32Array((to - from) * components * size);
  for (let example = from; example < to; example++) {
    data.transposedTo(example, a);
    const start = example * positions * width;
    const right = b === null ? deltas.subarray(start, start + positions * width) :
      byPosition(deltas, start, components, positions, outer, b);
    let result: Float32Array;
    if (isCpu) {
      result = matrixProduct(rowMajor(a, inner, positions), rowMajor(right, positions, width));
    } else {
      const tensors = [tensor(a, [inner, positions]), tensor(right, [positions, width])];
      const c = matMul(tensors[0], tensors[1]);
      result = c.dataSync() as Float32Array;
      c.dispose();
      tensors.forEach(t => t.dispose());
    }
    const at = (example - from) * components * size;
    if (!transposed && components === 1) {
      rows.set(result, at);
      continue;
    }
    const [byInner, byOuter] = transposed ? [1, inner] : [outer, 1];
    for (let i = 0; i < inner; i++) {
      for (let c = 0; c < components; c++) {
        for (let o = 0; o < outer; o++) {
          rows[at + c * size + i * byInner + o * byOuter] = result[i * width + c * outer + o];
        }
      }
    }
  }
  return rows;
}

/** δ of one example, [C, s, out] -> [s, C, out]. */
function byPosition(deltas: Float32Array, start: number, components: number, positions: number, outer: number,
    out: Float32Array): Float32Array {
  let from = start;
  for (let c = 0; c < components; c++) {
    for (let s = 0; s < positions; s++) {
      for (let o = 0; o < outer; o++) {
        out[(s * components + c) * outer + o] = deltas[from++];
      }
    }
  }
  return out;
}
