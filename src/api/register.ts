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
 * Makes another copy of TensorFlow.js know the optimizer: `fit` of the copy then gives its batches
 * to `ggn()`, and `loadLayersModel` loads models that were saved with the optimizer.
 *
 * The copy that this package imports itself is registered by the import of this package, and by
 * each new optimizer. So this call is needed only if a page or a bundle holds a second copy.
 * Idempotent, and without effect on other optimizers.
 *
 * @param tf - the other copy, as in `register(tf)`.
 * @throws Error for a copy without the layers API.
 * @public
 */
export function register(tf: TfjsCopy): void {
  if (typeof tf?.LayersModel !== 'function' || typeof tf.serialization?.registerClass !== 'function') {
    throw ggnError('register() takes a copy of TensorFlow.js with the layers API, as in register(tf).');
  }
  tf.serialization.registerClass(GramGaussNewton);
  hookLayers(tf.LayersModel);
}

/**
 * Registers the optimizer with the tfjs-core that this package imports, and hooks the tfjs-layers
 * beside it. Without tfjs-layers the optimizer serves custom loops.
 */
export function registerOwnCopy(): void {
  serialization.registerClass(GramGaussNewton);
  hookOwnLayers();
}
