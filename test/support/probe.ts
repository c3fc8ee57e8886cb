/** A look inside one step, which is not taken: the trace, the rows and the Jacobian. */
import * as tf from '@tensorflow/tfjs';
import {capture, discard} from '../../src/trace/capture';
import type {Trace} from '../../src/trace/trace';
import type {TrainStep} from '../../src/tfjs/train_step_hook';
import {trainStepOf} from '../../src/tfjs/train_step_hook';
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
  step: TrainStep | null;
  residual: Float64Array;
  weight: Float64Array;
}

/** An optimizer that shows the step to `look` and takes none. */
export class Probe extends GramGaussNewton {
  constructor(private readonly look: (look: Look) => void) {
    super();
  }

  override minimize(f: () => tf.Scalar, returnCost = false, varList?: tf.Variable[]): tf.Scalar | null {
    const context = trainStepOf(this);
    const cost = tf.tidy(() => {
      const {cost, trace} = capture(f, context?.targets);
      try {
        const rows = findRows(trace, v => v.trainable && (varList === undefined || varList.includes(v)), context);
        const {plans, linearization} = checkedJacobian(trace, rows, rows.dependence.variables.map(() => 0), context, new PlanCache(), new Clock());
        const {residual, weight} = readResiduals(trace, rows, plans.map(({analysis}) => analysis.batch));
        const checked = {plan: plans[0], plans, jacobian: linearization.jacobian as BatchJacobian, grams: linearization.grams()};
        this.look({trace, rows, step: context, checked, variables: rows.dependence.variables, residual, weight});
      } catch (error) {
        discard(trace, context?.targets ?? []);
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
