import type {Optimizer} from '@tensorflow/tfjs-core';

/** Symbols of the registry, so that two copies of this package see the same marks. */
const HOOKED = Symbol.for('tfjs-ggn.fitEndHook');
const FIT_END = Symbol.for('tfjs-ggn.fitEnd');

type Fit = (...args: unknown[]) => Promise<unknown>;

/** What this needs of a LayersModel, in any copy of tfjs-layers. */
interface FittedModel {
  readonly optimizer?: Optimizer | null;
  fit: Fit;
  fitDataset: Fit;
}

/** Has `end` called whenever a `fit` or `fitDataset` with this optimizer has ended. */
export function onFitEnd(optimizer: Optimizer, end: () => void): void {
  Object.defineProperty(optimizer, FIT_END, {value: end});
}

/** Notices the end of `fit` and `fitDataset`. Idempotent, and without effect on other optimizers. */
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
        (this.optimizer as {[FIT_END]?: () => void} | null | undefined)?.[FIT_END]?.();
      }
    };
  }
  Object.defineProperty(prototype, HOOKED, {value: true});
}
