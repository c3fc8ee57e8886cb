/** Follows an optimizer in a custom loop: every step, momentum included, against the dense reference. */
import * as tf from '@tensorflow/tfjs';
import type {ExecutionContext} from 'ava';
import {ggn, type GramGaussNewton} from '../../src/index';
import {denseJacobian, referenceStep} from '../reference/dense_jacobian';
import type {DenseJacobian} from '../reference/dense_jacobian';
import {relativeError} from './relative_error';
import {flat} from './tensors';

export interface Loop {
  variables: tf.Variable[];
  loss: () => tf.Scalar;
  /** Residuals in any order, by ops that tfjs differentiates rightly; */
  rows?: () => tf.Tensor;
  /** or their Jacobian from elsewhere. */
  dense?: () => DenseJacobian;
  /** Weight of each; by default one over their number. */
  weights?: number[];
  varList?: tf.Variable[];
  jacobian?: 'batch' | 'forward' | 'rowByRow';
  tolerance?: number;
  /** ρ of the L2 regularizers beside the rows, by parameter, and their gradient. */
  ridge?: () => {rho: Float64Array; gradient: Float64Array};
}

/** Takes full steps with momentum and compares each with the reference. */
export class Follower {
  readonly optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0.5, scaling: 'levenberg'});
  private previous: Float64Array | null = null;

  constructor(private readonly t: ExecutionContext) {}

  step({variables, loss, rows, dense, weights, varList, jacobian: way = 'batch', tolerance = 2e-4, ridge}: Loop): void {
    const {t, optimizer} = this;
    const {jacobian, rows: residual, n, m} = dense === undefined ? denseJacobian(rows!, variables) : dense();
    const extra = ridge?.();
    const expected = referenceStep({jacobian, n, m, residual, weights: Float64Array.from(weights ?? new Array<number>(n).fill(1 / n)), damping: 0.1,
      momentum: 0.5, previous: this.previous, ridge: extra?.rho ?? null, extraGradient: extra?.gradient ?? null});
    const before = flat(variables);
    const {numTensors} = tf.memory();
    const first = optimizer.lastStep === null;
    const cost = optimizer.minimize(loss, true, varList)!;
    const [value] = cost.dataSync();
    cost.dispose();
    t.is(tf.memory().numTensors - numTensors, first ? variables.length : 0, 'tensors: the last step of each variable, from the first step on');
    const report = optimizer.lastStep!;
    t.is(report.status, 'ok');
    t.is(report.loss, value);
    t.is(report.rows, n);
    t.is(report.parameters, m);
    t.is(report.jacobian, way);
    t.true(Math.abs(report.lambda / expected.lambda - 1) < 1e-4, 'lambda');
    const change = flat(variables).map((w, i) => w - before[i]);
    t.true(relativeError(change, expected.step) < tolerance, `step: ${relativeError(change, expected.step)}`);
    this.previous = expected.step;
  }
}

export function follow(t: ExecutionContext, loop: Loop, steps = 3): GramGaussNewton {
  const follower = new Follower(t);
  for (let i = 0; i < steps; i++) {
    follower.step(loop);
  }
  return follower.optimizer;
}
