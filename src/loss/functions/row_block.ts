import {sub, type Tensor} from '@tensorflow/tfjs-core';
import {factsOf} from '../../trace/kernel_facts';
import type {Trace, TraceNode} from '../../trace/trace';

/**
 * A block of rows: the residuals or outputs that one value holds. The examples lie along its
 * leading axis.
 */
export interface RowBlock {
  /** Index of the value that holds the rows, or that has their shape if they are a difference. */
  readonly value: number;
  /**
   * Node index of a kernel SquaredDifference(a, b) whose differences a - b are the rows; null if
   * the value holds the rows.
   */
  readonly difference: number | null;
}

/** A block of all entries of a value. */
export const blockOf = (value: number): RowBlock => ({value, difference: null});

/** The node of the differences a - b of a block; null if the value holds the rows. */
export function differenceNode({nodes}: Trace, {difference}: RowBlock): TraceNode | null {
  const square = difference === null ? null : nodes[difference];
  return square === null ? null : {...square, kernel: factsOf(square.kernel)!.squareOf!, attrs: {}};
}

/** The values that the rows are read from; for a difference its two terms. */
export const rootsOf = (trace: Trace, blocks: readonly RowBlock[]): number[] =>
  blocks.flatMap(({value, difference}) =>
    difference === null ? [value] : trace.nodes[difference].inputs.map(([, input]) => input));

/**
 * The rows of a block as a tensor.
 *
 * @param valueOf the tensor of a value: that of the trace, or that at other weights.
 */
export function rowTensor(trace: Trace, block: RowBlock, valueOf: (value: number) => Tensor): Tensor {
  if (block.difference === null) {
    return valueOf(block.value);
  }
  const inputs = new Map(trace.nodes[block.difference].inputs);
  return sub(valueOf(inputs.get('a')!), valueOf(inputs.get('b')!));
}
