import type {Tensor} from '@tensorflow/tfjs-core';
import {CUSTOM_GRAD} from './custom_grad';
import {runKernel} from './tfjs_internals';
import type {Trace} from './trace';

/**
 * Runs the recorded kernels again with other tensors in the place of some values, and returns a value of the
 * trace as it would have been: the loss at other weights with the same dropout masks, without metrics, moving
 * averages or any other side effect of f(). Only calls that depend on a substituted value run again.
 *
 * @param substitutes value index (of a variable, say) -> tensor of the same shape.
 * @param wanted index of the value to return; by default what f() returned.
 */
export function replay(trace: Trace, substitutes: ReadonlyMap<number, Tensor>, wanted = trace.result): Tensor {
  const fresh = new Map(substitutes);
  for (const node of trace.nodes) {
    if (node.kernel === CUSTOM_GRAD) {
      const inner = fresh.get(node.attrs['inner'] as number);
      if (inner !== undefined) {
        fresh.set(node.outputs[0], inner);
      }
      continue;
    }
    if (!node.inputs.some(([, value]) => fresh.has(value))) {
      continue;
    }
    const inputs: Record<string, Tensor> = {};
    for (const [name, value] of node.inputs) {
      inputs[name] = fresh.get(value) ?? trace.values[value];
    }
    const result = runKernel(node.kernel, (node.arrayInputs ? Object.values(inputs) : inputs), node.attrs);
    (Array.isArray(result) ? result : [result]).forEach((output, i) => fresh.set(node.outputs[i], output));
  }
  return fresh.get(wanted) ?? trace.values[wanted];
}
