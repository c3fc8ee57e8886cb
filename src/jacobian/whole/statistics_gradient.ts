import {scalar, type Tensor} from '@tensorflow/tfjs-core';
import type {Trace} from '../../trace/trace';
import {downstream, upstream, type Dependence} from '../../trace/dependence';
import {addTo} from '../../tfjs/accumulate';
import {collect, pullByRules, sweepBack} from '../../derivatives/reverse_sweep';
import type {Plan} from '../plan/plan';

/**
 * f = g - Jᵀq by variable: the part of the gradient of the rows that flows through the frozen
 * statistics of the batch. null if none are frozen.
 *
 * The difference itself would leave rounding in every variable. So f is taken by two sweeps: from
 * the loss back to each statistic with the others held constant, then from all statistics at once
 * back to the variables.
 *
 * @param plans by group of rows; each may freeze other statistics.
 * @param rowSeeds by group of rows: q as the cotangents of the rows. null if the sweep starts at
 * the loss, whose kernels then give the cotangents of the rows.
 */
export function gradientThroughStatistics(trace: Trace, dependence: Dependence, plans: readonly Plan[],
    rowSeeds: ReadonlyArray<ReadonlyMap<number, Tensor>> | null = null): Array<Tensor | null> | null {
  if (plans.every(plan => plan.analysis.frozen.size === 0)) {
    return null;
  }
  const {dependent, variableOf, variables} = dependence;
  const seeds = new Map<number, Tensor>();
  for (const [g, plan] of plans.entries()) {
    for (const [value, cotangent] of frozenCotangents(trace, dependence, plan, rowSeeds?.[g] ?? null)) {
      addTo(seeds, value, cotangent);
    }
  }
  const cotangents = sweepBack(trace.values, trace.nodes, seeds, value => dependent[value], pullByRules);
  const gradients = collect(cotangents, variableOf.keys(), variableOf);
  return variables.map((_, v) => gradients.get(v) ?? null);
}

/**
 * The derivatives of the loss, through the rows of one group, in each statistic that is frozen for
 * them, with the other statistics held constant.
 */
function frozenCotangents(trace: Trace, {dependent}: Dependence, {analysis: {frozen}, blocks}: Plan,
    rowSeeds: ReadonlyMap<number, Tensor> | null): Array<[number, Tensor]> {
  if (frozen.size === 0) {
    return [];
  }
  const rows = blocks.map(block => block.value);
  const behind = downstream(trace, frozen);
  const before = upstream(trace, rows);
  const after = rowSeeds === null ? downstream(trace, new Set(rows)) : new Set<number>();
  const nodes = trace.nodes.filter(node => !node.outputs.some(output => frozen.has(output)) &&
      node.outputs.some(output => before.has(output) || after.has(output)));
  const seeds = rowSeeds ?? new Map<number, Tensor>([[trace.result, scalar(1)]]);
  const isWanted = (value: number): boolean => behind.has(value) && dependent[value];
  return [...sweepBack(trace.values, nodes, seeds, isWanted, pullByRules)].filter(([value]) => frozen.has(value));
}
