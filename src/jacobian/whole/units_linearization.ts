import {tensor, type Tensor, type Variable} from '@tensorflow/tfjs-core';
import type {Values} from '../../derivatives/cotangents';
import type {BatchJacobian} from '../sweep/batch_jacobian';
import {once, type Linearization, type ForEachRows} from './linearization';
import type {JacobianOperator, Jacobian} from './operator';
import type {ByVariable, Units} from './units';

/** A linearization of J as one of J T, for the coordinates of {@link Units}. */
export class UnitsLinearization implements Linearization {
  readonly jacobian: JacobianOperator;
  readonly grams: () => readonly Float64Array[];
  /** Conjugate gradients are not offered. */
  readonly pieces = [];

  /**
   * @param whole J of the whole batch, for the Gram system; null for the normal equations.
   * @param readGrams reads the Gram matrices of a Jacobian from the backend.
   */
  constructor(private readonly plain: Linearization, private readonly units: Units, whole: BatchJacobian | null,
      private readonly variables: readonly Variable[], values: Values,
      readGrams: (jacobian: Jacobian) => readonly Float64Array[]) {
    const {jacobian: {rows}} = plain;
    this.jacobian = {rows, apply: d => this.apply(d), applyTranspose: (u, wanted) => this.applyTranspose(u, wanted)};
    // Its tensors belong to the scope of the step, as those of J do.
    const scaled = whole === null ? null : units.jacobianOf(whole, values);
    this.grams = once(() => scaled === null ? [] : readGrams(scaled));
  }

  readonly forEachRows: ForEachRows = visit => this.plain.forEachRows((rows, from, count) => {
    const sizes = this.variables.map(({size}) => size);
    const read = (): Float64Array => this.units.rowsOf(rows.read(), sizes);
    visit({read, tensor: () => tensor(Float32Array.from(read()), [count, read().length / count])}, from, count);
  });

  notFinite(): Error {
    return this.plain.notFinite();
  }

  private apply(d: ByVariable): Tensor {
    return this.plain.jacobian.apply(this.units.stepOf(d));
  }

  /** A layer of the units has ρ = 0, so that its kernel is wanted with its bias. */
  private applyTranspose(u: Tensor, wanted?: (variable: number) => boolean): Array<Tensor | null> {
    return this.units.pulled(this.plain.jacobian.applyTranspose(u, wanted));
  }
}
