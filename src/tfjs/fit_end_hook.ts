import type {Optimizer} from '@tensorflow/tfjs-core';

/** Symbols of the global registry, so that two copies of this package see the same marks. */
const HOOKED = Symbol.for('tfjs-ggn.fitEndHook');
const ENDS = Symbol.for('tfjs-ggn.fitEnds');

type Fit = (...args: unknown[]) => Promise<unknown>;

/** The members of a LayersModel that this hook uses, in any copy of tfjs-layers. */
interface FittedModel {
  readonly optimizer?: Optimizer | null;
  fit: Fit;
  fitDataset: Fit;
}

/**
 * Callbacks by optimizer. All copies of this package share them, since the first copy hooks the
 * models for all.
 */
const ends = (globalThis as {[ENDS]?: WeakMap<object, () => void>})[ENDS] ??= new WeakMap<object, () => void>();

/** Calls `end` whenever a `fit` or `fitDataset` with this optimizer has ended. */
export function onFitEnd(optimizer: Optimizer, end: () => void): void {
  ends.set(optimizer, end);
}

/**
 * Hooks the end of `fit` and `fitDataset`. A second call does nothing, and other optimizers see no
 * effect.
 */
export function hookFitEnd(layersModel: {prototype: unknown}): void {
  const prototype = layersModel.prototype as FittedModel & Record<symbol, unknown>;
  if (prototype[HOOKED] === true) {
    return;
  }
  for (const name of ['fit', 'fitDataset'] as const) {
    const original = prototype[name];
    prototype[name] = async function(this: FittedModel, ...args: unknown[]): Promise<unknown> {
      try {
        return await original.apply(this, args);
      } finally {
        const {optimizer} = this;
        if (optimizer != null) {
          ends.get(optimizer)?.();
        }
      }
    };
  }
  Object.defineProperty(prototype, HOOKED, {value: true});
}
