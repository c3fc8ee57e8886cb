import {sub} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import type {RowBlock} from '../../jacobian/plan/plan';
import type {Trace} from '../../trace/trace';

/** The residuals of a block, of values as they are or as they would be at other weights. */
export function rowTensor(trace: Trace, block: RowBlock, valueOf: (value: number) => Tensor): Tensor {
  if (block.difference === null) {
    return valueOf(block.value);
  }
  const inputs = new Map(trace.nodes[block.difference].inputs);
  return sub(valueOf(inputs.get('a')!), valueOf(inputs.get('b')!));
}
