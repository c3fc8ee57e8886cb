import {reshape, tile, type Tensor} from '@tensorflow/tfjs-core';
import {inputOf, type Trace, type TraceNode} from '../../trace/trace';
import {channelsLast} from '../../derivatives/kernels/convolution';
import {shapeOf, type Convolution} from '../../derivatives/kernels/convolution_geometry';
import type {Values} from '../../derivatives/cotangents';
import {mayKeep} from '../../tfjs/memory';
import {columnsOf, depthwiseProduct, positionsOf} from '../../derivatives/kernels/patches';
import type {Plan, Site} from '../plan/plan';
import {exampleProducts} from './example_products';
import {isByPairs} from './pairs';
import {PatchPositions} from './positions';
import {SharedUse} from './shared';
import {denseBlocks} from './row_blocks';
import type {GramTerm, ParameterUse} from './use';
import type {OuterProducts} from './outer_products';

/**
 * Whether the rows of each component are formed by themselves: the patches are those of the
 * cotangent (transposed convolutions), or there is one matrix per channel (depthwise convolutions).
 */
export const isByComponent = (c: Convolution): boolean => c.depthwise || c.names.x === null;

/**
 * Whether the cotangents are kept instead of the rows of a transposed convolution's filter. They
 * are kept if the rows take more memory than may be kept, or if products by the cotangents cost
 * less. If the rows may be kept, they count as kept from then on.
 */
export function isSpread({values}: Trace, {analysis: {examples}, components}: Plan,
    {convolution, parameter}: Site): boolean {
  if (convolution === null || convolution.names.x !== null) {
    return false;
  }
  const n = examples * components;
  const positions = convolution.images / examples * positionsOf(convolution);
  return isByPairs(n, positions, columnsOf(convolution), convolution.outChannels) ||
      !mayKeep(n * values[parameter.value].size);
}

/**
 * Rows of one component, [B, |filter|].
 *
 * @param delta δ, the cotangent of the node's output.
 */
export function filterRows(values: Values, node: TraceNode, c: Convolution, delta: Tensor, examples: number): Tensor {
  const operand = (name: string): Tensor => channelsLast(c, values[inputOf(node, name)]);
  const own = channelsLast(c, delta);
  if (c.depthwise) {
    return reshape(depthwiseProduct(c, operand(c.names.x!), own, examples), [examples, -1]);
  }
  // y = conv(x): patches of x times δ; x = convᵀ(y): patches of δ times y.
  const [x, y] = c.names.x === null ? [own, operand(c.names.y!)] : [operand(c.names.x), own];
  const deltas = reshape(y, [examples, 1, c.images / examples * positionsOf(c), c.outChannels]);
  return exampleProducts(new PatchPositions(c, x, examples), deltas, false, 0, examples);
}

/**
 * The use of the filter of a transposed convolution, x = convᵀ(y), whose rows are not kept: the row
 * of δ is patches(δ)ᵀy. It is a use of shared positions with δ for its data, y for its cotangents,
 * and each row for an example.
 *
 * @param deltas δ of every component in the order of rows, [n, ...].
 */
export function transposedUse(values: Values, node: TraceNode, c: Convolution, deltas: Tensor, components: number,
    examples: number): ParameterUse {
  const y = channelsLast(c, values[inputOf(node, c.names.y!)]);
  const rows = examples * components;
  const all = {...c, images: c.images * components, channelsFirst: false};
  const repeated = tile(reshape(y, [examples, 1, y.size / examples]), [1, components, 1]);
  const data = new PatchPositions(all, reshape(deltas, shapeOf(all, 'x')), rows);
  const cotangents = reshape(repeated, [rows, 1, c.images / examples * positionsOf(c), c.outChannels]);
  return new EachRow(new SharedUse(data, cotangents, false), examples, components);
}

/**
 * The examples of a batch by a use that counts each row as an example: an example here is C
 * examples of that use, one after the other.
 */
export class EachRow implements ParameterUse {
  readonly size: number;

  constructor(private readonly use: SharedUse, readonly examples: number, readonly components: number) {
    this.size = use.size;
  }

  apply(p: Tensor): Tensor {
    return reshape(this.use.apply(p), [this.examples, this.components]);
  }

  applyTranspose(u: Tensor): Tensor {
    return this.use.applyTranspose(u);
  }

  rows(from: number, to: number): Tensor {
    return this.use.rows(from * this.components, to * this.components);
  }

  gram(products: OuterProducts): GramTerm {
    return this.use.gram(products);
  }

  /** See `SharedUse`. */
  cross(other: EachRow): Tensor | null {
    return this.use.cross(other.use);
  }

  diagonalBlocks(k: number): Tensor {
    return denseBlocks(k, this);
  }

  get tensors(): readonly Tensor[] {
    return this.use.tensors;
  }
}

/** The cotangent of the node's output as rows of positions, [B·s, out]. */
export const filterDelta = (c: Convolution, delta: Tensor): Tensor =>
  reshape(channelsLast(c, delta), [delta.size / c.outChannels, c.outChannels]);

/**
 * The use of the filter of a convolution of data.
 *
 * @param deltas δ of every component in the order of rows, [B·C·s, out].
 */
export function filterUse(values: Values, node: TraceNode, c: Convolution, deltas: Tensor, components: number,
    examples: number): SharedUse {
  const x = channelsLast(c, values[inputOf(node, c.names.x!)]);
  const positions = c.images / examples * positionsOf(c);
  return new SharedUse(new PatchPositions(c, x, examples),
      reshape(deltas, [examples, components, positions, c.outChannels]), false);
}
