import {backend_util, getBackend, slice_util, util} from '@tensorflow/tfjs-core';
import type {DataType, Tensor} from '@tensorflow/tfjs-core';
import type {KernelAttrs, KernelInputs} from '../tfjs/internals';
import {factsOf} from './kernel_facts';
import {ENTRYWISE, EXTREMA_ALONG_AXES, REDUCTIONS, RESHAPES} from './kernel_sets';

/** An output of a kernel without its entries. */
export interface KernelOutput {
  readonly shape: readonly number[];
  readonly dtype: DataType;
  /** The input whose data the output has; undefined if it has data of its own. */
  readonly sharedWith?: Tensor;
}

type Shape = readonly number[];

/** The shape of the output, from the inputs in their order or by name. */
type ShapeRule = (inputs: Tensor[], attrs: KernelAttrs, named: Record<string, Tensor>) => Shape;

/**
 * The outputs of a kernel, by its inputs and attributes alone; null for a kernel without a rule.
 * The data that an output shares are those that every backend lets it share, or the current
 * backend if that is WASM: its Identity and Cast copy.
 */
export function outputsOf(kernel: string, named: KernelInputs, attrs: KernelAttrs): KernelOutput[] | null {
  const inputs = Object.values(named).filter(t => t != null);
  const [x] = inputs;
  if (RESHAPES.has(kernel)) {
    const shape = kernel === 'ExpandDims' ? expanded(x.shape, attrs['dim'] as number) :
      util.inferFromImplicitShape(attrs['shape'] as number[], x.size);
    return [{shape, dtype: x.dtype, sharedWith: x}];
  }
  if (kernel === 'Identity' || kernel === 'Cast') {
    const dtype = (attrs?.['dtype'] ?? x.dtype) as DataType;
    const isShared = getBackend() !== 'wasm' && (kernel === 'Identity' || !util.hasEncodingLoss(x.dtype, dtype));
    return [{shape: x.shape, dtype, sharedWith: isShared ? x : undefined}];
  }
  const parts = partsOf(kernel, inputs, attrs);
  if (parts !== null) {
    return parts.map(shape => ({shape, dtype: x.dtype}));
  }
  const shape = shapeOf(kernel, inputs, attrs, named as Record<string, Tensor>);
  return shape === null ? null : [{shape, dtype: typeOf(kernel, inputs, attrs)}];
}

/** The shapes of the outputs of a kernel that takes a tensor apart; null for other kernels. */
function partsOf(kernel: string, [x]: Tensor[], {axis, numOrSizeSplits}: KernelAttrs = {}): Shape[] | null {
  if (kernel !== 'Unpack' && kernel !== 'SplitV') {
    return null;
  }
  const [along] = util.parseAxisParam(axis as number, x.shape);
  if (kernel === 'Unpack') {
    return Array.from({length: x.shape[along]}, () => x.shape.filter((_, i) => i !== along));
  }
  return backend_util.prepareSplitSize(x, numOrSizeSplits as number[], along)
      .map(size => x.shape.map((old, i) => i === along ? size : old));
}

function shapeOf(kernel: string, inputs: Tensor[], attrs: KernelAttrs, named: Record<string, Tensor>):
    Shape | null {
  const rule = SHAPES[kernel] as ShapeRule | undefined;
  if (rule !== undefined) {
    return rule(inputs, attrs, named);
  }
  if (ENTRYWISE.has(kernel)) {
    return inputs.map(t => t.shape).reduce((a, b) => backend_util.assertAndGetBroadcastShape(a, b));
  }
  return REDUCTIONS.has(kernel) || EXTREMA_ALONG_AXES.has(kernel) ? reduced(inputs[0].shape, attrs) : null;
}

/** Kernels that give true or false. */
const TRUTHS = new Set(['Equal', 'NotEqual', 'Greater', 'GreaterEqual', 'Less', 'LessEqual', 'LogicalAnd', 'LogicalOr',
  'LogicalNot', 'IsNan', 'IsInf', 'IsFinite', 'Any', 'All']);

function typeOf(kernel: string, inputs: Tensor[], attrs: KernelAttrs): DataType {
  if (TRUTHS.has(kernel)) {
    return 'bool';
  }
  if (kernel === 'ArgMax' || kernel === 'ArgMin') {
    return 'int32';
  }
  const first = kernel === 'Select' ? inputs[1] : inputs[0] as Tensor | undefined;
  return (attrs?.['dtype'] ?? first?.dtype ?? 'float32') as DataType;
}

const same: ShapeRule = ([x]) => x.shape;

const sameAs = (input: string): ShapeRule => (_, attrs, named) => named[input].shape;

const expanded = (shape: Shape, dim: number): number[] => {
  const at = dim < 0 ? shape.length + 1 + dim : dim;
  return [...shape.slice(0, at), 1, ...shape.slice(at)];
};

/** The shape without the axes that a reduction names, or with ones in their place. */
function reduced(shape: number[], {axis, reductionIndices, keepDims}: KernelAttrs): Shape {
  const axes = util.parseAxisParam((axis ?? reductionIndices) as number[], shape);
  return keepDims === true ? shape.map((size, i) => axes.includes(i) ? 1 : size) :
    shape.filter((_, i) => !axes.includes(i));
}

const padded: ShapeRule = ([x], {paddings}) =>
  x.shape.map((size, i) => (paddings as number[][])[i].reduce((sum, more) => sum + more, size));

/** Matrices along the last two axes; the axes before them broadcast. */
const matrices: ShapeRule = ([a, b], {transposeA, transposeB}) => [
  ...backend_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2)),
  a.shape[a.rank - (transposeA === true ? 1 : 2)], b.shape[b.rank - (transposeB === true ? 2 : 1)],
];

/** A convolution, by the operand that it computes. */
const convolved = (kernel: string): ShapeRule => ([x, filter], attrs) => {
  const {spatial, depthwise, result} = factsOf(kernel)!.convolution!;
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

const pooled: ShapeRule = ([x], attrs) => {
  const {filterSize, strides, pad, dimRoundingMode} = attrs as Record<string, never>;
  return x.rank === 5 ?
    backend_util.computePool3DInfo(x.shape as never, filterSize, strides, 1, pad, dimRoundingMode).outShape :
    backend_util.computePool2DInfo(x.shape as never, filterSize, strides, 1, pad, dimRoundingMode).outShape;
};

const joined: ShapeRule = (inputs, {axis}) =>
  backend_util.computeOutShape(inputs.map(t => t.shape), util.parseAxisParam(axis as number, inputs[0].shape)[0]);

const gathered: ShapeRule = ([x, indices], {axis, batchDims}) => {
  const [along] = util.parseAxisParam((axis ?? 0) as number, x.shape);
  const shared = (batchDims ?? 0) as number;
  return [...x.shape.slice(0, along), ...indices.shape.slice(shared), ...x.shape.slice(along + 1)];
};

const resized: ShapeRule = ([{shape}], {size}) => [shape[0], ...size as number[], shape[3]!];

const FROM_ATTRIBUTE: ShapeRule = (_, {shape}) => shape as number[];

/** Rules by kernel. Entrywise kernels, reshapes and reductions need none. */
const SHAPES: Readonly<Record<string, ShapeRule>> = {
  AvgPool: pooled,
  AvgPool3D: pooled,
  AvgPool3DGrad: sameAs('input'),
  AvgPoolGrad: sameAs('input'),
  BatchMatMul: matrices,
  Concat: joined,
  Cumprod: same,
  Cumsum: same,
  Fill: FROM_ATTRIBUTE,
  FlipLeftRight: same,
  FusedBatchNorm: sameAs('x'),
  GatherV2: gathered,
  LRN: same,
  LRNGrad: sameAs('x'),
  LogSoftmax: same,
  MaxPool: pooled,
  MaxPool3D: pooled,
  MaxPool3DGrad: sameAs('input'),
  MaxPoolGrad: sameAs('input'),
  MirrorPad: padded,
  OneHot: ([x], {depth}) => [...x.shape, depth as number],
  Pack: (inputs, {axis}) => {
    const shape = expanded(inputs[0].shape, axis as number);
    return shape.map((size, i) => i === ((axis as number) + shape.length) % shape.length ? inputs.length : size);
  },
  PadV2: padded,
  ResizeBilinear: resized,
  ResizeBilinearGrad: sameAs('images'),
  ResizeNearestNeighbor: resized,
  ResizeNearestNeighborGrad: sameAs('images'),
  Reverse: same,
  ScatterNd: FROM_ATTRIBUTE,
  Select: sameAs('t'),
  Slice: ([x], {begin, size}) => slice_util.parseSliceParams(x, begin as number[], size as number[])[1],
  Softmax: same,
  Tile: ([x], {reps}) => x.shape.map((size, i) => size * (reps as number[])[i]),
  Transpose: ([x], {perm}) => (perm as number[]).map(axis => x.shape[axis]),
  UnsortedSegmentSum: ([x, ids], {numSegments}) => [numSegments as number, ...x.shape.slice(ids.rank)],
  _FusedMatMul: matrices,
  ...Object.fromEntries(['Conv2D', 'FusedConv2D', 'DepthwiseConv2dNative', 'FusedDepthwiseConv2D', 'Conv3D',
    'Conv2DBackpropInput', 'Conv3DBackpropInputV2', 'DepthwiseConv2dNativeBackpropInput', 'Conv2DBackpropFilter',
    'Conv3DBackpropFilterV2', 'DepthwiseConv2dNativeBackpropFilter'].map(kernel => [kernel, convolved(kernel)])),
};
