import {dispose, keep} from '@tensorflow/tfjs-core';
import type {Optimizer, Tensor, Variable} from '@tensorflow/tfjs-core';
import {ggnError} from './errors';

/**
 * A named tensor of optimizer state, as tfjs's optimizers save it.
 * @public
 */
export type NamedTensor = Awaited<ReturnType<Optimizer['getWeights']>>[number];

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

  save(): NamedTensor[] {
    const tensors = this.loaded ?? this.order.map(variable => this.steps.get(variable.id)!);
    return tensors.map((tensor, i) => ({name: `${PREFIX}${i}`, tensor: tensor}));
  }

  /** Copies: the loader disposes of what it gives. */
  load(weights: readonly NamedTensor[]): void {
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
    this.dispose();
    this.loaded = copies.length === 0 ? null : copies;
  }

  dispose(): void {
    dispose([...this.steps.values(), ...(this.loaded ?? [])]);
    this.steps.clear();
    this.order = [];
    this.loaded = null;
  }
}
