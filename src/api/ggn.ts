import {GramGaussNewton} from './gram_gauss_newton';
import type {GgnOptions} from './options';

/**
 * Makes a Gram-Gauss-Newton optimizer, to be used like the optimizers of `tf.train`.
 *
 * @param options - see {@link GgnOptions}. Without options, the policy `'auto'` sets learning rate,
 * damping and momentum.
 * @throws Error for an option that is unknown or out of range.
 * @example
 * ```ts
 * model.compile({optimizer: ggn(), loss: 'meanSquaredError'});
 * await model.fit(x, y, {batchSize: 128, epochs: 20});
 * ```
 * @public
 */
export function ggn(options: GgnOptions = {}): GramGaussNewton {
  return new GramGaussNewton(options);
}
