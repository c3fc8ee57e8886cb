import {dispose} from '@tensorflow/tfjs-core';
import type {Optimizer} from '@tensorflow/tfjs-core';

/** Symbols of the registry, so that two copies of this package see the same marks. */
const HOOKED = Symbol.for('tfjs-ggn.saveHook');
const LOAN = Symbol.for('tfjs-ggn.loan');

interface SavedModel {
  readonly optimizer?: Optimizer | null;
  save(...args: unknown[]): Promise<unknown>;
}

/**
 * Lets `model.save` give back the copies of the optimizer's state that it asks for: tfjs disposes of none. What others ask for while a save is going on is theirs, since the save alone sees a
 * model whose optimizer has a loan. Idempotent, and without effect on other optimizers.
 */
export function hookSave(layersModel: {prototype: unknown}, isOurs: (optimizer: Optimizer) => boolean): void {
  const prototype = layersModel.prototype as SavedModel & Record<symbol, unknown>;
  if (prototype[HOOKED] === true || typeof prototype.save !== 'function') {
    return;
  }
  const {save} = prototype;
  prototype.save = async function(this: SavedModel, ...args: unknown[]): Promise<unknown> {
    const {optimizer} = this;
    if (optimizer == null || !isOurs(optimizer)) {
      return save.apply(this, args);
    }
    const loan: NamedTensor[] = [];
    const borrower = Object.create(optimizer, {[LOAN]: {value: loan}}) as Optimizer;
    try {
      return await save.apply(Object.create(this, {optimizer: {value: borrower}}) as SavedModel, args);
    } finally {
      dispose(loan.map(({tensor}) => tensor));
    }
  };
  Object.defineProperty(prototype, HOOKED, {value: true});
}

/** Makes copies for the save that sees an optimizer so; null for any other caller. */
export function lent(optimizer: Optimizer, copies: () => NamedTensor[]): NamedTensor[] | null {
  const loan = (optimizer as unknown as {[LOAN]?: NamedTensor[]})[LOAN];
  if (loan === undefined) {
    return null;
  }
  const list = copies();
  loan.push(...list);
  return list;
}

/**
 * A named tensor of optimizer state, as tfjs's optimizers save it.
 * @public
 */
export type NamedTensor = Awaited<ReturnType<Optimizer['getWeights']>>[number];
