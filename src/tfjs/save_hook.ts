import {dispose, type Optimizer} from '@tensorflow/tfjs-core';

/** Symbols of the global registry, so that two copies of this package see the same marks. */
const HOOKED = Symbol.for('tfjs-ggn.saveHook');
const LOAN = Symbol.for('tfjs-ggn.loan');

/** The members of a LayersModel that this hook uses, in any copy of tfjs-layers. */
interface SavedModel {
  readonly optimizer?: Optimizer | null;
  save(...args: unknown[]): Promise<unknown>;
}

/**
 * Hooks `model.save`, which asks the optimizer for copies of its state. The hook disposes of them
 * when the save has ended, since tfjs does not. Copies that others ask for during the save are
 * theirs: only the save sees a model whose optimizer has a loan. A second call does nothing, and
 * other optimizers see no effect.
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

/** Makes copies of the state for a save, whose optimizer has a loan; null for any other caller. */
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
