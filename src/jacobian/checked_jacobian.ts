import type {Trace} from '../trace/trace';
import type {FitBatch} from '../tfjs/fit_batch_hook';
import type {Clock} from '../tfjs/clock';
import {ggnError, markNonFinite} from '../errors';
import {sumOfParts} from './check/batch_check';
import {checkStack} from './check/stack_check';
import {checkedBatch} from './checked_batch';
import {ChunkedJacobian} from './whole/chunked_jacobian';
import {readGrams, type FormedFor} from './whole/formed_batch';
import {heldWhereMay} from './whole/held_pieces';
import {RowsLinearization, type Linearization} from './whole/linearization';
import type {Plan} from './plan/plan';
import type {PlanCache} from './plan/plan_cache';
import {StackedJacobian} from './whole/stacked_jacobian';
import {explainNonFinite} from '../loss/non_finite';
import type {Rows} from '../loss/rows';
import {SYSTEM_FACTS, takesGram, type SystemName} from '../solve/system';

/** The Jacobian of a step that has passed the self-check. */
export interface CheckedJacobian {
  /** The plans by which the rows were linearized, by group of rows. */
  readonly plans: readonly Plan[];
  readonly linearization: Linearization;
}

/**
 * Linearizes the rows, each group by the first reading of the batch axis that works, and checks the
 * result on the first step of every new trace. A batch is taken in pieces, of which the first is
 * checked, if it has many rows or, for the Gram system, if its linearization takes much of the
 * memory.
 *
 * @param partOf part of ρ of each variable of `rows.dependence`.
 * @param later the stages of the step that come after the Jacobian, see `FormedFor`.
 * @throws if no reading is right: the self-check fails, or the examples are lost and there are too
 * many rows to go row by row.
 */
export function checkedJacobian(trace: Trace, rows: Rows, partOf: readonly number[], fitBatch: FitBatch | null,
    cache: PlanCache, clock: Clock, system: SystemName,
    later: Pick<FormedFor, 'trial' | 'products'> = {trial: null, products: null}): CheckedJacobian {
  const {dependence} = rows;
  const {variables} = dependence;
  // A saturated activation can hide an infinite input from the loss, but not from the Jacobian.
  const notFinite = (): Error => markNonFinite(
      explainNonFinite('the Jacobian of the batch is not finite', trace, fitBatch, v => variables.includes(v)));
  const formedFor: FormedFor = {trace, fitBatch, partOf, system, clock, dependence, notFinite, ...later};
  const signatures = signaturesOf(formedFor, rows);
  const checked = rows.groups.map((group, g) => checkedBatch(rows, group, signatures[g], cache, formedFor));
  const batches = checked.map(({batch}) => batch);
  const plans = batches.map(({plan}) => plan);
  const isOne = batches.length === 1;
  const isWhole = batches.every(({whole}) => whole !== null);
  if (isOne && (isWhole || !takesGram(system))) {
    return {plans, linearization: batches[0]};
  }
  const unheld = batches.flatMap(({pieces}) => pieces);
  if (!takesGram(system) && !isWhole) {
    return {plans, linearization: new RowsLinearization(new ChunkedJacobian(unheld), unheld, () => [], notFinite)};
  }
  const pieces = isWhole ? unheld : clock.time('linearize', () => heldWhereMay(unheld));
  const jacobian = new StackedJacobian(pieces);
  const linearization = new RowsLinearization(jacobian, pieces, () => readGrams(jacobian, formedFor), notFinite);
  if (checked.some(({isFresh}) => isFresh)) {
    const gram = sumOfParts(linearization.grams());
    const parts = isOne ? 'pieces of the batch' : 'terms of different sizes';
    const problem = clock.time('linearize', () => checkStack(jacobian, gram, parts));
    if (problem !== null) {
      signatures.forEach(signature => cache.delete(signature));
      throw stackError(problem, isOne);
    }
  }
  return {plans, linearization};
}

/** The keys of the plans in the cache, by group of rows. */
function signaturesOf({trace, fitBatch, system}: FormedFor, {dependence, groups, blocks: all}: Rows): string[] {
  const way = `${fitBatch === null ? 'loop' : 'fit'} ${SYSTEM_FACTS[system].matrix ?? 'products'}`;
  const start = `${trace.signature}\n${way} `;
  const variables = dependence.variables.map(v => v.id).join();
  return groups.map(({blocks}, g) => `${start}${variables} ${g} ${blocks.map(b => all[b].value).join()}`);
}

function stackError(problem: string, isOne: boolean): Error {
  const right = isOne ? 'The first piece' : 'Each of these terms';
  const advice = isOne ? 'a larger memoryLimit, a smaller batchSize' : 'one minimize() for each term';
  return ggnError(`the self-check of the Jacobian failed: ${problem}. ${right} is right by itself. ` +
      `No step was taken. Please report the model; with ${advice}, or another optimizer, it will train.`);
}
