import type {Dependence} from '../../trace/dependence';
import type {Trace, TraceNode} from '../../trace/trace';

/** The node that computes a value; null if f() only read the value. */
export const nodeOf = (trace: Trace, value: number): TraceNode | null =>
  trace.nodes[trace.producer[value]] ?? null;

/**
 * The number in a value of one element that does not depend on the weights; null for other values.
 */
export function numberIn(trace: Trace, {dependent}: Dependence, value: number): number | null {
  const t = trace.values[value];
  return t.size === 1 && !dependent[value] ? t.dataSync()[0] : null;
}

/**
 * Those of some values that terms are made of, ascending. null if something else than these values,
 * data and constants makes the terms.
 */
export function reachedFrom(trace: Trace, {dependent}: Dependence, terms: readonly number[],
    values: readonly number[]): number[] | null {
  const stops = new Set(values);
  const reached = new Set<number>();
  const seen = new Set<number>();
  const open = [...terms];
  while (open.length > 0) {
    const value = open.pop()!;
    if (seen.has(value) || !dependent[value]) {
      continue;
    }
    seen.add(value);
    if (stops.has(value)) {
      reached.add(value);
      continue;
    }
    const node = nodeOf(trace, value);
    if (node === null) {
      return null;
    }
    open.push(...node.inputs.map(([, input]) => input));
  }
  return reached.size === 0 ? null : [...reached].sort((a, b) => a - b);
}
