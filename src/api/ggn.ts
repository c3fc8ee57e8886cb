import {GramGaussNewton} from './gram_gauss_newton';
import type {GgnOptions} from './options';

/**
 * Makes a Gram-Gauss-Newton optimizer, which is used like the optimizers of `tf.train`.
 * {@link GramGaussNewton} has the formula of its step.
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
