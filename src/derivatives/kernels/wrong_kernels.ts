import {ggnError} from '../../errors';
import type {TraceNode} from '../../trace/trace';

/**
 * Refuses a kernel whose own results are wrong, as there is nothing to linearize then.
 *
 * - Conv3DBackpropInputV2 on wasm (conv3dTranspose) leaves entries out, and adds to memory that it has not cleared.
 *
 * @throws for a node with such a kernel.
 */
export function refuseWrongKernel(backend: string, node: TraceNode): void {
  if (node.kernel === 'Conv3DBackpropInputV2' && backend === 'wasm') {
    throw ggnError("tfjs's kernel 'Conv3DBackpropInputV2' (conv3dTranspose) computes wrong values on the WASM backend, " +
        'with any optimizer and in prediction, too. Run this model on another backend (cpu, webgl, tfjs-node).');
  }
}
