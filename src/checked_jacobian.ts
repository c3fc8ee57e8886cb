import type {Tensor} from '@tensorflow/tfjs-core';
import type {Trace} from './capture/trace';
import type {TrainStep} from './capture/train_step_hook';
import type {Clock} from './clock';
import {ggnError} from './errors';
import {BatchAxisLost} from './jacobian/batch_axis';
import type {BatchJacobian} from './jacobian/batch_jacobian';
import {linearize} from './jacobian/linearize';
import {RESIDUAL} from './jacobian/plan';
import type {Plan} from './jacobian/plan';
import type {PlanCache} from './jacobian/plan_cache';
import {selfCheck} from './jacobian/self_check';
import {explainNonFinite} from './non_finite';
import {explainLostAxis} from './rows';
import type {Rows} from './rows';
import {traceOf} from './solve/damping';

/** A batch Jacobian that has passed the self-check, with its Gram matrices. */
export interface CheckedJacobian {
  readonly plan: Plan;
  readonly jacobian: BatchJacobian;
  /** Σ J_v J_vᵀ by group of variables, n x n in float64, symmetric. */
  readonly grams: readonly Float64Array[];
}

/**
 * Linearizes the rows in the first way that works, and checks the result on the first step of every new trace.
 *
 * @param groupOf group of each variable of `rows.dependence`.
 * @throws when no way is right: the self-check fails, or the examples are lost and there are too many rows to go row by row.
 */
export function checkedJacobian(trace: Trace, rows: Rows, groupOf: readonly number[], step: TrainStep | null,
    cache: PlanCache, clock: Clock): CheckedJacobian {
  const form = (plan: Plan): CheckedJacobian => {
    const jacobian = clock.time('linearize', () => linearize(trace, plan));
    const grams = clock.time('gram', () => jacobian.gram(groupOf).map(readSymmetric));
    // A saturated activation can hide an infinite input from the loss, not from here.
    if (!grams.every(gram => Number.isFinite(traceOf(gram, jacobian.rows)))) {
      throw explainNonFinite('the Jacobian of the batch is not finite', trace, step, v => rows.dependence.variables.includes(v));
    }
    return {plan, jacobian, grams};
  };
  const signature = `${trace.signature}\n${step === null ? 'loop' : 'fit'} ${rows.dependence.variables.map(v => v.id).join()}`;
  const check = (formed: CheckedJacobian, seen: Set<number>): Error | null => {
    const problem = clock.time('linearize', () => selfCheck(trace, formed.plan, formed.jacobian, total(formed.grams), seen));
    return problem === null ? null : ggnError(`the self-check of the Jacobian failed: ${problem}. Either the model couples the ` +
        'examples of a batch in a way that was not noticed, or a rule of tfjs-ggn is wrong for one of its ops: please report the ' +
        'model. No step was taken; another optimizer will train it.');
  };
  const known = cache.get(signature);
  if (known !== undefined) {
    const formed = form(known.plan);
    known.steps++;
    const isDue = known.seen.size < seeable(known.plan) && isPowerOfTwo(known.steps);
    if (!isDue || check(formed, known.seen) === null) {
      return formed;
    }
    // What the first check could not see is wrong: all ways are tried again, and say so themselves.
  }
  let failure: Error | null = null;
  const wrong = new Set<BatchAxisLost['reason'] | 'self-check'>();
  for (const attempt of rows.attempts) {
    if ((attempt.after === 'lost' && wrong.has('self-check')) || (attempt.after === 'reduces' && !wrong.has('reduces'))) {
      continue;
    }
    try {
      const plan = clock.time('linearize', () => attempt.plan());
      const formed = form(plan);
      const seen = new Set<number>();
      const problem = check(formed, seen);
      if (problem === null) {
        cache.set(signature, {plan, seen, steps: 1});
        return formed;
      }
      failure = problem;
      wrong.add('self-check');
    } catch (error) {
      if (!(error instanceof BatchAxisLost)) {
        throw error;
      }
      wrong.add(error.reason);
      failure ??= explainLostAxis(error, rows.count);
    }
  }
  throw failure ?? explainLostAxis(new BatchAxisLost(RESIDUAL, 'unknown'), rows.count);
}

/** Number of variables that the rows use. */
const seeable = (plan: Plan): number => plan.bySite.filter(({sites}) => sites.length > 0).length;

/** While some variables have not been seen, the check runs again on steps 2, 4, 8, ... */
const isPowerOfTwo = (n: number): boolean => (n & (n - 1)) === 0;

function readSymmetric(gram: Tensor): Float64Array {
  const n = gram.shape[0];
  const read = gram.dataSync();
  const symmetric = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      symmetric[i * n + j] = symmetric[j * n + i] = (read[i * n + j] + read[j * n + i]) / 2;
    }
  }
  return symmetric;
}

/** Sum of the Gram matrices of all groups. */
export function total(grams: readonly Float64Array[]): Float64Array {
  return grams.length === 1 ? grams[0] : grams.reduce((sum, gram) => sum.map((x, i) => x + gram[i]));
}
