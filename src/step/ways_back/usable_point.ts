import {dispose, keep, type Tensor, type Variable} from '@tensorflow/tfjs-core';
import type {PolicyState} from '../../policy/policy_state';
import type {Trace} from '../../trace/trace';
import {lossAt} from './retreat';

/** A point from which a step was taken: its Jacobian could be used. */
interface Point {
  readonly variables: readonly Variable[];
  /** Handles on the data of the weights. */
  readonly weights: readonly Tensor[];
  /** The loss there. */
  readonly loss: number;
  /** The states of the policies, as if the step from there had been rejected. */
  readonly state: PolicyState;
}

/** Share of a loss by which two runs of the same kernels on the same data may differ. */
const SAME = 2 ** -20;

/**
 * The way back from weights whose Jacobian cannot be used: its entries, or products of them, are
 * not finite in float32. A trial cannot see all of this. `isDifferentiable` takes one reverse
 * sweep, and each system takes other products of the Jacobian. So the next step tells. If that step
 * cannot be solved, then the weights before it come back, and the policy counts the step that led
 * there as rejected.
 *
 * The point is kept for one step. It is not saved.
 */
export class UsablePoint {
  private point: Point | null = null;
  /** Identities of the data of the weights that the step from the point wrote, by variable. */
  private written: readonly object[] = [];

  /**
   * The point to go back to; null if the last step needs none or was not taken, if somebody else
   * has written the variables since, or if the loss of these data is another one at the point, as
   * of other data.
   */
  from(trace: Trace): Point | null {
    const {point, written} = this;
    if (point === null || point.variables.some((v, i) => v.isDisposed || v.dataId !== written[i]) ||
        point.weights.every(({dataId}, i) => dataId === written[i])) {
      return null;
    }
    return Math.abs(lossAt(trace, point) - point.loss) <= SAME * Math.abs(point.loss) ? point : null;
  }

  /**
   * Notes that a step has ended.
   *
   * @param point the point before the step, to go back to; its weights are kept. It is null if the
   * step needs none.
   */
  note(point: Point | null): void {
    this.end();
    this.point = point === null ? null : {...point, weights: point.weights.map(t => keep(t))};
    this.written = point === null ? [] : point.variables.map(v => v.dataId);
  }

  /** Frees the point. */
  end(): void {
    dispose([...this.point?.weights ?? []]);
    this.point = null;
  }
}
