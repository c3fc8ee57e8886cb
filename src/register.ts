import {serialization} from '@tensorflow/tfjs-core';
import type {Optimizer} from '@tensorflow/tfjs-core';
import {LayersModel} from '@tensorflow/tfjs-layers';
import {hookTrainStep} from './capture/train_step_hook';
import {ggnError} from './errors';
import {GramGaussNewton} from './gram_gauss_newton';

/**
 * The part of a copy of TensorFlow.js that {@link register} touches: the `tf` of a page or package.
 * @public
 */
export interface TfjsCopy {
  /** `tf.LayersModel`. */
  LayersModel: {prototype: unknown};
  /** `tf.serialization`. */
  serialization: {registerClass(cls: unknown): unknown};
}

/**
 * Makes another copy of TensorFlow.js know the optimizer: its `fit` then gives the batch to `ggn()`, and its
 * `loadLayersModel` loads models that were saved with it. Importing this package does the same for the copy that
 * it imports itself, so this is needed only where a page or bundle holds a second one. Idempotent, and without
 * effect on other optimizers.
 *
 * @param tf - the other copy, as in `register(tf)`.
 * @throws Error when it has no layers API.
 * @public
 */
export function register(tf: TfjsCopy): void {
  if (typeof tf?.LayersModel !== 'function' || typeof tf.serialization?.registerClass !== 'function') {
    throw ggnError('register() takes a copy of TensorFlow.js with the layers API, as in register(tf).');
  }
  tf.serialization.registerClass(GramGaussNewton);
  hookTrainStep(tf.LayersModel, isGgn);
}

/** By name, since two copies of this package may meet in one process. */
function isGgn(optimizer: Optimizer): boolean {
  return typeof optimizer.getClassName === 'function' && optimizer.getClassName() === GramGaussNewton.className;
}

/** Registers with the copy of tfjs that this package imports. */
export function registerOwnCopy(): void {
  register({LayersModel, serialization});
}
