import {reshape} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import type {TraceNode} from '../../capture/trace';
import {channelsLast, convolutionOf} from '../convolution';
import type {Convolution} from '../convolution';
import type {Values} from '../cotangents';
import {depthwiseProduct, positionsOf} from '../patches';
import {exampleProducts} from './example_products';
import {PatchPositions} from './positions';
import {SharedUse} from './shared';

/** The convolution whose filter is the parameter `name` of a node; null where it is none, or one without a rule here. */
export function filterSite(values: Values, node: TraceNode, name: string): Convolution | null {
  const c = convolutionOf(values, node);
  return c === null || c.names.filter !== name || (c.depthwise && c.names.x === null) ? null : c;
}

/**
 * Whether the rows of each component have to be formed by themselves: the patches are those of the cotangent (transposed
 * convolutions), or there is one matrix per channel (depthwise).
 */
export const isByComponent = (c: Convolution): boolean => c.depthwise || c.names.x === null;

/** Rows of one component, [B, |filter|], from the cotangent of the node's output. */
export function filterRows(values: Values, node: TraceNode, c: Convolution, delta: Tensor, batch: number): Tensor {
  const operand = (name: string): Tensor => channelsLast(c, values[node.inputs.find(([n]) => n === name)![1]]);
  const own = channelsLast(c, delta);
  if (c.depthwise) {
    return reshape(depthwiseProduct(c, operand(c.names.x!), own, batch), [batch, -1]);
  }
  // y = conv(x): patches of x times δ; x = convᵀ(y): patches of δ times y.
  const [x, y] = c.names.x === null ? [own, operand(c.names.y!)] : [operand(c.names.x), own];
  return exampleProducts(new PatchPositions(c, x, batch), reshape(y, [batch, 1, c.images / batch * positionsOf(c), c.outChannels]), false, 0, batch);
}

/** The cotangent of the node's output as rows of positions, [B·s, out]. */
export const filterDelta = (c: Convolution, delta: Tensor): Tensor =>
  reshape(channelsLast(c, delta), [delta.size / c.outChannels, c.outChannels]);

/**
 * The use of a filter by a convolution of data.
 *
 * @param deltas δ of every component in the order of rows, [B·C·s, out].
 */
export function filterUse(values: Values, node: TraceNode, c: Convolution, deltas: Tensor, components: number, batch: number): SharedUse {
  const x = channelsLast(c, values[node.inputs.find(([n]) => n === c.names.x)![1]]);
  const positions = c.images / batch * positionsOf(c);
  return new SharedUse(new PatchPositions(c, x, batch), reshape(deltas, [batch, components, positions, c.outChannels]), false);
}
