import {scalar, step, type Tensor} from '@tensorflow/tfjs-core';
import {ggnError} from '../errors';
import {mul, pulledBack, sub} from '../tfjs/fast_ops';
import {runKernel} from '../tfjs/internals';
import {factsOf} from '../trace/kernel_facts';
import type {TraceNode} from '../trace/trace';

/**
 * Whether a node has a fused bias and activation. tfjs has the gradient of the kernel underneath
 * only.
 */
export const isFused = ({kernel}: TraceNode): boolean => factsOf(kernel)?.fused !== undefined;

/**
 * The node as if its fused activation were an op of its own. It goes with δ from
 * `beforeActivation`.
 */
export const withoutActivation = (node: TraceNode): TraceNode =>
  isFused(node) ? {...node, attrs: {...node.attrs, activation: 'linear'}} : node;

/** The kernel underneath a fused bias and activation. */
export const unfused = (node: TraceNode): TraceNode => isFused(node) ?
  {...node, kernel: factsOf(node.kernel)!.fused!, inputs: node.inputs.filter(([name]) => name !== 'bias')} : node;

/** δ in front of the fused activation of a node, from δ behind it. */
export function beforeActivation(values: readonly Tensor[], node: TraceNode, dy: Tensor): Tensor {
  const activation = node.attrs['activation'] as string | null | undefined;
  if (activation == null || activation === 'linear' || !isFused(node)) {
    return dy;
  }
  const y = values[node.outputs[0]];
  switch (activation) {
    case 'relu':
      return pulledBack('relu', y, dy) ?? mul(dy, step(y));
    case 'relu6':
      return pulledBack('relu6', y, dy) ?? mul(dy, mul(step(y), step(sub(scalar(6), y))));
    case 'sigmoid':
      return pulledBack('sigmoid', y, dy) ?? mul(dy, mul(y, sub(scalar(1), y)));
    case 'elu':
      return runKernel('EluGrad', {dy, y}) as Tensor;
    case 'leakyrelu':
      return mul(dy, step(y, node.attrs['leakyreluAlpha'] as number));
    default:
      throw ggnError(`no derivative is known for the activation '${activation}' fused into '${node.kernel}'. ` +
          'Apply the activation as an op of its own.');
  }
}
