import type {Observation} from '../policy/policy';
import type {StepPolicy} from '../policy/step_policy';
import type {Clock} from '../tfjs/clock';
import type {LocalModel} from './model/local_model';

/** Rows of one number of components, whose examples come one after the other. */
interface RowsOfGroup {
  /** n of the group: its examples times its components. */
  readonly count: number;
}

/** The batch of a step, as a policy observes it. */
interface ObservedBatch extends Pick<Observation, 'examples' | 'areResiduals'> {
  /** z of all rows; null for a loss that is no sum of squares. */
  readonly z: Float64Array | null;
  readonly groups: readonly RowsOfGroup[];
  /** B, the number of examples, of each group. */
  readonly examplesByGroup: readonly number[];
}

/**
 * Lets the policy observe the batch before the first solve, if the policy wants to.
 *
 * @returns the agreement of the batch with the last step; null if it is not observed or not known.
 */
export function observeBatch(policy: StepPolicy, model: LocalModel,
    {z, groups, examplesByGroup, examples, areResiduals}: ObservedBatch, clock: Clock): number | null {
  if (!policy.observes) {
    return null;
  }
  const agreement = model.agreement();
  const headroom = clock.time('solve', () => model.headroom(policy.settings.momentum));
  const squares = z === null ? null : squaresOf(z, groups, examplesByGroup);
  policy.observe({agreement, headroom, examples, areResiduals, squares});
  return agreement;
}

/** See `Observation.squares`. Rows of one example have no spread: their loss stands for it. */
function squaresOf(z: Float64Array, groups: readonly RowsOfGroup[], examplesByGroup: readonly number[]):
    {readonly loss: number; readonly spread: number} {
  let [first, loss, spread] = [0, 0, 0];
  groups.forEach(({count}, g) => {
    const components = count / examplesByGroup[g];
    for (let c = 0; c < components; c++) {
      let [sum, squares] = [0, 0];
      for (let i = first + c; i < first + count; i += components) {
        sum += z[i];
        squares += z[i] * z[i];
      }
      loss += squares / 2;
      spread += examplesByGroup[g] === 1 ? squares / 2 : Math.max(0, squares - sum * sum / examplesByGroup[g]) / 2;
    }
    first += count;
  });
  return {loss, spread};
}
