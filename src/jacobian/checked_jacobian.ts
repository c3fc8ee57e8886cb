import type {Tensor} from '@tensorflow/tfjs-core';
import {readingsOf, explainLostAxis} from './plan/readings';
import type {Trace} from '../trace/trace';
import type {TrainStep} from '../tfjs/train_step_hook';
import type {Clock} from '../tfjs/clock';
import {ggnError, markNonFinite} from '../errors';
import {noteTensor} from './whole/factorize';
import {failedCheck} from './check/failed_check';
import {adjointCheck} from './check/adjoint_check';
import {BatchAxisLost} from '../trace/batch_axis';
import type {BatchRows} from './sweep/batch_jacobian';
import {findFault} from './check/fault_search';
import {ChunkedJacobian, linearizeWhole, piecesOf, piecesWithin} from './whole/chunked_jacobian';
import {heldWhereMay, linearizedPiece} from './whole/held_pieces';
import type {BatchPiece, Linearized, Piece, JacobianOperator, Jacobian} from './whole/operator';
import {inScope} from '../tfjs/memory';
import {RESIDUAL} from './plan/plan';
import type {Plan} from './plan/plan';
import type {PlanCache} from './plan/plan_cache';
import {selfCheck} from './check/self_check';
import {checkStack, StackedJacobian} from './whole/stacked_jacobian';
import {explainNonFinite} from '../loss/non_finite';
import type {RowGroup, Rows} from '../loss/rows';
import type {ForEachRows} from './whole/dense_rows';
import {traceOf} from '../arrays/symmetric';
import {MAX_GRAM_ROWS} from '../solve/system';
import type {SystemName} from '../solve/system';

/** The Jacobian of a step that has passed the self-check, with its Gram matrices. */
export interface CheckedJacobian {
  /** By group of rows. */
  readonly plans: readonly Plan[];
  readonly jacobian: JacobianOperator;
  /**
   * Σ J_v J_vᵀ by group of variables, n x n in float64; formed on the first call. For the system `gram`. Their lower triangles are what counts: a backend
   * may add up an entry above the diagonal in another order than its mirror image.
   */
  grams(): readonly Float64Array[];
  /** The rows of J [n, m], m over all variables, in chunks. */
  readonly forEachRows: ForEachRows;
  /** The error that says why the Jacobian is not finite. */
  notFinite(): Error;
  /** The same as operators. */
  readonly pieces: readonly Piece[];
}

/** The batch Jacobian of one group of rows. */
interface CheckedBatch {
  readonly plan: Plan;
  /** Of the whole batch; null where it is taken in pieces. */
  readonly jacobian: BatchRows | null;
  readonly pieces: readonly BatchPiece[];
  readonly grams: () => readonly Float64Array[];
  /** Whether the self-check ran in this step. */
  readonly isFresh: boolean;
}

/**
 * Linearizes the rows, each group in the first way that works, and checks the result on the first step of every new
 * trace. A batch of many rows, or for the Gram system one whose linearization takes much of the memory, is taken in pieces, of which the first is checked.
 *
 * @param groupOf group of each variable of `rows.dependence`.
 * @throws when no way is right: the self-check fails, or the examples are lost and there are too many rows to go row by row.
 */
export function checkedJacobian(trace: Trace, rows: Rows, groupOf: readonly number[], step: TrainStep | null,
    cache: PlanCache, clock: Clock, system: SystemName = 'gram'): CheckedJacobian {
  // A saturated activation can hide an infinite input from the loss, not from here.
  const notFinite = (): Error =>
    markNonFinite(explainNonFinite('the Jacobian of the batch is not finite', trace, step, v => rows.dependence.variables.includes(v)));
  const readGrams = (jacobian: Jacobian): Float64Array[] => clock.time('gram', () => {
    const grams = jacobian.gram(groupOf).map(gram => {
      const entries = new Float64Array(gram.dataSync());
      noteTensor(entries, gram);
      return entries;
    });
    if (!grams.every(gram => Number.isFinite(traceOf(gram, jacobian.rows)))) {
      throw notFinite();
    }
    return grams;
  });
  const rowsOf = (pieces: readonly Piece[]): ForEachRows => visit => new ChunkedJacobian(pieces).forEach((part, from) => {
    let known: Tensor | undefined;
    const dense = (): Tensor => known ??= part.dense();
    visit({tensor: dense, read: () => {
      const entries = dense().dataSync() as Float32Array;
      if (!isFinite(entries)) {
        throw notFinite();
      }
      return entries;
    }}, from, part.rows);
  });
  const signature = `${trace.signature}\n${step === null ? 'loop' : 'fit'} ${system === 'gram' ? '' : 'parts '}${rows.dependence.variables.map(v => v.id).join()}`;
  const signatures = rows.groups.map(({blocks}, g) => `${signature} ${g} ${blocks.map(b => rows.blocks[b].value).join()}`);
  const batches = rows.groups.map((group, g) => checkedBatch(trace, rows, group, signatures[g], readGrams, step, cache, clock, system));
  const plans = batches.map(({plan}) => plan);
  if (batches.length === 1 && (batches[0].jacobian !== null || system !== 'gram')) {
    const [{jacobian, grams, pieces}] = batches;
    return {plans, jacobian: jacobian ?? new ChunkedJacobian(pieces), grams, pieces, notFinite, forEachRows: rowsOf(pieces)};
  }
  const unheld = batches.flatMap(batch => batch.pieces);
  const isWhole = batches.every(batch => batch.jacobian !== null);
  const pieces = system !== 'gram' || isWhole ? unheld : clock.time('linearize', () => heldWhereMay(unheld));
  if (system !== 'gram' && !isWhole) {
    return {plans, jacobian: new ChunkedJacobian(pieces), grams: () => [], pieces, notFinite, forEachRows: rowsOf(pieces)};
  }
  const jacobian = new StackedJacobian(pieces);
  let known: readonly Float64Array[] | null = null;
  const grams = (): readonly Float64Array[] => known ??= readGrams(jacobian);
  if (batches.some(batch => batch.isFresh)) {
    const isOne = batches.length === 1;
    const problem = clock.time('linearize', () => checkStack(jacobian, total(grams()), isOne ? 'pieces of the batch' : undefined));
    if (problem !== null) {
      signatures.forEach(signature => cache.delete(signature));
      throw ggnError(`the self-check of the Jacobian failed: ${problem}. ${isOne ? 'The first piece' : 'Each of these terms'} is right by itself. No step was taken. ` +
          `Please report the model; with ${isOne ? 'a larger memoryLimit, a smaller batchSize' : 'one minimize() for each term'}, or another optimizer, it will train.`);
    }
  }
  return {plans, jacobian, grams, pieces, notFinite, forEachRows: rowsOf(pieces)};
}

function checkedBatch(trace: Trace, rows: Rows, group: RowGroup, signature: string, readGrams: (jacobian: Jacobian) => Float64Array[],
    step: TrainStep | null, cache: PlanCache, clock: Clock, system: SystemName): CheckedBatch {
  const form = (plan: Plan): Omit<CheckedBatch, 'isFresh'> => {
    const pieces = clock.time('linearize', () => system === 'gram' ? piecesWithin(trace, plan) :
      piecesOf(trace, plan, system === 'cg' ? 0 : plan.analysis.variables.reduce((m, {size}) => m + size, 0)));
    if (pieces !== null) {
      return {plan, jacobian: null, pieces, grams: () => []};
    }
    const count = plan.analysis.batch * plan.components;
    if (count > MAX_GRAM_ROWS && plan.forward === undefined) {
      throw ggnError(`this step has ${count} rows (examples times outputs), and its examples cannot be taken in parts (tf.customGrad, tf.stridedSlice, and ` +
          `what repeats a parameter for each example stand against it): at most ${MAX_GRAM_ROWS} rows are possible then. Use a smaller batchSize.`);
    }
    const jacobian = clock.time('linearize', () => linearizeWhole(trace, plan));
    let grams: Float64Array[] | null = null;
    return {plan, jacobian, pieces: [linearizedPiece({trace, plan, jacobian})], grams: () => grams ??= readGrams(jacobian)};
  };
  const inspect = <T>({plan, jacobian, pieces, grams}: Omit<CheckedBatch, 'isFresh'>, look: (linearized: Linearized, grams: readonly Float64Array[] | null) => T): T => {
    if (jacobian !== null) {
      // The columns of a forward sweep are dense: a Gram matrix that nothing is solved with would prove nothing of them.
      return look({trace, plan, jacobian}, plan.forward !== undefined && system !== 'gram' ? null : grams());
    }
    return inScope(() => {
      const linearized = clock.time('linearize', () => pieces[0].head(CHECKED_ROWS).linearize());
      return look(linearized, readGrams(linearized.jacobian));
    });
  };
  const check = (formed: Omit<CheckedBatch, 'isFresh'>, seen: Set<number>): (() => Error) | null => inspect(formed, (linearized, grams) => {
    const {trace, plan, jacobian} = linearized;
    const problem = clock.time('linearize', () => selfCheck(trace, plan, jacobian, grams === null ? null : total(grams), seen));
    const explain = (): Error => failedCheck(problem, findFault(trace, plan, jacobian), trace, plan, step);
    if (problem === null || formed.jacobian !== null) {
      return problem === null ? null : explain;
    }
    const error = explain();  // now: the tensors of a piece are gone later
    return () => error;
  });
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
  const {readings, forward} = clock.time('linearize', () => readingsOf(trace, rows, group, step));
  const isForwardFirst = forward !== null && clock.time('linearize', () => forward.isBetter());
  for (const reading of isForwardFirst ? [forward, ...readings] : readings) {
    if ((reading.after === 'lost' && wrong.has('self-check')) || (reading.after === 'reduces' && !wrong.has('reduces'))) {
      continue;
    }
    try {
      const formed = form(clock.time('linearize', () => reading.plan()));
      const seen = new Set<number>();
      const problem = check(formed, seen);
      if (problem === null) {
        const fault = inspect(formed, part => clock.time('linearize', () => adjointCheck(part.trace, part.plan)));
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

/** Rows of the first piece that the checks look at: what they form is as large as many times these, and their Gram matrix. */
const CHECKED_ROWS = 512;

/** Number of variables that the rows use. */
const seeable = (plan: Plan): number => plan.bySite.filter(({sites}) => sites.length > 0).length;

/** While some variables have not been seen, the check runs again on steps 2, 4, 8, ... */
const isPowerOfTwo = (n: number): boolean => (n & (n - 1)) === 0;

/** Whether all are numbers: 0 · x is NaN for those that are not. In a loop, since there may be millions. */
function isFinite(entries: Float32Array): boolean {
  let sum = 0;
  for (let i = 0; i < entries.length; i++) {
    sum += 0 * entries[i];
  }
  return sum === 0;
}

/** Sum of the Gram matrices of all groups. */
export function total(grams: readonly Float64Array[]): Float64Array {
  return grams.length === 1 ? grams[0] : grams.reduce((sum, gram) => sum.map((x, i) => x + gram[i]));
}
