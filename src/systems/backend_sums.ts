import {matMul as batchMatMul, slice, square, tensor, tensor3d, tidy, type Tensor,
  type Tensor3D} from '@tensorflow/tfjs-core';
import type {DenseRows} from '../jacobian/whole/linearization';
import {matMul, mul, shaped} from '../tfjs/fast_ops';
import type {CurvatureRoot} from '../solve/curvature_root';
import {mirrored} from '../arrays/symmetric';
import type {NormalSums, RowWeights} from '../solve/normal_sums';
import {addInto} from '../arrays/vectors';

/**
 * Number of blocks of columns of J in JᵀJ. The product is symmetric, so that nearly half of the
 * pairs of blocks are not taken.
 */
const BLOCKS = 4;

/**
 * The sums of `NormalSums` for backends on which reading is not cheap: the rows stay on the
 * backend, which takes all products inside a chunk, in float32. Only tensors without rows are read,
 * and added up in float64.
 */
export class BackendSums implements Pick<NormalSums, 'matrix' | 'gradient' | 'most'> {
  readonly gradient: Float64Array;
  readonly most: Float64Array;
  private readonly lower: Float64Array;

  /** @param previous d_prev (m), which the rows are multiplied with. */
  constructor(readonly m: number, private readonly previous: Float64Array | null) {
    this.lower = new Float64Array(m * m);
    this.gradient = new Float64Array(m);
    this.most = new Float64Array(m);
  }

  /**
   * @returns J d_prev of these rows; null if there is no d_prev.
   * @throws if the rows are not finite.
   */
  add(rows: DenseRows, {root, q, bounds}: RowWeights): Float64Array | null {
    const {m, gradient, most, previous} = this;
    let change: Float64Array | null = null;
    tidy(() => {
      const j = rows.tensor();
      const pulled = matMul(tensor(Float32Array.from(q), [1, root.n]), j).dataSync();
      // Every entry of the rows takes part in this product, and 0 · NaN is NaN.
      if (pulled.some(x => !Number.isFinite(x))) {
        rows.read();
      }
      addInto(gradient, 1, pulled);
      if (bounds !== null) {
        addInto(most, 1, matMul(tensor(Float32Array.from(bounds), [1, root.n]), square(j)).dataSync());
      }
      if (previous !== null) {
        change = Float64Array.from(matMul(j, tensor(Float32Array.from(previous), [m, 1])).dataSync());
      }
      this.addProducts(weighted(rows, j, root));
    });
    return change;
  }

  get matrix(): Float64Array {
    return mirrored(this.lower, this.m);
  }

  /** Adds the lower triangle of aᵀa. */
  private addProducts(a: Tensor): void {
    const {m, lower} = this;
    const [n] = a.shape;
    const width = Math.ceil(m / BLOCKS);
    for (let from = 0; from < m; from += width) {
      const to = Math.min(m, from + width);
      let product: ArrayLike<number> = [];
      tidy(() => {
        const [block, before] = [slice(a, [0, from], [n, to - from]), slice(a, [0, 0], [n, to])];
        product = batchMatMul(block as never, before as never, true, false).dataSync();
      });
      for (let i = from; i < to; i++) {
        for (let j = 0, p = (i - from) * to, at = i * m; j <= i; j++, p++, at++) {
          lower[at] += product[p];
        }
      }
    }
  }
}

/** SᵀJ. */
function weighted(rows: DenseRows, j: Tensor, root: CurvatureRoot): Tensor {
  const [n, m] = j.shape as [number, number];
  const tiles = root.tiles();
  if (tiles === null) {
    const read = root.applyToRows(rows.read(), m);
    return tensor(read instanceof Float32Array ? read : Float32Array.from(read), [n, m]);
  }
  const {k, entries} = tiles;
  if (k === 1) {
    return mul(j, tensor(Float32Array.from(entries), [n, 1]));
  }
  const columns = usedColumns(tiles);
  const s = new Float32Array(n * columns.length);
  for (let row = 0, to = 0; row < n; row++) {
    for (const column of columns) {
      s[to++] = entries[row * k + column];
    }
  }
  const blocks = tensor3d(s, [n / k, k, columns.length]);
  const products = batchMatMul(blocks, shaped(j, [n / k, k, m]) as Tensor3D, true, false);
  return shaped(products, [n / k * columns.length, m]);
}

/** The columns that are not zero in all tiles: the curvature of a softmax has the rank K - 1. */
function usedColumns({k, entries}: {readonly k: number; readonly entries: Float64Array}): number[] {
  const isUsed = new Uint8Array(k);
  for (let i = 0; i < entries.length; i++) {
    if (entries[i] !== 0) {
      isUsed[i % k] = 1;
    }
  }
  const used = [...isUsed.keys()].filter(column => isUsed[column] === 1);
  return used.length === 0 ? [0] : used;
}
