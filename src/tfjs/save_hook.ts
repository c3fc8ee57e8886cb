import {dispose} from '@tensorflow/tfjs-core';
import type {Optimizer} from '@tensorflow/tfjs-core';

/** Symbols of the registry, so that two copies of this package see the same marks. */
const HOOKED = Symbol.for('tfjs-ggn.saveHook');
const LOAN = Symbol.for('tfjs-ggn.loan');

/** What the saves of an optimizer that are going on have been given. */
interface Loan {
  saves: number;
  readonly lent: NamedTensor[];
}

interface SavedModel {
  readonly optimizer?: Optimizer | null;
  save(...args: unknown[]): Promise<unknown>;
}

/**
 * Lets `model.save` give back the copies of the optimizer's state that it asks for: tfjs disposes of none. Idempotent,
 * and without effect on other optimizers.
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
    const holder = optimizer as unknown as {[LOAN]?: Loan};
    const loan = holder[LOAN] ??= {saves: 0, lent: []};
    loan.saves++;
    try {
      return await save.apply(this, args);
    } finally {
      if (--loan.saves === 0) {
        delete holder[LOAN];
        dispose(loan.lent.map(({tensor}) => tensor));
      }
    }
  };
  Object.defineProperty(prototype, HOOKED, {value: true});
}

/** Makes copies for a save that is going on; null where none is. */
export function lent(optimizer: Optimizer, copies: () => NamedTensor[]): NamedTensor[] | null {
  const loan = (optimizer as unknown as {[LOAN]?: Loan})[LOAN];
  if (loan === undefined) {
    return null;
  }
  const list = copies();
  loan.lent.push(...list);
  return list;
}

/**
 * A named tensor of optimizer state, as tfjs's optimizers save it.
 * @public
 */
export type NamedTensor = Awaited<ReturnType<Optimizer['getWeights']>>[number];
