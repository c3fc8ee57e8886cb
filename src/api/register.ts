import {serialization} from '@tensorflow/tfjs-core';
import {ggnError} from '../errors';
import {GramGaussNewton} from './gram_gauss_newton';
import {hookLayers, hookOwnLayers} from './hook_layers';

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
 * `loadLayersModel` loads models that were saved with it. Importing this package and making an optimizer do the same for the copy
 * that it imports itself, so this is needed only where a page or bundle holds a second one. Idempotent, and without
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
  hookLayers(tf.LayersModel);
}

/** Registers with the tfjs-core that this package imports, and hooks the tfjs-layers beside it; without one the optimizer serves custom loops. */
export function registerOwnCopy(): void {
  serialization.registerClass(GramGaussNewton);
  hookOwnLayers();
}
