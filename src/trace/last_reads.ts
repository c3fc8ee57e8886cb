import type {Tensor} from '@tensorflow/tfjs-core';
import {sourcesOf} from './custom_grad';
import type {TraceNode} from './trace';

/**
 * The values that end with each node, by the index of the node in the list: the node reads or makes
 * them, and no later node reads them.
 *
 * @param kept values that end with no node, as they are wanted behind the last one.
 */
export function endsOf(nodes: readonly TraceNode[], kept: ReadonlySet<number>): readonly number[][] {
  const last = new Map<number, number>();
  nodes.forEach((node, i) => [...node.outputs, ...sourcesOf(node)].forEach(value => last.set(value, i)));
  const ends: number[][] = nodes.map(() => []);
  last.forEach((i, value) => kept.has(value) || ends[i].push(value));
  return ends;
}

/**
 * Takes the values that end with a node out of the tensors by value index, and disposes of their
 * tensors. All activations at once would take the memory of the forward pass again.
 *
 * @param mayFree whether a tensor may be disposed of.
 */
export function freeEnded(ended: readonly number[], tensors: Map<number, Tensor>,
    mayFree: (t: Tensor) => boolean): void {
  for (const value of ended) {
    const t = tensors.get(value);
    tensors.delete(value);
    // Several values may share a tensor. A kernel may return its input, a reshape to the same shape
    // passes its tangent on, and a customGrad op passes on the result of its forward pass.
    if (t !== undefined && mayFree(t) && ![...tensors.values()].includes(t)) {
      t.dispose();
    }
  }
}
