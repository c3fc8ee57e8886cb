import {SHIFTS} from '../trace/kernel_sets';
import type {Trace, TraceNode} from '../trace/trace';
import type {RowBlock} from './functions/row_block';
import type {Rows} from './rows';

/**
 * The number of distinct rows. Rows are equal if they differ by a sign and by added data only: the
 * residuals p - y of two targets and the logits p are the same rows of J. λ is taken from the rank
 * that JᵀHJ can have, so equal rows count once there, and the step does not depend on how a loss is
 * split into terms.
 *
 * @param isCounted whether entry i of block b counts.
 */
export function countDistinct(trace: Trace,
    {blocks, dependence: {dependent}}: Pick<Rows, 'blocks' | 'dependence'>,
    isCounted: (block: number, i: number) => boolean): number {
  const counted = new Map<number, Uint8Array>();
  blocks.forEach((block, b) => {
    const {size} = trace.values[block.value];
    const source = sourceOf(trace, dependent, block);
    const entries = counted.get(source) ?? new Uint8Array(size);
    for (let i = 0; i < size; i++) {
      entries[i] ||= isCounted(b, i) ? 1 : 0;
    }
    counted.set(source, entries);
  });
  return [...counted.values()].reduce((count, entries) => entries.reduce((sum, x) => sum + x, count), 0);
}

/** The value that a block of rows differs from by a sign and by added data only. */
function sourceOf(trace: Trace, dependent: readonly boolean[], {value, difference}: RowBlock): number {
  const node = trace.nodes[difference ?? trace.producer[value]] as TraceNode | undefined;
  if (node === undefined || (difference === null && !SHIFTS.has(node.kernel))) {
    return value;
  }
  const active = node.inputs.map(([, input]) => input).filter(input => dependent[input]);
  // Rows that are spread over more entries, or that depend on the weights through another input,
  // too, are different rows.
  return active.length === 1 && trace.values[active[0]].size === trace.values[value].size ?
    sourceOf(trace, dependent, {value: active[0], difference: null}) : value;
}
