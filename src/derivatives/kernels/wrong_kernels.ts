import type {Tensor} from '@tensorflow/tfjs-core';
import {ggnError} from '../../errors';
import type {TraceNode} from '../../trace/trace';
import {convolutionOf, reach, type Convolution} from './convolution_geometry';

/**
 * Why a model cannot be trained that has a kernel whose own results are wrong, as there is nothing
 * to linearize then; null for any other kernel.
 *
 * - Conv3DBackpropInputV2 on wasm (conv3dTranspose) leaves entries out, and adds to memory that it
 *   has not cleared: its results may be NaN.
 * - A convolution of images on wasm with padding 'same', whose last window ends before the image
 *   does: the padding that XNNPACK computes is negative there. The windows hold no entry of the
 *   image, and the results are the bias.
 *
 * @param values of the trace, by value index.
 */
export function wrongKernel(backend: string, values: readonly Tensor[], node: TraceNode): Error | null {
  if (backend !== 'wasm') {
    return null;
  }
  if (node.kernel === 'Conv3DBackpropInputV2') {
    return ggnError("tfjs's kernel 'Conv3DBackpropInputV2' (conv3dTranspose) computes wrong values on the WASM " +
        'backend, with any optimizer and in prediction, too. Run this model on another backend (cpu, webgl, ' +
        'tfjs-node).');
  }
  const c = convolutionOf(values, node);
  return c === null || !endsEarly(c) ? null :
    ggnError(`tfjs-backend-wasm (${SEEN}) computes wrong values of the convolution '${node.kernel}' with padding ` +
        `'same', a filter of ${c.filter.slice(1).join(' x ')} and strides of ${c.strides.slice(1).join(' x ')} on ` +
        `images of ${c.input.slice(1).join(' x ')}, with any optimizer and in prediction, too: no padding is needed ` +
        "there, and WASM reads nothing of the image. Take padding: 'valid', or strides of at most the size of the " +
        'filter, or run this model on another backend (cpu, webgl, tfjs-node).');
}

/** The version whose convolutions were compared with those of cpu. */
const SEEN = '4.22.0';

/**
 * Whether a convolution of images with padding 'same' has an axis along which its windows leave
 * entries over at the end. A filter of one pixel is right all the same.
 */
function endsEarly(c: Convolution): boolean {
  const reaches = reach(c);
  return c.spatial === 2 && c.names.y === null && c.attrs.pad === 'same' && c.filter.some(size => size > 1) &&
      c.output.some((count, axis) => (count - 1) * c.strides[axis] + reaches[axis] < c.input[axis]);
}

/** @throws for a node with such a kernel. */
export function refuseWrongKernel(backend: string, values: readonly Tensor[], node: TraceNode): void {
  const error = wrongKernel(backend, values, node);
  if (error !== null) {
    throw error;
  }
}
