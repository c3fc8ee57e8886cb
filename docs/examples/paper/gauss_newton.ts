/** The optimizers of ours that the experiments use, beside `ggn()` as it is. */
import {ggn} from 'tfjs-ggn';
import type {GramGaussNewton} from 'tfjs-ggn';

/**
 * The paper's method as its theorems have it: the whole Gauss-Newton step, w ← w - Jᵀ(JJᵀ)⁻¹(f - y). What float32 can't resolve is
 * damped all the same (status 'raised'), here by about 3e-7 of the mean eigenvalue of JJᵀ.
 */
export function undamped(): GramGaussNewton {
  return ggn({learningRate: 1, damping: 0, momentum: 0});
}

/** Less damping than by default: for targets without noise. */
export function lightlyDamped(learningRate: number): GramGaussNewton {
  return ggn({learningRate, damping: 0.01, momentum: 0.9});
}
