import {backend_util, type Tensor} from '@tensorflow/tfjs-core';
import {factsOf} from '../../trace/kernel_facts';
import type {ConvolutionFacts, Operand} from '../../trace/kernel_fact';
import {CONVOLUTIONS} from '../../trace/kernel_sets';
import {inputOf, type TraceNode} from '../../trace/trace';

/** Sizes along depth, height and width; depth is 1 for images. */
export type Extent = readonly [number, number, number];

/**
 * A convolution y[n, o, :] = Σ_k x[n, o · stride + k · dilation - before, :] filter[k, :, :],
 * channels last. With a cotangent in the place of y it is trilinear in (x, filter, y), and its two
 * gradients are the same sum over other indices.
 */
export interface Convolution {
  readonly spatial: 2 | 3;
  /** Each input channel by itself, with `outChannels / inChannels` filters. */
  readonly depthwise: boolean;
  readonly images: number;
  readonly input: Extent;
  readonly inChannels: number;
  readonly output: Extent;
  readonly outChannels: number;
  readonly filter: Extent;
  readonly strides: Extent;
  readonly dilations: Extent;
  /** Entries of padding in front of the input. */
  readonly before: Extent;
  /** The attributes of the padding, as tfjs's kernels take them. */
  readonly attrs: {readonly pad: unknown; readonly dimRoundingMode: unknown};
  readonly channelsFirst: boolean;
  /** The node's name of each operand; null for the operand that is its output. */
  readonly names: Readonly<Record<Operand, string | null>>;
}

/** The node's names of the operands, by the operand that it computes. */
const NAMES: Record<Operand, Readonly<Record<Operand, string | null>>> = {
  y: {x: 'x', filter: 'filter', y: null},
  x: {x: null, filter: 'filter', y: 'dy'},
  filter: {x: 'x', filter: null, y: 'dy'},
};

const keyOf = ({spatial, depthwise, result}: ConvolutionFacts): string => `${spatial} ${depthwise} ${result}`;

const BY_FACTS = new Map([...CONVOLUTIONS].filter(kernel => factsOf(kernel)!.fused === undefined)
    .map(kernel => [keyOf(factsOf(kernel)!.convolution!), kernel]));

/** The kernel that computes an operand from the two others. */
export const kernelFor = ({spatial, depthwise}: Pick<Convolution, 'spatial' | 'depthwise'>, result: Operand): string =>
  BY_FACTS.get(keyOf({spatial, depthwise, result}))!;

/** Reads the convolution of a node; null for other kernels. */
export function convolutionOf(values: readonly Tensor[], node: TraceNode): Convolution | null {
  const facts = factsOf(node.kernel)?.convolution;
  if (facts === undefined) {
    return null;
  }
  const {spatial, depthwise} = facts;
  const names = NAMES[facts.result];
  const shapeOf = (operand: Operand): number[] => {
    const name = names[operand];
    return values[name === null ? node.outputs[0] : inputOf(node, name)].shape;
  };
  const {strides, pad: padding, dataFormat, dimRoundingMode} = node.attrs as {strides: number | number[]; pad: 'same';
    dataFormat?: string; dimRoundingMode?: 'floor'};
  const dilations = node.attrs['dilations'] as number | number[] | undefined ?? 1;
  const channelsFirst = dataFormat === 'NCHW' || dataFormat === 'NCDHW';
  const common = {spatial, depthwise, names, channelsFirst};
  const format = channelsFirst ? 'channelsFirst' : 'channelsLast';
  const [x, filter] = [shapeOf('x'), shapeOf('filter')] as [never, never];
  if (spatial === 3) {
    const info = backend_util.computeConv3DInfo(x, filter, strides as never, dilations as never, padding, depthwise,
        format);
    const {front, top, left} = info.padInfo;
    return {...common, images: info.batchSize, inChannels: info.inChannels, outChannels: info.outChannels,
      input: [info.inDepth, info.inHeight, info.inWidth], output: [info.outDepth, info.outHeight, info.outWidth],
      filter: [info.filterDepth, info.filterHeight, info.filterWidth],
      strides: [info.strideDepth, info.strideHeight, info.strideWidth],
      dilations: [info.dilationDepth, info.dilationHeight, info.dilationWidth], before: [front, top, left],
      attrs: {pad: padding, dimRoundingMode}};
  }
  const info = backend_util.computeConv2DInfo(x, filter, strides as never, dilations as never, padding, dimRoundingMode,
      depthwise, format);
  const {top, bottom, left, right} = info.padInfo;
  return {...common, images: info.batchSize, inChannels: info.inChannels, outChannels: info.outChannels,
    input: [1, info.inHeight, info.inWidth], output: [1, info.outHeight, info.outWidth],
    filter: [1, info.filterHeight, info.filterWidth], strides: [1, info.strideHeight, info.strideWidth],
    dilations: [1, info.dilationHeight, info.dilationWidth], before: [0, top, left],
    attrs: {pad: typeof padding === 'object' ? [[0, 0], [top, bottom], [left, right], [0, 0]] : padding,
      dimRoundingMode}};
}

/** Entries of the input that a filter reaches along each axis: (size - 1) · dilation + 1. */
export const reach = (c: Convolution): number[] => c.filter.map((size, i) => (size - 1) * c.dilations[i] + 1);

/** Shape of an operand, channels last. */
export function shapeOf(c: Convolution, operand: Operand): number[] {
  const size = (extent: Extent): number[] => c.spatial === 2 ? extent.slice(1) : [...extent];
  switch (operand) {
    case 'x':
      return [c.images, ...size(c.input), c.inChannels];
    case 'y':
      return [c.images, ...size(c.output), c.outChannels];
    default:
      return [...size(c.filter), c.inChannels, c.depthwise ? c.outChannels / c.inChannels : c.outChannels];
  }
}
