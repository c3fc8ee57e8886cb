import type {Tensor, Variable} from '@tensorflow/tfjs-core';
import {flatten} from '../systems/variable_vector';

/** The most that a step may change a parameter by, as a multiple of it: enough for one that starts at a third of its value, and linear, to be right at once. */
const MOST = 2;

/** Share of the length of the residuals that such a change must make in them: one that makes less does no harm, as that of a parameter which happens to be near 0. */
const FELT = 0.1;

/**
 * Whether a step changes a parameter by more than twice its value, and the residuals by that alone as much as a tenth of them,
 *
 *     |d_j| > 2 |w_j|,     Σ_jj d_j² > 0.01 |z|²        Σ of Marquardt's damping
 *
 * There a loss that happens to be lower, or even lower than the quadratic model says, says little: parameters are flung to where peaks lie far beyond the data, and
 * exponentials have no effect. Each parameter counts by itself, since a large offset would hide the others. A parameter that is 0 bounds nothing.
 *
 * Both constants were chosen on seeds 4 to 19 of `test/bench/curves`, and on starts near 0, far away and of small networks; that bench has seeds 0 to 3.
 *
 * Source: Moré 1978, whose first step is bounded by 100 times the parameters, in the norm of Σ.
 *
 * @param scale the diagonal of Σ, by parameter over all variables.
 * @param learningRate what d is multiplied with.
 * @param squares |z|², twice the loss of the rows.
 */
export function isFlung(scale: Float64Array, variables: readonly Variable[], d: readonly Tensor[], learningRate: number, squares: number): boolean {
  const [w, step] = [flatten(variables, variables), flatten(d, variables)];
  return scale.some((s, j) => {
    const change = learningRate * Math.abs(step[j]);
    return w[j] !== 0 && change > MOST * Math.abs(w[j]) && s * change ** 2 > FELT ** 2 * squares;
  });
}
