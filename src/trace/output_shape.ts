import {factsOf} from './kernel_facts';
import type {TraceNode} from './trace';

/**
 * The node for an output of another shape, by the attribute that holds it if the kernel has one.
 */
export function withOutputShape(node: TraceNode, shape: readonly number[]): TraceNode {
  const name = factsOf(node.kernel)?.outputShape;
  return name === undefined ? node : {...node, attrs: {...node.attrs, [name]: shape}};
}
