import {BatchAxisLost, unlessLost} from '../trace/batch_axis';
import {markUnread} from '../errors';
import type {RowGroup, Rows} from '../loss/rows';
import {checkAdjoints, checkBatch} from './check/batch_check';
import {RESIDUAL, type Plan} from './plan/plan';
import type {PlanCache} from './plan/plan_cache';
import {explainLostAxis, readingsOf, type Reading} from './plan/readings';
import {rehearsedBatch} from './rehearsed_batch';
import type {FormedBatch, FormedFor} from './whole/formed_batch';

/** A batch that has passed the self-check, in this step or in an earlier one. */
interface CheckedBatch {
  readonly batch: FormedBatch;
  /** Whether the self-check ran in this step. */
  readonly isFresh: boolean;
}

/**
 * Linearizes the rows of one group by the plan that is known for them. If there is none, or if the
 * known plan fails a later check, the readings of the batch axis are tried.
 *
 * @param signature of the trace and the group, by which the plan is remembered.
 * @throws if no reading gives the right Jacobian.
 */
export function checkedBatch(rows: Rows, group: RowGroup, signature: string, cache: PlanCache, formedFor: FormedFor):
    CheckedBatch {
  return knownBatch(signature, cache, formedFor) ??
      {batch: readBatch(rows, group, signature, cache, formedFor), isFresh: true};
}

/**
 * By the plan that is known; null if there is none, or if a variable that it had not seen is wrong.
 */
function knownBatch(signature: string, cache: PlanCache, formedFor: FormedFor): CheckedBatch | null {
  const known = cache.get(signature);
  if (known === undefined) {
    return null;
  }
  const batch = rehearsedBatch(known.plan, formedFor);
  const isDue = known.seen.size < seeable(known.plan) && isPowerOfTwo(known.steps + 1);
  const failure = isDue ? checkBatch(batch, known.seen) : null;
  known.steps++;  // after the check, so that a step that runs out of memory starts again
  return failure === null ? {batch, isFresh: isDue} : null;
}

/** By the first reading of the batch axis that gives the right Jacobian. */
function readBatch(rows: Rows, group: RowGroup, signature: string, cache: PlanCache, formedFor: FormedFor):
    FormedBatch {
  const {trace, fitBatch, clock, system} = formedFor;
  let failure = null as (() => Error) | null;
  const failed = new Set<Failure>();
  const {readings, forward} = clock.time('linearize', () => readingsOf(trace, rows, group, fitBatch, system));
  const isForwardFirst = forward !== null && clock.time('linearize', () => forward.isBetter());
  for (const reading of isForwardFirst ? [forward, ...readings] : readings) {
    if (!isAllowed(reading, failed)) {
      continue;
    }
    const found = unlessLost<FormedBatch | null>(() => {
      const batch = rehearsedBatch(clock.time('linearize', () => reading.plan()), formedFor);
      const seen = new Set<number>();
      const problem = checkBatch(batch, seen);
      if (problem === null) {
        checkAdjoints(batch);
        cache.set(signature, {plan: batch.plan, seen, steps: 1});
        return batch;
      }
      failure = problem;
      failed.add('self-check');
      return null;
    }, lost => {
      failed.add(lost.reason);
      failure ??= () => explainLostAxis(lost, group.count);
      return null;
    });
    if (found !== null) {
      return found;
    }
  }
  throw markUnread(failure?.() ?? explainLostAxis(new BatchAxisLost(RESIDUAL, 'unknown'), group.count));
}

type Failure = BatchAxisLost['reason'] | 'self-check';

/** See {@link Reading.after}. */
const isAllowed = ({after}: Reading, failed: ReadonlySet<Failure>): boolean =>
  after === 'any' || (after === 'lost' ? !failed.has('self-check') : failed.has('reduces'));

/** Number of variables that the rows use. */
const seeable = (plan: Plan): number => plan.bySite.filter(({sites}) => sites.length > 0).length;

/** While some variables have not been seen, the check runs again on steps 2, 4, 8, ... */
const isPowerOfTwo = (n: number): boolean => (n & (n - 1)) === 0;
