/** One fit: plain variables, a plain loop, and an honest word on how it ended. */
import * as tf from '@tensorflow/tfjs';
import type {GramGaussNewton} from 'tfjs-ggn';
import type {Dataset} from './data';
import type {Problem} from './problems';

/**
 * - `converged`: as `optimizer.convergence()` says.
 * - `float32 limit`: the same, but already rounding the data to float32 changes the residual sum of squares by more than 0.1 %.
 * - `plateau`: stuck where some parameter has no effect: the loss is flat, and nothing says that the fit is good.
 * - `stalled`: stuck otherwise.
 * - `step limit`.
 */
export type Ending = 'converged' | 'float32 limit' | 'plateau' | 'stalled' | 'step limit';

export interface Fit {
  parameters: number[];
  /** Residual sum of squares at the parameters, in float64. */
  residual: number;
  steps: number;
  ending: Ending;
  /** Whether it counts as converged by the second rule, that nothing more came of 20 steps. */
  isByPatience: boolean;
}

/** Share of the residual sum of squares that is asked for. */
export const WITHIN = 1e-3;

export function fit({model, exact, target = y => y}: Problem, dataset: Dataset, start: number[], optimizer: GramGaussNewton, maxSteps: number): Fit {
  const targets = dataset.y.map(target);
  const b = tf.tidy(() => start.map(value => tf.variable(tf.scalar(value))));
  const [x, y] = [dataset.x.map(column => tf.tensor1d(column)), tf.tensor1d(targets)];
  const loss = (): tf.Scalar => model(b, x).sub(y).square().sum();

  let steps = 0;
  do {
    optimizer.minimize(loss);
    steps++;
  } while (optimizer.convergence().status === 'improving' && steps < maxSteps);
  const {status, reason, remaining} = optimizer.convergence();

  const parameters = b.map(variable => variable.dataSync()[0]);
  tf.dispose([b, x, y]);
  const residual = residualSum(exact, parameters, dataset.x, targets);
  const rounding = targets.reduce((sum, value) => sum + (2 ** -24 * value) ** 2, 0);
  const ending = status === 'improving' ? 'step limit' : status === 'stuck' ? /no effect/.test(reason) ? 'plateau' : 'stalled' : rounding > WITHIN * residual ? 'float32 limit' : status;
  return {parameters, residual, steps, ending, isByPatience: !(remaining <= 1e-8)};
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
