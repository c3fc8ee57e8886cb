import {fill, getBackend, ones, tidy} from '@tensorflow/tfjs-core';
import {SYSTEM_FACTS} from '../solve/system';
import {divisionOfLimit, inScope, mayBeWhole} from '../tfjs/memory';
import {rehearse} from '../tfjs/rehearsal';
import {outputsOf} from '../trace/kernel_outputs';
import {rehearseChecks} from './check/batch_check';
import {footprint} from './plan/footprint';
import type {Plan} from './plan/plan';
import {ChunkedJacobian} from './whole/chunked_jacobian';
import {crossGrams} from './whole/cross_gram';
import {formBatch, trialFloats} from './whole/formed_batch';
import type {FormedBatch, FormedFor} from './whole/formed_batch';
import {heldEnds, heldInRehearsal} from './whole/held_pieces';
import type {Piece} from './whole/operator';
import {stackedFloats} from './whole/stacked_jacobian';
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
 * The checks of a batch, the products that the system takes with some of its pieces, the trial of
 * the step beside the held pieces, and the gradient through frozen statistics.
 */
function rehearseStep(plan: Plan, formedFor: FormedFor): void {
  const batch = formBatch(plan, formedFor);
  const {whole, pieces} = batch;
  rehearseChecks(batch);
  const {matrix} = SYSTEM_FACTS[formedFor.system];
  if (formedFor.products !== null) {
    inScope(() => {
      formedFor.products!(matrix === null ? heldEnds(pieces) : [largestOf(pieces)]);
      fill([trialFloats(plan, formedFor)], 0);
    });
  }
  if (matrix === 'rows' && whole === null) {
    rehearseCross(pieces, plan, formedFor);
  }
  tidy(() => void gradientThroughStatistics(formedFor.trace, formedFor.dependence, [plan]));
}

/**
 * The products of the Gram system with two pieces, beside the held pieces: those of each other,
 * with the blocks of the Gram matrices that are there when the last piece comes; the joining of the
 * blocks; the change of the weights; and the trial.
 */
function rehearseCross(all: readonly Piece[], plan: Plan, formedFor: FormedFor): void {
  const {partOf} = formedFor;
  inScope(() => {
    const [first, second] = heldInRehearsal(all[0], largestOf(all.slice(1)), all.length).pieces;
    let [n, entries] = [0, 0];
    for (const {rows} of all.slice(0, -1)) {
      n += rows;
      entries += rows * n;
    }
    const total = n + all.at(-1)!.rows;
    const parts = Math.max(...partOf) + 1;
    inScope(() => {
      fill([parts * entries], 0);
      const {jacobian} = second.linearize();
      inScope(() => crossGrams(jacobian, first.linearize().jacobian, partOf));
    });
    inScope(() => void fill([stackedFloats(all)], 0));
    inScope(() => {
      fill([parts * total ** 2 + total], 0);  // the Gram matrices, and a vector of all rows
      const both = new ChunkedJacobian([first, second]);
      both.applyTranspose(ones([both.rows]));
    });
    fill([trialFloats(plan, formedFor)], 0);
  });
}

const largestOf = (pieces: readonly Piece[]): Piece => pieces.reduce((a, b) => b.rows > a.rows ? b : a);
