import {dispose, keep, scalar} from '@tensorflow/tfjs-core';
import type {Optimizer, Tensor, Variable} from '@tensorflow/tfjs-core';
import {ggnError} from './errors';

/**
 * A named tensor of optimizer state, as tfjs's optimizers save it.
 * @public
 */
export type NamedTensor = Awaited<ReturnType<Optimizer['getWeights']>>[number];

/** Name of the iteration count, as tfjs's own optimizers save it. */
const COUNT = 'iter';

/** Version of the format in which the state is saved; it is part of the names. */
const FORMAT = 1;
const PREFIX = `ggn/${FORMAT}/previousStep/`;

/**
 * The last accepted step d_prev of every variable, before learning rate. Kept tensors, owned here.
 *
 * State that was loaded waits until the first step tells the variables: tfjs gives variables other names on
 * loading, so it is matched by position and shape.
 */
export class OptimizerState {
  private readonly steps = new Map<number, Tensor>();
  private order: readonly Variable[] = [];
  private loaded: Tensor[] | null = null;
  private count: {readonly of: number; readonly tensor: Tensor} | null = null;

  /**
   * d_prev of each variable of a step, null where there is none.
   *
   * @throws when state was loaded that does not fit these variables.
   */
  previous(variables: readonly Variable[]): Array<Tensor | null> {
    if (this.loaded !== null) {
      this.match(variables, this.loaded);
    }
    return variables.map(variable => this.steps.get(variable.id) ?? null);
  }

  private match(variables: readonly Variable[], loaded: readonly Tensor[]): void {
    const show = (list: ReadonlyArray<{shape: number[]}>): string => list.map(t => `[${t.shape.join()}]`).join(' ');
    if (loaded.length !== variables.length || loaded.some((t, i) => t.shape.join() !== variables[i].shape.join())) {
      throw ggnError(`the loaded optimizer state belongs to other variables: it has shapes ${show(loaded)}, this training has ` +
          `${show(variables)}. Train the model that was saved, with the same layers frozen, or compile it with a new ggn().`);
    }
    variables.forEach((variable, i) => this.steps.set(variable.id, loaded[i]));
    this.order = variables;
    this.loaded = null;
  }

  /** Takes over the tensors of an accepted step. */
  accept(variables: readonly Variable[], step: readonly Tensor[]): void {
    variables.forEach((variable, i) => {
      this.steps.get(variable.id)?.dispose();
      this.steps.set(variable.id, keep(step[i]));
    });
    this.order = variables;
  }

  /** The iteration count and d_prev; the tensors stay owned here. */
  save(iterations: number): NamedTensor[] {
    // One tensor per count, made without a pause: saving twice, or two saves at the same time, leak nothing.
    if (this.count === null || this.count.tensor.isDisposed || this.count.of !== iterations) {
      this.count?.tensor.dispose();
      this.count = {of: iterations, tensor: keep(scalar(iterations, 'int32'))};
    }
    const tensors = this.loaded ?? this.order.map(variable => this.steps.get(variable.id)!);
    return [{name: COUNT, tensor: this.count.tensor}, ...tensors.map((tensor, i) => ({name: `${PREFIX}${i}`, tensor}))];
  }

  /**
   * Copies d_prev, since the loader disposes of what it gives; the count before it is the caller's to read.
   *
   * @throws for state of another optimizer or of another version of the format.
   */
  load([count, ...weights]: readonly NamedTensor[]): void {
    if ((count as NamedTensor | undefined)?.name !== COUNT) {
      throw ggnError(`the saved state must begin with '${COUNT}'; received ${(count as NamedTensor | undefined) === undefined ? 'nothing' :
        `'${count.name}'`}. Load the state that a GramGaussNewton optimizer saved.`);
    }
    for (const {name} of weights) {
      if (!name.startsWith(PREFIX)) {
        const version = /^ggn\/(\d+)\//.exec(name)?.[1];
        throw ggnError(version === undefined ?
          `'${name}' is no state of GramGaussNewton. Load the state that this optimizer saved.` :
          `the saved optimizer state has format ${version}, this version of tfjs-ggn reads format ${FORMAT}. Use the version ` +
              'that saved it, or load the model without its optimizer and compile it with a new ggn().');
      }
    }
    const copies: Tensor[] = [];
    try {
      weights.forEach(({tensor}) => copies.push(keep(tensor.clone())));
    } catch (error) {
      dispose(copies);
      throw error;
    }
    this.disposeSteps();
    this.loaded = copies.length === 0 ? null : copies;
  }

  dispose(): void {
    this.disposeSteps();
    this.count?.tensor.dispose();
    this.count = null;
  }

  private disposeSteps(): void {
    dispose([...this.steps.values(), ...(this.loaded ?? [])]);
    this.steps.clear();
    this.order = [];
    this.loaded = null;
  }
}
