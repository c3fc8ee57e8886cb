import {serialization, type Optimizer} from '@tensorflow/tfjs-core';
import {hookCallbacks} from './callback_list';
import {hookFitEnd} from '../tfjs/fit_end_hook';
import {hookSave} from '../tfjs/save_hook';
import {definingClass} from '../tfjs/internals';
import {hookFitBatch} from '../tfjs/fit_batch_hook';

/** Name of the optimizer in saved models. Other copies of this package know the optimizer by it. */
export const CLASS_NAME = 'GramGaussNewton';

/** Tests the class name, since two copies of this package may meet in one process. */
function isGgn(optimizer: Optimizer): boolean {
  return typeof optimizer.getClassName === 'function' && optimizer.getClassName() === CLASS_NAME;
}

/**
 * Hooks the models of one copy of tfjs-layers: they give the optimizer its batches, tell it the end
 * of saves and of `fit`, and take the callbacks of this package in any list. Idempotent.
 */
export function hookLayers(layersModel: {prototype: unknown}): void {
  hookFitBatch(layersModel, isGgn);
  hookSave(layersModel, isGgn);
  hookCallbacks(layersModel);
  hookFitEnd(layersModel);
}

/**
 * Hooks the tfjs-layers that works on the tfjs-core of this package, if it has been loaded by now.
 * It is found by the classes that it registers there, so that this package does not depend on
 * tfjs-layers: a custom loop needs only tfjs-core.
 */
export function hookOwnLayers(): void {
  const {classNameMap} = serialization.SerializationMap.getMap();
  // A class of the user may have taken the name of one of the two.
  for (const name of ['Model', 'Sequential']) {
    const layersModel = definingClass(classNameMap[name]?.[0]);
    if (layersModel !== null) {
      hookLayers(layersModel);
      return;
    }
  }
}
