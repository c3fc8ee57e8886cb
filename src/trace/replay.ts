import {engine, type Tensor} from '@tensorflow/tfjs-core';
import {CUSTOM_GRAD, sourcesOf} from './custom_grad';
import {upstreamOfReplay} from './dependence';
import {forwardKernel} from '../tfjs/forward_kernels';
import {isObserved, runKernel} from '../tfjs/internals';
import {endsOf, freeEnded} from './last_reads';
import {plainProducts} from './plain_products';
import type {Trace, TraceNode} from './trace';

/**
 * Runs the recorded kernels again with other tensors in the place of some values, and returns
 * values of the trace as they would have been, such as the loss at other weights: with the same
 * dropout masks, and without metrics, moving averages or any other side effect of f(). A call runs
 * again only if it depends on a substituted value and leads to a wanted one.
 *
 * @param substitutes by value index, such as that of a variable, a tensor of the same shape.
 * @param wanted indices of the values to return.
 * @param change takes an output of a kernel and returns the tensor that takes its place. Without it
 *   tfjs-node makes no reshapes around products of matrices.
 */
export function replayAll(trace: Trace, substitutes: ReadonlyMap<number, Tensor>, wanted: readonly number[],
    change?: (kernel: string, output: Tensor) => Tensor): Tensor[] {
  const fresh = new Map(substitutes);
  const recorded = nodesToRun(trace, new Set(substitutes.keys()), wanted);
  // A reshape is an op on tfjs-node, whose fused product takes matrices, too.
  const nodes = change === undefined && engine().backendName === 'tensorflow' ?
    plainProducts(trace, recorded, new Set([...wanted, ...substitutes.keys()])) : recorded;
  const ends = endsOf(nodes, new Set([...wanted, ...substitutes.keys()]));
  const held = new Set<Tensor>(trace.values);
  nodes.forEach((node, i) => {
    if (node.kernel === CUSTOM_GRAD) {
      fresh.set(node.outputs[0], fresh.get(node.attrs['inner'] as number)!);
    } else {
      const inputs: Record<string, Tensor> = {};
      for (const [name, value] of node.inputs) {
        inputs[name] = fresh.get(value) ?? trace.values[value];
      }
      const result = (node.isOwn === true && !isObserved() ? forwardKernel(node.kernel, inputs, node.attrs) : null) ??
        runKernel(node.kernel, (node.arrayInputs ? Object.values(inputs) : inputs), node.attrs);
      (Array.isArray(result) ? result : [result])
          .forEach((output, k) => fresh.set(node.outputs[k], change?.(node.kernel, output) ?? output));
    }
    freeEnded(ends[i], fresh, t => !held.has(t));
  });
  return wanted.map(value => fresh.get(value) ?? trace.values[value]);
}

/**
 * Bytes of the tensors that `replayAll` makes and holds at the worst moment. Tensors that share
 * their data in the trace share them again.
 */
export function replayBytes(trace: Trace, substituted: ReadonlySet<number>, wanted: readonly number[]): number {
  const nodes = nodesToRun(trace, substituted, wanted);
  const ends = endsOf(nodes, new Set(wanted));
  const fresh = new Set(nodes.flatMap(({outputs}) => outputs));
  /** By data: the number of values that hold them. */
  const holders = new Map<object, number>();
  trace.values.forEach(({dataId}, value) => fresh.has(value) || holders.set(dataId, 1));
  let [alive, peak] = [0, 0];
  const change = (value: number, by: 1 | -1): void => {
    const {dataId, size, dtype} = trace.values[value];
    const count = (holders.get(dataId) ?? 0) + by;
    holders.set(dataId, count);
    if (count === (by === 1 ? 1 : 0)) {
      alive += by * size * (dtype === 'bool' ? 1 : 4);
      peak = Math.max(peak, alive);
    }
  };
  nodes.forEach((node, i) => {
    node.outputs.forEach(value => change(value, 1));
    ends[i].filter(value => fresh.has(value)).forEach(value => change(value, -1));
  });
  return peak;
}

/** The nodes that depend on a substituted value and lead to a wanted one. */
function nodesToRun(trace: Trace, substituted: ReadonlySet<number>, wanted: readonly number[]): TraceNode[] {
  const needed = upstreamOfReplay(trace, wanted);
  const reached = new Set(substituted);
  return trace.nodes.filter(node => {
    const runs = node.outputs.some(output => needed.has(output) && !substituted.has(output)) &&
      sourcesOf(node).some(value => reached.has(value));
    if (runs) {
      node.outputs.forEach(output => reached.add(output));
    }
    return runs;
  });
}
