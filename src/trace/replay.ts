import type {Tensor} from '@tensorflow/tfjs-core';
import {CUSTOM_GRAD} from './custom_grad';
import {upstreamOfReplay} from './dependence';
import {runKernel} from '../tfjs/internals';
import type {Trace, TraceNode} from './trace';

/**
 * Runs the recorded kernels again with other tensors in the place of some values, and returns
 * values of the trace as they would have been, such as the loss at other weights: with the same
 * dropout masks, and without metrics, moving averages or any other side effect of f(). A call runs
 * again only if it depends on a substituted value and leads to a wanted one.
 *
 * @param substitutes by value index, such as that of a variable, a tensor of the same shape.
 * @param wanted indices of the values to return.
 * @param change takes an output of a kernel and returns the tensor that takes its place.
 */
export function replayAll(trace: Trace, substitutes: ReadonlyMap<number, Tensor>, wanted: readonly number[],
    change: (kernel: string, output: Tensor) => Tensor = (_, output) => output): Tensor[] {
  const fresh = new Map(substitutes);
  const nodes = nodesToRun(trace, new Set(substitutes.keys()), wanted);
  const release = releaser(trace, nodes, fresh, new Set([...wanted, ...substitutes.keys()]));
  nodes.forEach((node, i) => {
    if (node.kernel === CUSTOM_GRAD) {
      fresh.set(node.outputs[0], fresh.get(node.attrs['inner'] as number)!);
    } else {
      const inputs: Record<string, Tensor> = {};
      for (const [name, value] of node.inputs) {
        inputs[name] = fresh.get(value) ?? trace.values[value];
      }
      const result = runKernel(node.kernel, (node.arrayInputs ? Object.values(inputs) : inputs), node.attrs);
      (Array.isArray(result) ? result : [result])
          .forEach((output, k) => fresh.set(node.outputs[k], change(node.kernel, output)));
    }
    release(i);
  });
  return wanted.map(value => fresh.get(value) ?? trace.values[value]);
}

/**
 * Bytes of the tensors that `replayAll` makes and holds at the worst moment. Tensors that share
 * their data in the trace share them again.
 */
export function replayBytes(trace: Trace, substituted: ReadonlySet<number>, wanted: readonly number[]): number {
  const nodes = nodesToRun(trace, substituted, wanted);
  const last = lastReads(nodes);
  wanted.forEach(value => last.set(value, nodes.length));
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
    new Set([...inputsOf(node), ...node.outputs]).forEach(value => {
      if (fresh.has(value) && last.get(value) === i) {
        change(value, -1);
      }
    });
  });
  return peak;
}

/** The nodes that depend on a substituted value and lead to a wanted one. */
function nodesToRun(trace: Trace, substituted: ReadonlySet<number>, wanted: readonly number[]): TraceNode[] {
  const needed = upstreamOfReplay(trace, wanted);
  const reached = new Set(substituted);
  return trace.nodes.filter(node => {
    const runs = node.outputs.some(output => needed.has(output) && !substituted.has(output)) &&
      inputsOf(node).some(value => reached.has(value));
    if (runs) {
      node.outputs.forEach(output => reached.add(output));
    }
    return runs;
  });
}

/** By value, the index of the last node that reads or makes it. */
function lastReads(nodes: readonly TraceNode[]): Map<number, number> {
  const last = new Map<number, number>();
  nodes.forEach((node, i) => [...node.outputs, ...inputsOf(node)].forEach(value => last.set(value, i)));
  return last;
}

/**
 * The values that a node is made from. A customGrad op is made from the result of its forward pass.
 */
const inputsOf = ({kernel, inputs, attrs}: TraceNode): number[] =>
  kernel === CUSTOM_GRAD ? [attrs['inner'] as number] : inputs.map(([, value]) => value);

/**
 * Disposes, after the i-th of the nodes, of the tensors that no later one reads. All activations at
 * once would take the memory of the forward pass again.
 *
 * @param kept values that stay.
 */
function releaser(trace: Trace, nodes: readonly TraceNode[], fresh: Map<number, Tensor>,
    kept: ReadonlySet<number>): (i: number) => void {
  const last = lastReads(nodes);
  const held = new Set<Tensor>(trace.values);
  return i => {
    for (const value of new Set([...inputsOf(nodes[i]), ...nodes[i].outputs])) {
      const t = fresh.get(value);
      if (t === undefined || kept.has(value) || last.get(value) !== i) {
        continue;
      }
      fresh.delete(value);
      // A kernel may return its input, and the output of a customGrad op is another value's tensor.
      if (!held.has(t) && ![...fresh.values()].includes(t)) {
        t.dispose();
      }
    }
  };
}
