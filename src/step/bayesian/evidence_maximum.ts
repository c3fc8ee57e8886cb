import {dispose, keep, type Tensor, type Variable} from '@tensorflow/tfjs-core';

/**
 * The weights at the maximum of the evidence, which training goes back to. They are saved with the
 * optimizer. Loaded weights wait until a step names the variables, to which they are matched by
 * position and shape.
 */
export class EvidenceMaximum {
  /**
   * Handles on the data of the weights. They cost memory from the next step on, which writes
   * others.
   */
  private weights: readonly Tensor[] = [];
  /** The variables of the last step; empty after loading. */
  private variables: readonly Variable[] = [];
  /** Identities of the data of these variables after the last step. */
  private written: readonly object[] = [];

  /** Handles that belong to this object. */
  get tensors(): readonly Tensor[] {
    return this.weights;
  }

  /**
   * Whether the last step trained these variables, too, and nobody but the optimizer has written
   * them since; also after loading, since the last step is then not known.
   */
  areUntouched(variables: readonly Variable[]): boolean {
    const {variables: last, written} = this;
    return last.length === 0 ||
        (last.length === variables.length && variables.every((v, i) => v === last[i] && v.dataId === written[i]));
  }

  /** The weights at the maximum of these variables; null if there are none. */
  of(variables: readonly Variable[]): readonly Tensor[] | null {
    const {weights} = this;
    const fits = weights.length === variables.length &&
        weights.every((t, i) => t.shape.join() === variables[i].shape.join());
    return fits ? weights : null;
  }

  /**
   * Notes that the optimizer wrote these variables, or left them as they were.
   *
   * @param weights handles on the data of the weights at a new maximum, which are kept; null if the
   * maximum is still the old one.
   */
  wrote(variables: readonly Variable[], weights: readonly Tensor[] | null): void {
    this.variables = variables;
    this.written = variables.map(v => v.dataId);
    if (weights !== null) {
      dispose([...this.weights]);
      this.weights = weights.map(t => keep(t));
    }
  }

  /** Takes over loaded weights; none if the list is empty. */
  load(weights: readonly Tensor[]): void {
    this.dispose();
    this.weights = weights;
  }

  dispose(): void {
    dispose([...this.weights]);
    this.weights = [];
    this.variables = [];
    this.written = [];
  }
}
