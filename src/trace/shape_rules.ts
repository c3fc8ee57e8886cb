import {backend_util, getBackend, slice_util, util, type DataType, type Tensor} from '@tensorflow/tfjs-core';
import type {KernelAttrs} from '../tfjs/internals';
import type {ConvolutionFacts, Shape, ShapeRule, ShapesRule, SharingRule} from './kernel_fact';

/**
 * The shapes of the outputs of kernels, by the shapes of their inputs and by their attributes, and
 * whether an output shares the data of the input: rules that the rows of `kernel_facts.ts` name.
 */

export const same: ShapeRule = ([x]) => x.shape;

export const sameAs = (input: string): ShapeRule => (_, attrs, named) => named[input].shape;

/** The shape with an axis of this size put in. */
const withAxis = (shape: Shape, dim: number, size: number): Shape => {
  const at = dim < 0 ? shape.length + 1 + dim : dim;
  return [...shape.slice(0, at), size, ...shape.slice(at)];
};

export const expanded: ShapeRule = ([x], {dim}) => withAxis(x.shape, dim as number, 1);

export const reshaped: ShapeRule = ([x], {shape}) => util.inferFromImplicitShape(shape as number[], x.size);

export const padded: ShapeRule = ([x], {paddings}) =>
  x.shape.map((size, i) => (paddings as number[][])[i].reduce((sum, more) => sum + more, size));

/** Matrices along the last two axes; the axes before them broadcast. */
export const matrices: ShapeRule = ([a, b], {transposeA, transposeB}) => [
  ...backend_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2)),
  a.shape[a.rank - (transposeA === true ? 1 : 2)], b.shape[b.rank - (transposeB === true ? 2 : 1)],
];

/** A convolution, by the operand that it computes. */
export const convolved = ({spatial, depthwise, result}: ConvolutionFacts): ShapeRule => ([x, filter], attrs) => {
  if (result !== 'y') {
    return attrs[result === 'x' ? 'inputShape' : 'filterShape'] as number[];
  }
  const {strides, pad, dilations, dimRoundingMode, dataFormat} = attrs as Record<string, never>;
  const [image, kernels] = [x.shape as never, filter.shape as never];
  return spatial === 3 ?
    backend_util.computeConv3DInfo(image, kernels, strides, dilations ?? 1, pad).outShape :
    backend_util.computeConv2DInfo(image, kernels, strides, dilations ?? 1, pad, dimRoundingMode, depthwise,
        backend_util.convertConv2DDataFormat(dataFormat ?? 'NHWC')).outShape;
};

export const pooled: ShapeRule = ([x], attrs) => {
  const {filterSize, strides, pad, dimRoundingMode} = attrs as Record<string, never>;
  return x.rank === 5 ?
    backend_util.computePool3DInfo(x.shape as never, filterSize, strides, 1, pad, dimRoundingMode).outShape :
    backend_util.computePool2DInfo(x.shape as never, filterSize, strides, 1, pad, dimRoundingMode).outShape;
};

export const joined: ShapeRule = (inputs, {axis}) =>
  backend_util.computeOutShape(inputs.map(t => t.shape), util.parseAxisParam(axis as number, inputs[0].shape)[0]);

export const gathered: ShapeRule = ([x, indices], {axis, batchDims}) => {
  const [along] = util.parseAxisParam((axis ?? 0) as number, x.shape);
  const shared = (batchDims ?? 0) as number;
  return [...x.shape.slice(0, along), ...indices.shape.slice(shared), ...x.shape.slice(along + 1)];
};

export const resized: ShapeRule = ([{shape}], {size}) => [shape[0], ...size as number[], shape[3]!];

export const attribute = (name: string): ShapeRule => (_, attrs) => attrs[name] as number[];

/** Blocks of examples become blocks of pixels, which lose the crops. */
export const fromBatch: ShapeRule = ([{shape}], attrs) => {
  const [block, crops] = [attrs['blockShape'] as number[], attrs['crops'] as number[][]];
  return shape.map((size, i) => i === 0 ? size / util.sizeFromShape(block) : i > block.length ? size :
    size * block[i - 1] - crops[i - 1][0] - crops[i - 1][1]);
};

/** Blocks of pixels become examples. */
export const intoBatch: ShapeRule = ([{shape}], attrs) => {
  const [block, paddings] = [attrs['blockShape'] as number[], attrs['paddings'] as number[][]];
  return shape.map((size, i) => i === 0 ? size * util.sizeFromShape(block) : i > block.length ? size :
    (size + paddings[i - 1][0] + paddings[i - 1][1]) / block[i - 1]);
};

/** Blocks of channels become blocks of pixels. */
export const unfolded: ShapeRule = ([{shape}], {blockSize, dataFormat}) => {
  const size = blockSize as number;
  const channels = dataFormat === 'NCHW' ? 1 : 3;
  return shape.map((old, i) => i === 0 ? old : i === channels ? old / size ** 2 : old * size);
};

export const dilated: ShapeRule = ([x, filter], attrs) => {
  const {strides, pad, dilations} = attrs as Record<string, never>;
  return backend_util.computeDilation2DInfo(x.shape as never, filter.shape as never, strides, pad, 'NHWC', dilations)
      .outShape;
};

/** The sizes of the axes by their letters; the axes of the output come first. */
export const contracted: ShapeRule = (inputs, {equation}) => {
  const {allDims, summedDims, idDims} = backend_util.decodeEinsumEquation(equation as string, inputs.length);
  const sizes = new Map(idDims.flatMap((axes, i) => axes.map((axis, at) => [axis, inputs[i].shape[at]])));
  return allDims.slice(0, allDims.length - summedDims.length).map((_, axis) => sizes.get(axis)!);
};

export const spaced: ShapeRule = (_, attrs) => {
  const {start, stop, step} = attrs as Record<string, number>;
  const isEmpty = start === stop || (start < stop && step < 0) || (stop < start && step > 1);
  return [isEmpty ? 0 : Math.abs(Math.ceil((stop - start) / step))];
};

export const packed: ShapeRule = (inputs, {axis}) => withAxis(inputs[0].shape, axis as number, inputs.length);

export const tiled: ShapeRule = ([x], {reps}) => x.shape.map((size, i) => size * (reps as number[])[i]);

export const transposed: ShapeRule = ([x], {perm}) => (perm as number[]).map(axis => x.shape[axis]);

export const cut: ShapeRule = ([x], {begin, size}) =>
  slice_util.parseSliceParams(x, begin as number[], size as number[])[1];

export const diagonal: ShapeRule = ([x]) => [...x.shape, ...x.shape];

export const gatheredBlocks: ShapeRule = ([x, indices]) =>
  [...indices.shape.slice(0, -1), ...x.shape.slice(indices.shape.at(-1))];

export const oneHot: ShapeRule = ([x], {depth}) => [...x.shape, depth as number];

/** Draws, in rows. */
export const drawn: ShapeRule = ([x], {numSamples}) => [x.shape[0], numSamples as number];

/** As many entries along the last axis as this attribute says. */
export const alongLast = (name: string): ShapeRule => ([x], attrs) => [...x.shape.slice(0, -1), attrs[name] as number];

/** One axis of the size that this attribute holds. */
export const listOf = (name: string): ShapeRule => (_, attrs) => [attrs[name] as number];

export const cropped: ShapeRule = ([x, boxes], {cropSize}) => [boxes.shape[0], ...cropSize as number[], x.shape[3]!];

export const transformed: ShapeRule = ([{shape}], {outputShape}) =>
  [shape[0], ...(outputShape ?? shape.slice(1, 3)) as number[], shape[3]!];

/** Sums of rows, one for each segment. */
export const summed: ShapeRule = ([x, ids], {numSegments}) => [numSegments as number, ...x.shape.slice(ids.rank)];

/** The shapes of the entries along an axis. */
export const unpacked: ShapesRule = (x, {axis}) => {
  const [along] = util.parseAxisParam(axis as number, x.shape);
  return Array.from({length: x.shape[along]}, () => x.shape.filter((_, i) => i !== along));
};

/** The shapes of the parts along an axis. */
export const split: ShapesRule = (x, {axis, numOrSizeSplits}) => {
  const [along] = util.parseAxisParam(axis as number, x.shape);
  return backend_util.prepareSplitSize(x, numOrSizeSplits as number[], along)
      .map(size => x.shape.map((old, i) => i === along ? size : old));
};

/** A slice with strides and masks. */
const slicesOf = ({shape}: Tensor, attrs: KernelAttrs): ReturnType<typeof slice_util.sliceInfo> => {
  const {begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask} =
    attrs as Record<string, never>;
  return slice_util.sliceInfo(shape, begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask,
      shrinkAxisMask);
};

export const sliced: ShapeRule = ([x], attrs) => slicesOf(x, attrs).finalShape;

export const always: SharingRule = () => true;

/** On WASM, Identity and Cast copy. */
export const notOnWasm: SharingRule = () => getBackend() !== 'wasm';

/** A cast to a type that holds all values of the type of the input. */
export const lossless: SharingRule = ([x], {dtype}) =>
  getBackend() !== 'wasm' && !util.hasEncodingLoss(x.dtype, dtype as DataType);

/** A stack of one tensor is a reshape, but on tfjs-node. */
export const ofOne: SharingRule = inputs => inputs.length === 1 && getBackend() !== 'tensorflow';

/** A slice of the whole input. */
export const ofAll: SharingRule = ([x], attrs) => slicesOf(x, attrs).isIdentity;
