import {add, mul, reshape, scalar, sub, sum, tensor, tidy, zeros, type Tensor} from '@tensorflow/tfjs-core';
import type {DenseLayer} from '../plan/dense_layers';
import type {Values} from '../../derivatives/cotangents';
import {BatchJacobian} from '../sweep/batch_jacobian';
import type {MatrixUse} from '../uses/matmul';
import type {RowsUse} from '../uses/rows';
import type {SharedUse} from '../uses/shared';

/** One tensor of the shape of each variable; null stands for zeros. */
export type ByVariable = ReadonlyArray<Tensor | null>;

/** The units of a dense layer. */
export interface LayerUnits {
  readonly layer: DenseLayer;
  /** c_i, the shift of each input (in); zeros without a bias. */
  readonly shifts: Float32Array;
  /** t_i, the unit of the weights of each input (in). */
  readonly weights: Float32Array;
  /** u, the unit of the bias. */
  readonly bias: number;
}

/**
 * Other coordinates d' of a step d, in which the damping counts each entry alike. T is linear and
 * has an inverse. For the kernel W [in, out] and the bias b [out] of a dense layer,
 *
 *     d = T d':      d_W,ij = t_i d'_W,ij       d_b,j = u d'_b,j - Σ_i c_i d_W,ij
 *     J T:           the data a of the kernel become (a - c) ∘ t, the cotangents of the bias u δ
 *
 * so that a layer whose inputs have the mean c and the deviation 1/t takes the step that it would
 * take if its inputs were standardised. Other variables have T = I.
 *
 * All methods give tensors of the caller's scope.
 */
export class Units {
  /** @param layers units of layers without an L2 regularizer, which has a metric of its own. */
  constructor(readonly layers: readonly LayerUnits[]) {}

  /** d = T d'. */
  stepOf(d: ByVariable): Array<Tensor | null> {
    return this.byLayer(d, (units, kernel, bias) => {
      const moved = mul(kernel, column(units, units.weights));
      return bias === null ? [moved] : [moved, sub(mul(bias, scalar(units.bias)), shifted(units, moved))];
    });
  }

  /** d' = T⁻¹ d. */
  coordinatesOf(d: ByVariable): Array<Tensor | null> {
    return this.byLayer(d, (units, kernel, bias) => {
      const own = mul(kernel, column(units, units.weights.map(t => 1 / t)));
      return bias === null ? [own] : [own, mul(add(bias, shifted(units, kernel)), scalar(1 / units.bias))];
    });
  }

  /** g' = Tᵀ g, the gradient by d' from that by d. */
  pulled(g: ByVariable): Array<Tensor | null> {
    return this.byLayer(g, (units, kernel, bias) => {
      const own = bias === null ? kernel : sub(kernel, outer(units, bias));
      const moved = mul(own, column(units, units.weights));
      return bias === null ? [moved] : [moved, mul(bias, scalar(units.bias))];
    });
  }

  /** g = T⁻ᵀ g'. */
  gradientOf(g: ByVariable): Array<Tensor | null> {
    return this.byLayer(g, (units, kernel, bias) => {
      const own = mul(kernel, column(units, units.weights.map(t => 1 / t)));
      const pull = bias === null ? null : mul(bias, scalar(1 / units.bias));
      return pull === null ? [own] : [add(own, outer(units, pull)), pull];
    });
  }

  /** J T for the Jacobian J of a whole batch. */
  jacobianOf({uses, plan}: BatchJacobian, values: Values): BatchJacobian {
    const changed = [...uses];
    for (const {layer, shifts, weights, bias} of this.layers) {
      const use = changed[layer.kernelSite] as MatrixUse | SharedUse;
      const [c, t] = [shifts, weights].map(x => tensor(x, [1, x.length]));
      changed[layer.kernelSite] = use.withData(a => mul(sub(a, c), t));
      if (layer.biasSite !== null && bias !== 1) {
        changed[layer.biasSite] = (changed[layer.biasSite] as RowsUse).withRows(rows => mul(rows, scalar(bias)));
      }
    }
    return new BatchJacobian(values, plan, changed);
  }

  /**
   * Dense rows of J T in float64, from those of J.
   *
   * @param sizes of the variables.
   */
  rowsOf(rows: Float32Array | Float64Array, sizes: readonly number[]): Float64Array {
    const m = sizes.reduce((sum, size) => sum + size, 0);
    const first = sizes.map((_, v) => sizes.slice(0, v).reduce((sum, size) => sum + size, 0));
    const changed = Float64Array.from(rows);
    for (const {layer: {kernel, bias, product: {transposed}}, shifts, weights, bias: unit} of this.layers) {
      const inner = weights.length;
      const outer = sizes[kernel] / inner;
      for (let row = 0; row < changed.length; row += m) {
        for (let j = 0; j < outer; j++) {
          const own = bias === null ? 0 : changed[row + first[bias] + j];
          for (let i = 0; i < inner; i++) {
            const k = row + first[kernel] + (transposed ? j * inner + i : i * outer + j);
            changed[k] = weights[i] * (changed[k] - shifts[i] * own);
          }
          if (bias !== null) {
            changed[row + first[bias] + j] = unit * own;
          }
        }
      }
    }
    return changed;
  }

  /** x with the kernel and the bias of each layer changed. A layer without both stays so. */
  private byLayer(x: ByVariable, change: (units: LayerUnits, kernel: Tensor, bias: Tensor | null) => Tensor[]):
      Array<Tensor | null> {
    const changed = [...x];
    for (const units of this.layers) {
      const {kernel, bias, shape} = units.layer;
      const [w, b] = [x[kernel], bias === null ? null : x[bias]];
      if (w !== null || b !== null) {
        const parts = tidy(() =>
          change(units, w ?? zeros([...shape]), bias === null ? null : b ?? zeros([outputsOf(units.layer)])));
        [changed[kernel]] = parts;
        if (bias !== null) {
          changed[bias] = parts[1];
        }
      }
    }
    return changed;
  }
}

const outputsOf = ({shape, product}: DenseLayer): number => shape[product.transposed ? 0 : 1];

/** One number for each input, in a shape that broadcasts to the kernel. */
const column = ({layer: {product}}: LayerUnits, x: Float32Array): Tensor =>
  tensor(x, product.transposed ? [1, x.length] : [x.length, 1]);

/** Σ_i c_i w_ij (out). */
const shifted = (units: LayerUnits, kernel: Tensor): Tensor =>
  sum(mul(kernel, column(units, units.shifts)), units.layer.product.transposed ? 1 : 0);

/** c_i b_j, in the shape of the kernel. */
const outer = (units: LayerUnits, bias: Tensor): Tensor =>
  mul(column(units, units.shifts), reshape(bias, units.layer.product.transposed ? [-1, 1] : [1, -1]));
