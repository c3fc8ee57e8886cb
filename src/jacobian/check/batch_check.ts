import {SAMPLE_ROWS, takesGram} from '../../solve/system';
import {inScope} from '../../tfjs/memory';
import {readGrams, type FormedBatch} from '../whole/formed_batch';
import {adjointCheck} from './adjoint_check';
import type {Linearized} from '../whole/operator';
import {failedCheck} from './failed_check';
import {findFault} from './fault_search';
import {rehearseSelfCheck, selfCheck} from './self_check';

/**
 * Rows of the first piece that the checks look at. The checks make tensors of many times the size
 * of these rows, and their Gram matrix.
 */
const CHECKED_ROWS = 512;

/**
 * The self-check of a formed batch; of a batch in pieces, that of the first rows.
 *
 * @param seen gets the indices of the variables that were large enough in Jᵀu to tell.
 * @returns null, or a function that makes the error of the failed check.
 */
export function checkBatch(batch: FormedBatch, seen: Set<number>): (() => Error) | null {
  const {formedFor: {clock, fitBatch}} = batch;
  return inspect(batch, (linearized, grams) => {
    const {trace, plan, jacobian} = linearized;
    const gram = grams === null ? null : sumOfParts(grams());
    const problem = clock.time('linearize', () => selfCheck(trace, plan, jacobian, gram, seen));
    if (problem === null) {
      return null;
    }
    const explain = (): Error => failedCheck(problem, findFault(trace, plan, jacobian), trace, plan, fitBatch);
    if (batch.whole !== null) {
      return explain;
    }
    const error = explain();  // made at once, since the tensors of a piece do not outlive its scope
    return () => error;
  });
}

/** Takes the products of `checkBatch` and of `checkAdjoints`, without a verdict on them. */
export function rehearseChecks(batch: FormedBatch): void {
  inspect(batch, ({trace, plan, jacobian}, grams) => {
    grams?.();
    rehearseSelfCheck(trace, plan, jacobian, grams !== null);
    adjointCheck(trace, plan);
  });
}

/**
 * Tests the gradients of our own that the self-check uses on both sides.
 *
 * @throws if one is wrong.
 */
export function checkAdjoints(batch: FormedBatch): void {
  const {plan, formedFor: {trace, fitBatch, clock}} = batch;
  const fault = inspect(batch, part => clock.time('linearize', () => adjointCheck(part.trace, part.plan)));
  if (fault !== null) {
    throw failedCheck(null, fault, trace, plan, fitBatch);
  }
}

/**
 * Shows the rows that the checks look at, with their Gram matrices; null if those prove nothing.
 */
function inspect<T>({plan, whole, pieces, grams, formedFor}: FormedBatch,
    look: (linearized: Linearized, grams: (() => readonly Float64Array[]) | null) => T): T {
  const {trace, clock, system} = formedFor;
  // The columns of a forward sweep are dense: their Gram matrix proves nothing of them. Systems
  // other than the Gram system do not use it, nor that of more rows than a sample has.
  const isWanted = (rows: number): boolean =>
    takesGram(system) || (plan.forward === undefined && plan.products === undefined && rows <= SAMPLE_ROWS);
  if (whole !== null) {
    return look({trace, plan, jacobian: whole}, isWanted(whole.rows) ? grams : null);
  }
  return inScope(() => {
    const linearized = clock.time('linearize', () => pieces[0].head(CHECKED_ROWS).linearize());
    const {jacobian} = linearized;
    return look(linearized, isWanted(jacobian.rows) ? () => readGrams(jacobian, formedFor) : null);
  });
}

/** Sum of the Gram matrices of all parts of ρ. */
export function sumOfParts(grams: readonly Float64Array[]): Float64Array {
  return grams.length === 1 ? grams[0] : grams.reduce((sum, gram) => sum.map((x, i) => x + gram[i]));
}
