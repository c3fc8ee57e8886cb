/** A look inside one step, which is not taken: the trace, the rows and the Jacobian. */
import * as tf from '@tensorflow/tfjs';
import {capture, discard} from '../../src/trace/capture';
import type {Trace} from '../../src/trace/trace';
import type {FitBatch} from '../../src/tfjs/fit_batch_hook';
import {fitBatchOf} from '../../src/tfjs/fit_batch_hook';
import {checkedJacobian} from '../../src/jacobian/checked_jacobian';
import {Clock} from '../../src/tfjs/clock';
import {GramGaussNewton} from '../../src/index';
import type {BatchJacobian} from '../../src/jacobian/sweep/batch_jacobian';
import type {Plan} from '../../src/jacobian/plan/plan';
import {PlanCache} from '../../src/jacobian/plan/plan_cache';
import {findRows, readResiduals} from '../../src/loss/rows';
import type {Rows} from '../../src/loss/rows';

export interface Look {
  trace: Trace;
  rows: Rows;
  /** By the only group of rows: for terms of different sizes see `plans`, and the jacobian is a StackedJacobian. */
  checked: {plan: Plan; plans: readonly Plan[]; jacobian: BatchJacobian; grams: readonly Float64Array[]};
  variables: readonly tf.Variable[];
  /** The step of `fit`; null in a custom loop. */
  fitBatch: FitBatch | null;
  residual: Float64Array;
  weight: Float64Array;
}

/** An optimizer that shows the step to `look` and takes none. */
export class Probe extends GramGaussNewton {
  constructor(private readonly look: (look: Look) => void) {
    super();
  }

  override minimize(f: () => tf.Scalar, returnCost = false, varList?: tf.Variable[]): tf.Scalar | null {
    const fitBatch = fitBatchOf(this);
    const cost = tf.tidy(() => {
      const {cost, trace} = capture(f, fitBatch?.targets);
      try {
        const rows = findRows(trace, v => v.trainable && (varList === undefined || varList.includes(v)), fitBatch);
        const {plans, linearization} = checkedJacobian(trace, rows, rows.dependence.variables.map(() => 0), fitBatch, new PlanCache(), new Clock(), 'gram');
        const {residual, weight} = readResiduals(trace, rows, plans.map(({analysis}) => analysis.examples));
        const checked = {plan: plans[0], plans, jacobian: linearization.jacobian as BatchJacobian, grams: linearization.grams()};
        this.look({trace, rows, fitBatch: fitBatch, checked, variables: rows.dependence.variables, residual, weight});
      } catch (error) {
        discard(trace, fitBatch?.targets ?? []);
        throw error;
      }
      trace.dispose();
      return cost;
    });
    if (returnCost) {
      return cost;
    }
    cost.dispose();
    return null;
  }
}
