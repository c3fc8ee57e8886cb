import {neg, reshape, slice, type Tensor} from '@tensorflow/tfjs-core';
import {addTo} from '../../tfjs/accumulate';
import {sumTo} from '../../tfjs/fast_ops';
import type {Trace} from '../../trace/trace';
import type {Plan} from '../plan/plan';

/**
 * The cotangents u of all rows as those of each block of rows. They have the shape of the value
 * that the block names.
 */
export function seedsOf(trace: Trace, plan: Plan, u: Tensor): Tensor[] {
  const byExample = reshape(u, [plan.analysis.examples, plan.components]);
  let from = 0;
  return plan.blocks.map((block, b) => {
    const part = slice(byExample, [0, from], [plan.analysis.examples, plan.perExample[b]]);
    from += plan.perExample[b];
    return reshape(part, trace.values[block.value].shape);
  });
}

/** The cotangents u of all rows, by index of the values that the rows are read from. */
export function seedsByValue(trace: Trace, plan: Plan, u: Tensor): Map<number, Tensor> {
  const seeds = new Map<number, Tensor>();
  seedsOf(trace, plan, u).forEach((seed, b) => {
    const block = plan.blocks[b];
    if (block.difference === null) {
      addTo(seeds, block.value, seed);
      return;
    }
    for (const [name, input] of trace.nodes[block.difference].inputs) {
      const cotangent = sumTo(seed, trace.values[input].shape);
      addTo(seeds, input, name === 'a' ? cotangent : neg(cotangent));
    }
  });
  return seeds;
}
