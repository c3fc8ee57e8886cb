import {getBackend, getGradient, getKernel, reshape, sum} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {isObserved} from '../tfjs/internals';
import type {TraceNode} from '../trace/trace';
import {convolutionOf} from './convolution_geometry';
import type {Operand} from './convolution_geometry';
import {convolve} from './convolution';
import {refuseWrongKernel} from './tfjs_defects';
import {gatherGradient} from './gather';

type ValueOf = (name: string) => Tensor;

/** An input cotangent of ours in place of tfjs's registered gradient. */
interface OwnGradient {
  /** Input of the kernel. */
  readonly input: string;
  /** Kernels that tfjs's gradient runs. */
  readonly needs: readonly string[];
  /** Backends where tfjs's gradient is of no practical use. */
  readonly uselessOn: readonly string[] | 'all';
  /** Whether ours is kernels alone, which may be differentiated again. */
  readonly byKernels: boolean;
  /** False where only tfjs's gradient will do. */
  covers(node: TraceNode): boolean;
  cotangent(node: TraceNode, value: ValueOf, dy: Tensor): Tensor;
}

/** By kernel. */
const OWN: Record<string, readonly OwnGradient[] | undefined> = {
  // tfjs's UnsortedSegmentSum is missing on WASM, and on the cpu backend goes through all of dy for each entry of the table.
  GatherV2: [{input: 'x', needs: ['UnsortedSegmentSum'], uselessOn: ['cpu'], byKernels: false, covers: node => !node.attrs['batchDims'],
    cotangent: (node, value, dy) => gatherGradient(node, value('x'), value('indices'), dy)}],
  // tfjs's takes a slice of dy for each copy and adds them one by one: 16,384 of them where a layer normalisation of 64 images of 16 x 16 tiles its weights.
  Tile: [{input: 'x', needs: [], uselessOn: 'all', byKernels: true, covers: () => true, cotangent: (node, value, dy) => tileGradient(node, value('x'), dy)}],
};

/**
 * Gradients of our own where the backend lacks a kernel that tfjs's gradient needs: input cotangents by input name,
 * in place of tfjs's. Elsewhere tfjs's are used, for the self-check to have something to compare with.
 */
export function ownGradients(backend: string, node: TraceNode, value: ValueOf, dy: Tensor): Record<string, () => Tensor> {
  const own = (OWN[node.kernel] ?? []).filter(({needs, uselessOn, byKernels, covers}) => covers(node) &&
      (((uselessOn === 'all' || uselessOn.includes(backend)) && (byKernels || !isObserved())) || needs.some(kernel => getKernel(kernel, backend) == null)));
  return Object.fromEntries(own.map(({input, cotangent}) => [input, () => cotangent(node, value, dy)]));
}

/**
 * The gradients of convolutions where tfjs has none (dilations, transposed ones in 3D), where its kernels are missing or
 * wrong (WASM), or a hundred times too slow (cpu, filters); null elsewhere and for other kernels.
 */
export function ownConvolution(values: readonly Tensor[], node: TraceNode, dy: Tensor | null): Record<string, () => Tensor> | null {
  const c = convolutionOf(values, node);
  if (c === null || dy === null) {
    return null;
  }
  const backend = getBackend();
  const hasGradient = getGradient(node.kernel) != null && c.dilations.every(d => d === 1);
  return hasGradient && backend !== 'wasm' && backend !== 'cpu' ? null :
    Object.fromEntries(node.inputs.map(([name]) => [name, () => convolutionCotangent(values, node, dy, name)]));
}

/** The cotangent of an input of a convolution: the same trilinear form, solved for another operand. */
export function convolutionCotangent(values: readonly Tensor[], node: TraceNode, dy: Tensor, name: string): Tensor {
  refuseWrongKernel(getBackend(), node);
  const c = convolutionOf(values, node)!;
  const operands = Object.entries(c.names) as Array<[Operand, string | null]>;
  const wanted = operands.find(([, n]) => n === name)![0];
  const valueOf = (n: string): Tensor => values[node.inputs.find(([key]) => key === n)![1]];
  return convolve(c, wanted, Object.fromEntries(operands.filter(([operand]) => operand !== wanted)
      .map(([operand, n]) => [operand, n === null ? dy : valueOf(n)])));
}

/** The copies lie along axes of their own, over which dy is summed; neighbouring axes of one kind are one. */
function tileGradient(node: TraceNode, x: Tensor, dy: Tensor): Tensor {
  const axes: Array<{size: number; isSummed: boolean}> = [];
  const push = (size: number, isSummed: boolean): void => {
    const last = axes[axes.length - 1];
    if (size > 1 && last?.isSummed === isSummed) {
      last.size *= size;
    } else if (size > 1) {
      axes.push({size, isSummed});
    }
  };
  const reps = node.attrs['reps'] as number[];
  x.shape.forEach((size, axis) => {
    push(reps[axis], true);
    push(size, false);
  });
  const summed = axes.map((_, i) => i).filter(i => axes[i].isSummed);
  const apart = reshape(dy, axes.map(({size}) => size));
  return reshape(summed.length === 0 ? apart : sum(apart, summed), x.shape);
}
