import {totalSize} from '../../arrays/vectors';
import type {Dependence} from '../../trace/dependence';
import type {Trace} from '../../trace/trace';
import type {FitBatch} from '../../tfjs/fit_batch_hook';
import type {Clock} from '../../tfjs/clock';
import {checkRoom} from '../../tfjs/memory';
import {traceOf} from '../../arrays/symmetric';
import {SYSTEM_FACTS, type SystemName} from '../../solve/system';
import type {Plan} from '../plan/plan';
import type {BatchRows} from '../sweep/batch_jacobian';
import {ChunkedJacobian} from './chunked_jacobian';
import {noteTensor} from './factorize';
import {linearizedPiece} from './held_pieces';
import {RowsLinearization} from './linearization';
import type {BatchPiece, Jacobian, Piece, PieceOperator} from './operator';
import {linearizeWhole, piecesOf, piecesWithin} from './pieces';
import {stackedFloats} from './stacked_jacobian';
import {sweptPieces} from './swept_pieces';

/** The step that a Jacobian is formed for. */
export interface FormedFor {
  readonly trace: Trace;
  /** The step of `fit`; null in a custom loop. */
  readonly fitBatch: FitBatch | null;
  /** Part of ρ of each variable: the variables of one part share a Gram matrix. */
  readonly partOf: readonly number[];
  readonly system: SystemName;
  readonly clock: Clock;
  /** Counts the floats that the trial of the step holds at once; null without a trial. */
  readonly trial: (() => number) | null;
  /**
   * Takes the products of the system with some pieces of J, in a rehearsal of the step: with the
   * largest piece, or with those of `heldEnds`. null for the Gram system, which takes them of all
   * pieces.
   */
  readonly products: ((largest: Piece, ends: () => ReadonlyArray<Piece<PieceOperator>>) => void) | null;
  readonly dependence: Dependence;
  /** The error that says why the Jacobian is not finite. */
  readonly notFinite: () => Error;
}

/** The rows of one group, linearized by a plan: all at once, or in pieces of the batch. */
export class FormedBatch extends RowsLinearization {
  /** @param whole the rows if all are linearized at once; null if they are taken in pieces. */
  constructor(readonly plan: Plan, readonly whole: BatchRows | null, override readonly pieces: readonly BatchPiece[],
      readonly formedFor: FormedFor) {
    super(whole ?? new ChunkedJacobian(pieces), pieces, () => whole === null ? [] : readGrams(whole, formedFor),
        formedFor.notFinite);
  }
}

/** Forms the rows of one group as the system takes them. */
export function formBatch(plan: Plan, formedFor: FormedFor): FormedBatch {
  const {trace, system, clock, partOf} = formedFor;
  const {matrix} = SYSTEM_FACTS[system];
  const onePass = trialFloats(plan, formedFor);
  if (plan.products !== undefined) {
    const pieces = clock.time('linearize', () => sweptPieces(trace, plan, onePass));
    return new FormedBatch(plan, pieces.length > 1 ? null : pieces[0].linearize().jacobian, pieces, formedFor);
  }
  const width = matrix === null ? 0 : totalSize(plan.analysis.variables);
  const pieces = clock.time('linearize', () =>
    matrix === 'rows' ? piecesWithin(trace, plan, {onePass}) : piecesOf(trace, plan, width, onePass));
  const parts = Math.max(...partOf) + 1;
  if (matrix === 'rows') {
    checkRoom(parts * (pieces !== null ? stackedFloats(pieces.map(({rows}) => rows)) :
      (plan.analysis.examples * plan.components) ** 2));
  }
  if (pieces !== null) {
    return new FormedBatch(plan, null, pieces, formedFor);
  }
  const jacobian = clock.time('linearize', () => linearizeWhole(trace, plan, onePass));
  return new FormedBatch(plan, jacobian, [linearizedPiece({trace, plan, jacobian})], formedFor);
}

/** Floats of the trial, by plan. A plan belongs to one signature of the trace, so to one trial. */
const trials = new WeakMap<Plan, number>();

/** Floats that the trial holds at once, counted in the first step of the plan that has a trial. */
export function trialFloats(plan: Plan, {trial}: FormedFor): number {
  if (trial === null) {
    return 0;
  }
  const floats = trials.get(plan) ?? trial();
  trials.set(plan, floats);
  return floats;
}

/**
 * Reads the Gram matrices of some rows by part of ρ.
 *
 * @throws if they are not finite.
 */
export function readGrams(jacobian: Jacobian, {clock, partOf, notFinite}: FormedFor): Float64Array[] {
  return clock.time('gram', () => {
    const grams = jacobian.gram(partOf).map(gram => {
      const entries = new Float64Array(gram.dataSync());
      noteTensor(entries, gram);
      return entries;
    });
    if (!grams.every(gram => Number.isFinite(traceOf(gram, jacobian.rows)))) {
      throw notFinite();
    }
    return grams;
  });
}
