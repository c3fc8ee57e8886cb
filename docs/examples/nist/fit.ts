/** One fit: plain variables, a plain loop, and an honest word on how it ended. */
import * as tf from '@tensorflow/tfjs';
import type {GramGaussNewton} from 'tfjs-ggn';
import type {Dataset} from './data';
import type {Problem} from './problems';

/**
 * - `converged`: what is left to gain is at most 1e-8 of the loss, by the model without damping.
 * - `float32 limit`: the same, but rounding the data to float32 changes the residual sum of squares by more than 0.1 %: nothing certified can be reached.
 * - `stalled`: ten steps in a row were not taken.
 * - `step limit`.
 */
export type Ending = 'converged' | 'float32 limit' | 'stalled' | 'step limit';

export interface Fit {
  parameters: number[];
  /** Residual sum of squares at the parameters, in float64. */
  residual: number;
  steps: number;
  ending: Ending;
}

const REMAINING = 1e-8;
const NOT_TAKEN = 10;

/** Share of the residual sum of squares that is asked for. */
export const WITHIN = 1e-3;

export function fit({model, exact, target = y => y}: Problem, dataset: Dataset, start: number[], optimizer: GramGaussNewton, maxSteps: number): Fit {
  const targets = dataset.y.map(target);
  const [b, x, y] = [start.map(value => tf.variable(tf.scalar(value))), dataset.x.map(column => tf.tensor1d(column)), tf.tensor1d(targets)];
  const loss = (): tf.Scalar => model(b, x).sub(y).square().sum();

  let ending: Ending = 'step limit';
  let steps = 0;
  for (let notTaken = 0; steps < maxSteps && ending === 'step limit'; steps++) {
    optimizer.minimize(loss);
    notTaken = optimizer.lastStep!.stepNorm === 0 ? notTaken + 1 : 0;
    if (optimizer.remainingDecrease() <= REMAINING) {
      ending = 'converged';
    } else if (notTaken === NOT_TAKEN) {
      ending = 'stalled';
    }
  }

  const parameters = b.map(variable => variable.dataSync()[0]);
  tf.dispose([b, x, y]);
  const residual = residualSum(exact, parameters, dataset.x, targets);
  const rounding = targets.reduce((sum, value) => sum + (2 ** -24 * value) ** 2, 0);
  return {parameters, residual, steps, ending: ending === 'converged' && rounding > WITHIN * residual ? 'float32 limit' : ending};
}

/** Σ (ŷ - y)² in float64. */
export function residualSum(exact: Problem['exact'], parameters: number[], x: number[][], targets: number[]): number {
  return targets.reduce((sum, y, i) => sum + (exact(parameters, x.map(column => column[i])) - y) ** 2, 0);
}

/** Digits of agreement, -log10 of the relative error: from 0 to the 11 that NIST certifies. */
export function digits(value: number, certified: number): number {
  const error = Math.abs(value - certified) / Math.abs(certified);
  return Number.isNaN(error) ? 0 : Math.min(11, Math.max(0, -Math.log10(error)));
}

/** Digits of the worst parameter. */
export const digitsOfAll = (values: number[], certified: number[]): number => Math.min(...values.map((value, i) => digits(value, certified[i])));
