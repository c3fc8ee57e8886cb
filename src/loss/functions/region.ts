import {downstream, upstream} from '../../trace/dependence';
import type {Trace, TraceNode} from '../../trace/trace';

/** The part of a trace that computes terms of the loss from outputs of the network. */
export interface Region {
  /** The nodes behind the outputs, in order. */
  readonly nodes: readonly TraceNode[];
  /** Whether a value is an output, or a value behind one that a derivative passes. */
  isInside(value: number): boolean;
}

/**
 * The region between outputs and terms.
 *
 * @param dependent by value index: whether a value depends on the weights.
 * @param outputs value indices of the outputs.
 * @param terms value indices of the terms.
 */
export function regionBetween(trace: Trace, dependent: readonly boolean[], outputs: readonly number[],
    terms: readonly number[]): Region {
  const own = new Set(outputs);
  const behind = downstream(trace, outputs);
  const needed = upstream(trace, terms, own);
  const isInside = (value: number): boolean => behind.has(value) && dependent[value] && needed.has(value);
  const nodes = trace.nodes.filter(node => node.outputs.some(output => isInside(output) && !own.has(output)));
  return {nodes, isInside};
}
