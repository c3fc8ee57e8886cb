import {fill, getBackend, ones} from '@tensorflow/tfjs-core';
import {SYSTEM_FACTS} from '../solve/system';
import {divisionOfLimit, inScope, mayBeWhole} from '../tfjs/memory';
import {rehearse} from '../tfjs/rehearsal';
import {outputsOf} from '../trace/kernel_outputs';
import {rehearseChecks} from './check/batch_check';
import {footprint} from './plan/footprint';
import type {Plan} from './plan/plan';
import {ChunkedJacobian} from './whole/chunked_jacobian';
import {crossGrams} from './whole/cross_gram';
import {formBatch, trialFloats, type FormedBatch, type FormedFor} from './whole/formed_batch';
import {StatisticsLinearization} from './whole/frozen_statistics';
import {heldEnds, heldInRehearsal} from './whole/held_pieces';
import type {Piece, PieceOperator} from './whole/operator';
import {rehearseStack} from './whole/stacked_jacobian';
import {gradientThroughStatistics} from './whole/statistics_gradient';
import {sweptFootprint} from './whole/swept_pieces';

/**
 * Kernels after which a rehearsal ends.
 *
 * Measured: 25 microseconds each, on WASM in Node.
 */
const MOST_KERNELS = 30_000;

/** A step takes less memory than this many times its footprint and its Gram matrix. */
const AMPLE = 8;

/** The divisions of the limit that a plan has been rehearsed with. */
const rehearsed = new WeakMap<Plan, Set<string>>();

/**
 * `formBatch`, after a rehearsal of the step. So a step that would exceed the memory limit late, in
 * its checks or in its products, is refused before anything is swept. A plan is rehearsed in the
 * first step that takes it, if its memory is not small against the limit.
 */
export function rehearsedBatch(plan: Plan, formedFor: FormedFor): FormedBatch {
  const key = `${getBackend()} ${formedFor.system} ${divisionOfLimit()}`;
  const done = rehearsed.get(plan) ?? new Set<string>();
  rehearsed.set(plan, done);
  if (!done.has(key)) {
    if (!hasAmpleMemory(plan, formedFor)) {
      rehearse(() => inScope(() => rehearseStep(plan, formedFor)), outputsOf, MOST_KERNELS);
    }
    done.add(key);
  }
  return formBatch(plan, formedFor);
}

function hasAmpleMemory(plan: Plan, {trace, system}: FormedFor): boolean {
  if (plan.products !== undefined) {
    const {floats, changes} = sweptFootprint(trace, plan);
    return mayBeWhole(AMPLE * (floats + changes));
  }
  const {most, changes} = footprint(trace, plan);
  const rows = plan.analysis.examples * plan.components;
  return mayBeWhole(AMPLE * (most + changes + (SYSTEM_FACTS[system].matrix === 'rows' ? rows ** 2 : 0)));
}

/**
 * The checks of a batch, the gradient through frozen statistics, the products that the system takes
 * with some of its pieces, and the trial of the step beside the held pieces.
 */
function rehearseStep(plan: Plan, formedFor: FormedFor): void {
  const batch = formBatch(plan, formedFor);
  const {whole, pieces} = batch;
  rehearseChecks(batch);
  const {matrix} = SYSTEM_FACTS[formedFor.system];
  if (matrix === 'rows' && whole === null) {
    rehearseCross(pieces, plan, formedFor);
  }
  const corrected = throughStatistics(batch);
  if (formedFor.products !== null) {
    formedFor.products(largestOf(pieces), () => heldEnds(corrected));
    fill([trialFloats(plan, formedFor)], 0);
  }
}

/** The pieces of a batch as a step takes them if statistics are frozen, with their gradient f. */
function throughStatistics(batch: FormedBatch): ReadonlyArray<Piece<PieceOperator>> {
  const {plan, jacobian: {rows}, formedFor: {trace, dependence, partOf}} = batch;
  const f = gradientThroughStatistics(trace, dependence, [plan]);
  if (f === null) {
    return batch.pieces;
  }
  const sizes = dependence.variables.map(({size}) => size);
  return new StatisticsLinearization(batch, new Float64Array(rows), f, partOf, sizes).pieces;
}

/**
 * The products of the Gram system with two pieces, beside the held pieces: the Gram matrices, the
 * change of the weights, and the trial.
 */
function rehearseCross(all: readonly Piece[], plan: Plan, formedFor: FormedFor): void {
  const {partOf} = formedFor;
  inScope(() => {
    const [first, second] = heldInRehearsal(all, largestOf(all.slice(1))).pieces;
    const total = all.reduce((sum, {rows}) => sum + rows, 0);
    const matrices = Math.max(...partOf) + 1;
    rehearseStack(all.map(({rows}) => rows), [first, second],
        {matrices, diagonal: own => own.gram(partOf), below: (own, other) => crossGrams(own, other, partOf)});
    inScope(() => {
      fill([matrices * total ** 2 + total], 0);  // the Gram matrices, and a vector of all rows
      const both = new ChunkedJacobian([first, second]);
      both.applyTranspose(ones([both.rows]));
    });
    fill([trialFloats(plan, formedFor)], 0);
  });
}

const largestOf = (pieces: readonly Piece[]): Piece => pieces.reduce((a, b) => b.rows > a.rows ? b : a);
