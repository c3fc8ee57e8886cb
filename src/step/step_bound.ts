import type {Tensor, Variable} from '@tensorflow/tfjs-core';
import {flatten} from '../systems/variable_vector';

/** The most that a step may be, as a multiple of the parameters: enough for one that starts at a third of its value, and linear, to be right at once. */
const MOST = 2;

/**
 * Whether a step is longer than twice the parameters, both measured by what they change in the residuals,
 *
 *     |d|_Σ > 2 |w|_Σ        |x|²_Σ = xᵀΣx,   Σ of Marquardt's damping
 *
 * There a loss that happens to be lower says little, unless the quadratic model is right about it: the parameters are flung to where peaks lie far beyond the data, and exponentials have no effect. Parameters
 * that are all 0 bound nothing.
 *
 * Source: Moré 1978, whose first step is bounded so, by a factor of 100; MINPACK asks for one of 0.1 to 100.
 *
 * @param scale the diagonal of Σ, by parameter over all variables.
 * @param learningRate what d is multiplied with.
 */
export function isFlung(scale: Float64Array, variables: readonly Variable[], d: readonly Tensor[], learningRate: number): boolean {
  const [w, step] = [flatten(variables, variables), flatten(d, variables)];
  const [ofParameters, ofStep] = [w, step].map(x => scale.reduce((sum, s, j) => sum + s * x[j] ** 2, 0));
  return ofParameters > 0 && learningRate ** 2 * ofStep > MOST ** 2 * ofParameters;
}
