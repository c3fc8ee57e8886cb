import {dispose, keep, scalar, tensor1d, type Tensor, type Variable} from '@tensorflow/tfjs-core';
import {ggnError} from '../errors';
import {AveragedWeights} from '../step/average/averaged_weights';
import {EvidenceMaximum} from '../step/bayesian/evidence_maximum';
import {AVERAGE, checkEntries, checkNumbers, COUNT, nameOfBest, nameOfPoint, nameOfStep} from './saved_tensors';
import type {NamedTensor} from '../tfjs/save_hook';
import {shortened} from '../shown';

/** d_prev of a variable. The tensor is kept, and owned by the state. */
interface KnownStep {
  readonly variable: Variable;
  readonly step: Tensor;
}

/**
 * The last accepted step d_prev of every variable, before the learning rate, the training points of
 * variables that hold an average, and the copies of all this that were given out.
 *
 * A loaded state waits until the first step tells the variables. tfjs gives variables other names
 * on loading, so the state is matched to them by position and shape.
 */
export class OptimizerState {
  /** The weights at the maximum of the evidence. */
  readonly maximum = new EvidenceMaximum();
  /** The training points of variables that hold an average. */
  readonly average = new AveragedWeights();
  private readonly steps = new Map<number, KnownStep>();
  private order: readonly Variable[] = [];
  private loaded: Tensor[] | null = null;
  /** Copies of the present state, so that a second call makes no more of them. */
  private copies: {readonly iterations: number; readonly list: NamedTensor[]} | null = null;
  /** Copies of earlier states. */
  private earlier: Tensor[] = [];

  /**
   * d_prev of each variable of a step; null for a variable without one.
   *
   * @throws for a loaded state that does not fit these variables.
   */
  previous(variables: readonly Variable[]): Array<Tensor | null> {
    if (this.loaded !== null) {
      this.match(variables, this.loaded);
    }
    return variables.map(variable => this.steps.get(variable.id)?.step ?? null);
  }

  private match(variables: readonly Variable[], loaded: readonly Tensor[]): void {
    const show = (list: ReadonlyArray<{shape: number[]}>): string =>
      shortened(list.map(t => `[${t.shape.join()}]`).join(' '));
    if (loaded.length !== variables.length || loaded.some((t, i) => t.shape.join() !== variables[i].shape.join())) {
      throw ggnError(`the loaded optimizer state belongs to other variables: it has shapes ${show(loaded)}, ` +
          `this training has ${show(variables)}. Train the model that was saved, with the same layers frozen, ` +
          'or compile it with a new ggn().');
    }
    variables.forEach((variable, i) => this.steps.set(variable.id, {variable, step: loaded[i]}));
    this.order = variables;
    this.loaded = null;
  }

  /**
   * Takes over the tensors of an accepted step, and drops the state of variables that were disposed
   * of meanwhile.
   */
  accept(variables: readonly Variable[], step: readonly Tensor[]): void {
    this.retire();
    variables.forEach((variable, i) => {
      this.steps.get(variable.id)?.step.dispose();
      this.steps.set(variable.id, {variable, step: keep(step[i])});
    });
    for (const [id, known] of this.steps) {
      if (known.variable.isDisposed) {
        known.step.dispose();
        this.steps.delete(id);
      }
    }
    this.order = variables;
  }

  /** Forgets d_prev of all variables: it has led to a divergence. */
  forget(): void {
    this.retire();
    this.disposeSteps();
  }

  /**
   * Copies of the iteration count, of d_prev, of the weights at the maximum of the evidence and of
   * the training points. They are the same copies as long as the state is the same, but for copies
   * that were disposed of.
   */
  copy(iterations: number): NamedTensor[] {
    const known = this.copies?.iterations === iterations ? this.copies.list : [];
    const list = this.freshCopy(iterations, known);
    if (known.length === 0) {
      this.retire();
    }
    this.copies = {iterations, list};
    return [...list];
  }

  /**
   * Copies of the same, which belong to the caller.
   *
   * @param known copies of the same state, which are taken instead of new ones unless they are
   * disposed of.
   */
  freshCopy(iterations: number, known: readonly NamedTensor[] = []): NamedTensor[] {
    const made: Tensor[] = [];
    const entry = (i: number, name: string, make: () => Tensor): NamedTensor => {
      if (i < known.length && !known[i].tensor.isDisposed) {
        return known[i];
      }
      made.push(keep(make()));
      return {name, tensor: made.at(-1)!};
    };
    try {
      const steps = this.loaded ?? this.order.map(variable => this.steps.get(variable.id)!.step);
      const list = [entry(0, COUNT, () => scalar(iterations, 'int32')),
        ...steps.map((step, i) => entry(i + 1, nameOfStep(i), () => step.clone())),
        ...this.maximum.tensors.map((t, i) => entry(steps.length + i + 1, nameOfBest(i), () => t.clone()))];
      const average = this.average.of(this.order);
      if (average !== null) {
        const {count, fingerprints, points} = average;
        const first = list.length;
        list.push(entry(first, AVERAGE, () => tensor1d([count, ...fingerprints], 'int32')),
            ...points.map((point, i) => entry(first + 1 + i, nameOfPoint(i), () => point.clone())));
      }
      return list;
    } catch (error) {
      dispose(made);
      throw error;
    }
  }

  /**
   * Takes over copies of the given tensors, since the loader disposes of its own. The whole state
   * is checked before any of it is taken.
   *
   * @returns the iteration count.
   * @throws for a state of another optimizer or of another version of the format, and for a state
   * that no optimizer has saved.
   */
  async load(saved: readonly NamedTensor[]): Promise<number> {
    checkEntries(saved);
    const copies: Tensor[] = [];
    try {
      saved.forEach(({tensor}) => copies.push(keep(tensor.clone())));
      const {iterations, average} = await checkNumbers(copies.map((tensor, i) => ({name: saved[i].name, tensor})));
      this.retire();
      this.disposeSteps();
      const of = (name: (i: number) => string): Tensor[] =>
        copies.filter((_, i) => saved[i].name.startsWith(name(0).slice(0, -1)));
      const [steps, best, points] = [nameOfStep, nameOfBest, nameOfPoint].map(of);
      dispose(copies.splice(0).filter(tensor => ![...steps, ...best, ...points].includes(tensor)));
      this.maximum.load(best);
      this.average.load(average === null ? null : {...average, points});
      this.loaded = steps.length === 0 ? null : steps;
      return iterations;
    } finally {
      dispose(copies);
    }
  }

  /** Frees the state, and all copies of it. */
  dispose(): void {
    this.retire();
    dispose(this.earlier.splice(0));
    this.disposeSteps();
    this.maximum.dispose();
    this.average.end();
  }

  /**
   * Moves the copies to those of earlier states, since the state is about to change. Copies that
   * were disposed of are forgotten.
   */
  private retire(): void {
    const retired = (this.copies?.list ?? []).map(({tensor}) => tensor);
    this.earlier = [...this.earlier, ...retired].filter(tensor => !tensor.isDisposed);
    this.copies = null;
  }

  private disposeSteps(): void {
    dispose([...[...this.steps.values()].map(({step}) => step), ...(this.loaded ?? [])]);
    this.steps.clear();
    this.order = [];
    this.loaded = null;
  }
}
