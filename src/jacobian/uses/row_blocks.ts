import {concat, getBackend, matMul as batchMatMul, reshape, stack, tidy, type Tensor,
  type Tensor3D} from '@tensorflow/tfjs-core';
import {plus} from '../../tfjs/accumulate';
import {matMul, mul, multipliesInPlace, multiplyTransposed, shaped, sumRows, transposed} from '../../tfjs/fast_ops';
import {heapOf, outerBlocksIn} from '../../tfjs/heap_ops';
import {blockFloats} from '../../tfjs/memory';
import {sliceRows} from '../../tfjs/slices';
import {LONGEST_SUM, longProducts, OuterProducts} from './outer_products';
import type {ParameterUse} from './use';

/** B·C dense rows R [n, size], of which `rows` gives those of the examples from..to-1. */
export type FormedRows = Pick<ParameterUse, 'examples' | 'components' | 'size' | 'rows'>;

/** Ranges [from, to) of examples whose dense rows, `perExample` floats each, fit into a block. */
export function blocksOf(examples: number, perExample: number): Array<readonly [number, number]> {
  const step = Math.max(1, Math.min(examples, Math.floor(blockFloats() / perExample)));
  return Array.from({length: Math.ceil(examples / step)},
      (_, i) => [i * step, Math.min((i + 1) * step, examples)] as const);
}

/**
 * Multiply-adds of one block x_b x_bᵀ from which WASM is faster block by block,
 * if no kernel of our own takes all blocks. Its product of
 * stacked matrices, or of a transposed one, does not reach the fast kernel.
 *
 * Measured: one block with C = columns = 1000 takes 6.8 s stacked and 0.4 s by itself.
 */
const LARGE_BLOCK = 2 ** 18;

/**
 * Rows of a block from which kernels of our own, whose tiles have four rows, take all blocks on
 * WASM.
 *
 * Measured: 128 blocks of 10 x 256 take 0.07 of the time of tfjs, blocks of 2 x 64 twice the time.
 */
const TILE = 4;

/** x_b x_bᵀ [B, C, C] for x [B·C, columns]. */
export function blockProducts(x: Tensor, examples: number, components: number): Tensor {
  if (components === 1) {
    return shaped(sumRows(mul(x, x)), [examples, 1, 1]);
  }
  const heap = components >= TILE ? heapOf(x) : null;
  if (heap !== null) {
    return outerBlocksIn(heap, x, examples);
  }
  if (getBackend() === 'wasm' && components * x.size / examples >= LARGE_BLOCK) {
    return stack(Array.from({length: examples}, (_, b) => tidy(() => {
      const rows = sliceRows(x, b * components, (b + 1) * components);
      return multiplyTransposed(rows, rows);
    })));
  }
  const blocks: Tensor3D = reshape(x, [examples, components, -1]);
  return batchMatMul(blocks, blocks, false, true);
}

/**
 * The blocks of R Rᵀ on its diagonal, [n/k, k, k], of dense rows R; some examples at a time.
 *
 * @param k rows of a block, C or 1.
 */
export function denseBlocks(k: number, formed: FormedRows): Tensor {
  const {examples, components, size} = formed;
  return tidy(() => {
    const parts = blocksOf(examples, size * components)
        .map(([from, to]) => tidy(() => blockProducts(formed.rows(from, to), (to - from) * components / k, k)));
    return parts.length === 1 ? parts[0] : concat(parts, 0);
  });
}

/**
 * The Gram matrix R Rᵀ [n, n] of dense rows R, block of examples by block. Rows that do not fit
 * into one block are formed again for each pair of blocks.
 */
export function denseGram(formed: FormedRows): Tensor {
  const blocks = blocksOf(formed.examples, formed.size * formed.components);
  if (blocks.length === 1) {
    return tidy(() => new OuterProducts().of(formed.rows(...blocks[0])));
  }
  return tidy(() => concat(blocks.map(block => tidy(() => {
    const left = formed.rows(...block);
    return concat(blocks.map(other =>
      tidy(() => longProducts(left, other === block ? left : formed.rows(...other)))), 1);
  })), 0));
}

/**
 * R Rᵀ as the sum over blocks of columns of R_block R_blockᵀ. No more than a block and its
 * transpose exist at once.
 *
 * @param width columns of a block.
 * @param columns gives the columns from..to-1 of R; they are disposed here.
 */
export function gramOfColumns(size: number, width: number, columns: (from: number, to: number) => Tensor): Tensor {
  let total: Tensor | null = null;
  for (let from = 0; from < size; from += width) {
    const part = columns(from, Math.min(size, from + width));
    const product = gramOf(part);
    part.dispose();
    const before: Tensor | null = total;
    total = plus(before, product);
    if (before !== null) {
      before.dispose();
      product.dispose();
    }
  }
  return total!;
}

/** x xᵀ. */
function gramOf(x: Tensor): Tensor {
  if (x.shape[1]! > LONGEST_SUM) {
    return longProducts(x, x);
  }
  if (multipliesInPlace(x)) {
    return multiplyTransposed(x, x);
  }
  const flipped = transposed(x);
  const product = matMul(x, flipped);
  flipped.dispose();
  return product;
}
