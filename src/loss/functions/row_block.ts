import {sub} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import type {Trace} from '../../trace/trace';

/** The residuals of a block, of values as they are or as they would be at other weights. */
export function rowTensor(trace: Trace, block: RowBlock, valueOf: (value: number) => Tensor): Tensor {
  if (block.difference === null) {
    return valueOf(block.value);
  }
  const inputs = new Map(trace.nodes[block.difference].inputs);
  return sub(valueOf(inputs.get('a')!), valueOf(inputs.get('b')!));
}

/** A block of rows: one head's residuals, `perExample` of them for each example, examples along the leading axis. */
export interface RowBlock {
  /** Index of the value that holds the rows (or has their shape, for a difference). */
  readonly value: number;
  /** For SquaredDifference(a, b): the kernel's node index; the rows are a - b. */
  readonly difference: number | null;
}
