import type {TraceNode} from '../../trace/trace';
import {cast, matMul, oneHot, reshape, tensor, transpose, type Tensor} from '@tensorflow/tfjs-core';
import {isObserved} from '../../tfjs/internals';

/** A table as [before, entries, after] around the axis of a GatherV2. */
export function tableSizes(node: TraceNode, shape: readonly number[]):
    {before: number; entries: number; after: number} {
  const axis = ((node.attrs['axis'] as number | undefined ?? 0) + shape.length) % shape.length;
  const product = (part: readonly number[]): number => part.reduce((a, b) => a * b, 1);
  return {before: product(shape.slice(0, axis)), entries: shape[axis], after: product(shape.slice(axis + 1))};
}

/** Adds the cotangent of each position to the entry that the position read. */
export function gatherGradient(node: TraceNode, x: Tensor, indices: Tensor, dy: Tensor): Tensor {
  const {before, entries, after} = tableSizes(node, x.shape);
  if (isObserved()) {
    // Kernels have derivatives of their own, a loop over entries has none.
    const chosen = cast(oneHot(cast(reshape(indices, [indices.size]), 'int32'), entries), 'float32');
    const positionsFirst = transpose(reshape(dy, [before, indices.size, after]), [1, 0, 2]);
    const byPosition = reshape(positionsFirst, [indices.size, before * after]);
    return reshape(transpose(reshape(matMul(chosen, byPosition, true), [entries, before, after]), [1, 0, 2]), x.shape);
  }
  const [from, at] = [dy.dataSync(), indices.dataSync()];
  const sum = new Float32Array(x.size);
  for (let o = 0; o < before; o++) {
    for (let s = 0; s < at.length; s++) {
      if (at[s] >= 0 && at[s] < entries) {
        const [target, source] = [(o * entries + at[s]) * after, (o * at.length + s) * after];
        for (let k = 0; k < after; k++) {
          sum[target + k] = sum[target + k] + from[source + k];
        }
      }
    }
  }
  return tensor(sum, x.shape);
}
