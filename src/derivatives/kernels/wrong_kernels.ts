import {ggnError} from '../../errors';
import type {TraceNode} from '../../trace/trace';

/**
 * Why a model cannot be trained that has a kernel whose own results are wrong, as there is nothing
 * to linearize then; null for any other kernel.
 *
 * - Conv3DBackpropInputV2 on wasm (conv3dTranspose) leaves entries out, and adds to memory that it
 *   has not cleared: its results may be NaN.
 */
export function wrongKernel(backend: string, node: TraceNode): Error | null {
  return node.kernel === 'Conv3DBackpropInputV2' && backend === 'wasm' ?
    ggnError("tfjs's kernel 'Conv3DBackpropInputV2' (conv3dTranspose) computes wrong values on the WASM backend, " +
        'with any optimizer and in prediction, too. Run this model on another backend (cpu, webgl, tfjs-node).') : null;
}

/** @throws for a node with such a kernel. */
export function refuseWrongKernel(backend: string, node: TraceNode): void {
  const error = wrongKernel(backend, node);
  if (error !== null) {
    throw error;
  }
}
