import type {Tensor, Variable} from '@tensorflow/tfjs-core';
import {flatten} from '../../systems/variable_vector';

/**
 * Largest change of a parameter by a step, as a multiple of the parameter. With this multiple, one
 * step makes a linear parameter right that starts at a third of its value.
 */
const MOST = 2;

/**
 * Share of the length of the residuals by which such a change must move them. A change that moves
 * them by less does no harm, for instance that of a parameter which happens to be near 0.
 */
const FELT = 0.1;

/**
 * Whether a step s = learningRate · d changes a parameter by more than twice its value, and by that
 * change alone moves the residuals by more than a tenth of them,
 *
 *     |s_j| > 2 |w_j|,     Σ_jj s_j² > 0.01 |z|²        Σ of Marquardt's damping
 *
 * Such a step flings parameters to values at which peaks lie far beyond the data, or exponentials
 * have no effect. So a loss that is lower there, even lower than the quadratic model promises, says
 * little. Each parameter counts by itself, since a large offset would hide the others. A parameter
 * that is 0 bounds nothing.
 *
 * Source: Moré 1978, whose first step is bounded by 100 times the parameters, in the norm of Σ.
 *
 * Measured: both constants were chosen on seeds 4 to 19 of `test/bench/curves`, and on starts near
 * 0, far away and of small networks; that bench has seeds 0 to 3.
 *
 * @param scale the diagonal of Σ (m), by parameter over all variables.
 * @param squares |z|², twice the loss of the rows.
 */
export function isFlung(scale: Float64Array, variables: readonly Variable[], d: readonly Tensor[], learningRate: number,
    squares: number): boolean {
  const [w, step] = [flatten(variables, variables), flatten(d, variables)];
  return scale.some((s, j) => {
    const change = learningRate * Math.abs(step[j]);
    return w[j] !== 0 && change > MOST * Math.abs(w[j]) && s * change ** 2 > FELT ** 2 * squares;
  });
}
