import type {Tensor} from '@tensorflow/tfjs-core';
import {explainLostAxis} from './attempts';
import type {Trace} from './capture/trace';
import type {TrainStep} from './capture/train_step_hook';
import type {Clock} from './clock';
import {ggnError} from './errors';
import {failedCheck} from './failed_check';
import {adjointCheck} from './jacobian/adjoint_check';
import {BatchAxisLost} from './jacobian/batch_axis';
import type {BatchJacobian} from './jacobian/batch_jacobian';
import {findFault} from './jacobian/fault_search';
import {linearize} from './jacobian/linearize';
import {RESIDUAL} from './jacobian/plan';
import type {Plan} from './jacobian/plan';
import type {PlanCache} from './jacobian/plan_cache';
import {selfCheck} from './jacobian/self_check';
import {checkStack, StackedJacobian} from './jacobian/stacked_jacobian';
import type {Jacobian} from './jacobian/stacked_jacobian';
import {explainNonFinite} from './non_finite';
import type {RowGroup, Rows} from './rows';
import {traceOf} from './solve/damping';

/** The Jacobian of a step that has passed the self-check, with its Gram matrices. */
export interface CheckedJacobian {
  /** By group of rows. */
  readonly plans: readonly Plan[];
  readonly jacobian: Jacobian;
  /** Σ J_v J_vᵀ by group of variables, n x n in float64, symmetric; formed on the first call. */
  grams(): readonly Float64Array[];
  /** J [n, m], row-major; m over all variables. */
  dense(): Float32Array;
}

/** The batch Jacobian of one group of rows. */
interface CheckedBatch {
  readonly plan: Plan;
  readonly jacobian: BatchJacobian;
  readonly grams: () => readonly Float64Array[];
  /** Whether the self-check ran in this step. */
  readonly isFresh: boolean;
}

/**
 * Linearizes the rows, each group in the first way that works, and checks the result on the first step of every new
 * trace.
 *
 * @param groupOf group of each variable of `rows.dependence`.
 * @throws when no way is right: the self-check fails, or the examples are lost and there are too many rows to go row by row.
 */
export function checkedJacobian(trace: Trace, rows: Rows, groupOf: readonly number[], step: TrainStep | null,
    cache: PlanCache, clock: Clock): CheckedJacobian {
  // A saturated activation can hide an infinite input from the loss, not from here.
  const notFinite = (): Error =>
    explainNonFinite('the Jacobian of the batch is not finite', trace, step, v => rows.dependence.variables.includes(v));
  const readGrams = (jacobian: Jacobian): Float64Array[] => clock.time('gram', () => {
    const grams = jacobian.gram(groupOf).map(readSymmetric);
    if (!grams.every(gram => Number.isFinite(traceOf(gram, jacobian.rows)))) {
      throw notFinite();
    }
    return grams;
  });
  const denseOf = (jacobian: Jacobian) => (): Float32Array => {
    const dense = jacobian.dense();
    const entries = dense.dataSync() as Float32Array;
    dense.dispose();
    if (!entries.every(Number.isFinite)) {
      throw notFinite();
    }
    return entries;
  };
  const signature = `${trace.signature}\n${step === null ? 'loop' : 'fit'} ${rows.dependence.variables.map(v => v.id).join()}`;
  const signatures = rows.groups.map(({blocks}, g) => `${signature} ${g} ${blocks.map(b => rows.blocks[b].value).join()}`);
  const batches = rows.groups.map((group, g) => checkedBatch(trace, group, signatures[g], readGrams, step, cache, clock));
  const plans = batches.map(({plan}) => plan);
  if (batches.length === 1) {
    const [{jacobian, grams}] = batches;
    return {plans, jacobian, grams, dense: denseOf(jacobian)};
  }
  const jacobian = new StackedJacobian(batches.map(batch => batch.jacobian));
  let known: readonly Float64Array[] | null = null;
  const grams = (): readonly Float64Array[] => known ??= readGrams(jacobian);
  if (batches.some(batch => batch.isFresh)) {
    const problem = clock.time('linearize', () => checkStack(jacobian, total(grams())));
    if (problem !== null) {
      signatures.forEach(signature => cache.delete(signature));
      throw ggnError(`the self-check of the Jacobian failed: ${problem}. Each of these terms is right by itself. No step was taken. Please ` +
          'report the model; with one minimize() for each term, or another optimizer, it will train.');
    }
  }
  return {plans, jacobian, grams, dense: denseOf(jacobian)};
}

function checkedBatch(trace: Trace, group: RowGroup, signature: string, readGrams: (jacobian: Jacobian) => Float64Array[],
    step: TrainStep | null, cache: PlanCache, clock: Clock): CheckedBatch {
  const form = (plan: Plan): Omit<CheckedBatch, 'isFresh'> => {
    const jacobian = clock.time('linearize', () => linearize(trace, plan));
    let grams: Float64Array[] | null = null;
    return {plan, jacobian, grams: () => grams ??= readGrams(jacobian)};
  };
  const check = ({plan, jacobian, grams}: Omit<CheckedBatch, 'isFresh'>, seen: Set<number>): (() => Error) | null => {
    const gram = total(grams());
    const problem = clock.time('linearize', () => selfCheck(trace, plan, jacobian, gram, seen));
    return problem === null ? null : () => failedCheck(problem, findFault(trace, plan, jacobian), trace, plan, step);
  };
  const known = cache.get(signature);
  if (known !== undefined) {
    const formed = form(known.plan);
    const isDue = known.seen.size < seeable(known.plan) && isPowerOfTwo(known.steps + 1);
    const problem = isDue ? check(formed, known.seen) : null;
    known.steps++;  // counted when the check is done: a step that runs out of memory starts again
    if (problem === null) {
      return {...formed, isFresh: isDue};
    }
    // What the first check could not see is wrong: all ways are tried again, and say so themselves.
  }
  let failure: (() => Error) | null = null;
  const wrong = new Set<BatchAxisLost['reason'] | 'self-check'>();
  for (const attempt of group.attempts) {
    if ((attempt.after === 'lost' && wrong.has('self-check')) || (attempt.after === 'reduces' && !wrong.has('reduces'))) {
      continue;
    }
    try {
      const formed = form(clock.time('linearize', () => attempt.plan()));
      const seen = new Set<number>();
      const problem = check(formed, seen);
      if (problem === null) {
        const fault = clock.time('linearize', () => adjointCheck(trace, formed.plan));
        if (fault !== null) {
          throw failedCheck(null, fault, trace, formed.plan, step);
        }
        cache.set(signature, {plan: formed.plan, seen, steps: 1});
        return {...formed, isFresh: true};
      }
      failure = problem;
      wrong.add('self-check');
    } catch (error) {
      if (!(error instanceof BatchAxisLost)) {
        throw error;
      }
      wrong.add(error.reason);
      failure ??= () => explainLostAxis(error, group.count);
    }
  }
  throw failure?.() ?? explainLostAxis(new BatchAxisLost(RESIDUAL, 'unknown'), group.count);
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
