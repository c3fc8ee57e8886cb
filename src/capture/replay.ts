import type {Tensor} from '@tensorflow/tfjs-core';
import {CUSTOM_GRAD} from './custom_grad';
import {runKernel} from './tfjs_internals';
import type {Trace} from './trace';

/**
 * Runs the recorded kernels again with other tensors in the place of some values, and returns values of the
 * trace as they would have been: the loss at other weights with the same dropout masks, without metrics, moving
 * averages or any other side effect of f(). Only calls that depend on a substituted value run again, and only those that lead to a wanted one.
 *
 * @param substitutes value index (of a variable, say) -> tensor of the same shape.
 * @param wanted indices of the values to return.
 */
export function replayAll(trace: Trace, substitutes: ReadonlyMap<number, Tensor>, wanted: readonly number[]): Tensor[] {
  const fresh = new Map(substitutes);
  const needed = upstream(trace, wanted);
  for (const node of trace.nodes) {
    if (!node.outputs.some(output => needed.has(output) && !substitutes.has(output))) {
      continue;
    }
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
  return wanted.map(value => fresh.get(value) ?? trace.values[value]);
}

/** One value, by default what f() returned; see `replayAll`. */
export function replay(trace: Trace, substitutes: ReadonlyMap<number, Tensor>, wanted = trace.result): Tensor {
  return replayAll(trace, substitutes, [wanted])[0];
}

/** The values that some values are computed from, themselves included; by a customGrad op also those of its forward pass. */
function upstream(trace: Trace, values: readonly number[]): Set<number> {
  const found = new Set(values);
  for (let i = trace.nodes.length - 1; i >= 0; i--) {
    const node = trace.nodes[i];
    if (node.outputs.some(output => found.has(output))) {
      node.inputs.forEach(([, value]) => found.add(value));
      if (node.kernel === CUSTOM_GRAD) {
        found.add(node.attrs['inner'] as number);
      }
    }
  }
  return found;
}
