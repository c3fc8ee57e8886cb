import {backend_util, getBackend, slice_util, util} from '@tensorflow/tfjs-core';
import type {DataType, Tensor} from '@tensorflow/tfjs-core';
import type {KernelAttrs, KernelInputs} from '../tfjs/internals';
import type {KernelOutput} from '../tfjs/rehearsal';
import {factsOf} from './kernel_facts';
import {CONVOLUTIONS, ENTRYWISE, EXTREMA_ALONG_AXES, REDUCTIONS, RESHAPES} from './kernel_sets';

type Shape = readonly number[];

/** The shape of the output, from the inputs in their order or by name. */
type ShapeRule = (inputs: Tensor[], attrs: KernelAttrs, named: Record<string, Tensor>) => Shape;

/**
 * The output of a kernel, by its inputs and attributes alone: a list if the kernel gives a list,
 * null for a kernel without a rule. The data that an output shares are those that every backend
 * lets it share, or the current backend if that is WASM: its Identity and Cast copy.
 */
export function outputsOf(kernel: string, named: KernelInputs, attrs: KernelAttrs):
    KernelOutput | KernelOutput[] | null {
  const inputs = Object.values(named).filter(t => t != null);
  const [x] = inputs;
  if (RESHAPES.has(kernel)) {
    const shape = kernel === 'ExpandDims' ? expanded(x.shape, attrs['dim'] as number) :
      util.inferFromImplicitShape(attrs['shape'] as number[], x.size);
    return {shape, dtype: x.dtype, sharedWith: x};
  }
  if (kernel === 'Identity' || kernel === 'Cast') {
    const dtype = (attrs?.['dtype'] ?? x.dtype) as DataType;
    const isShared = getBackend() !== 'wasm' && (kernel === 'Identity' || !util.hasEncodingLoss(x.dtype, dtype));
    return {shape: x.shape, dtype, sharedWith: isShared ? x : undefined};
  }
  if (kernel === 'StridedSlice') {
    const {finalShape, isIdentity} = slicesOf(x, attrs);
    return {shape: finalShape, dtype: x.dtype, sharedWith: isIdentity ? x : undefined};
  }
  if (kernel === 'Unpack' || kernel === 'SplitV') {
    return partsOf(kernel, x, attrs).map(shape => ({shape, dtype: x.dtype}));
  }
  const shape = shapeOf(kernel, inputs, attrs, named as Record<string, Tensor>);
  if (shape === null) {
    return null;
  }
  const output = {shape, dtype: typeOf(kernel, inputs, attrs)};
  return WITH_INDICES.has(kernel) ? [output, {shape, dtype: 'int32'}] : output;
}

/** Kernels with a second output: the indices of the entries of the first. */
const WITH_INDICES = new Set(['MaxPoolWithArgmax', 'TopK']);

/** The shapes of the outputs of a kernel that takes a tensor apart. */
function partsOf(kernel: 'Unpack' | 'SplitV', x: Tensor, {axis, numOrSizeSplits}: KernelAttrs): Shape[] {
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

/** The type of the output if it is not that of the first input. */
const TYPES: Readonly<Record<string, DataType | undefined>> = {
  ...Object.fromEntries(['Equal', 'NotEqual', 'Greater', 'GreaterEqual', 'Less', 'LessEqual', 'LogicalAnd', 'LogicalOr',
    'LogicalNot', 'IsNan', 'IsInf', 'IsFinite', 'Any', 'All'].map(kernel => [kernel, 'bool'])),
  ...Object.fromEntries(['ArgMax', 'ArgMin', 'Multinomial', 'SearchSorted'].map(kernel => [kernel, 'int32'])),
  ...Object.fromEntries(['ComplexAbs', 'CropAndResize', 'Imag', 'Real', 'ResizeBilinear'].map(kernel =>
    [kernel, 'float32'])),
  Complex: 'complex64',
};

/** Kernels whose output has the type of the second input. */
const TYPE_OF_SECOND = new Set(['Bincount', 'DenseBincount', 'ScatterNd', 'Select', 'SparseToDense']);

function typeOf(kernel: string, inputs: Tensor[], attrs: KernelAttrs): DataType {
  const input = inputs[TYPE_OF_SECOND.has(kernel) ? 1 : 0] as Tensor | undefined;
  return TYPES[kernel] ?? (attrs?.['dtype'] ?? input?.dtype ?? 'float32') as DataType;
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

const attribute = (name: string): ShapeRule => (_, attrs) => attrs[name] as number[];

/** A slice with strides and masks. */
const slicesOf = ({shape}: Tensor, attrs: KernelAttrs): ReturnType<typeof slice_util.sliceInfo> => {
  const {begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask} =
    attrs as Record<string, never>;
  return slice_util.sliceInfo(shape, begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask,
      shrinkAxisMask);
};

/** Blocks of examples become blocks of pixels, which lose the crops. */
const fromBatch: ShapeRule = ([{shape}], attrs) => {
  const [block, crops] = [attrs['blockShape'] as number[], attrs['crops'] as number[][]];
  return shape.map((size, i) => i === 0 ? size / util.sizeFromShape(block) : i > block.length ? size :
    size * block[i - 1] - crops[i - 1][0] - crops[i - 1][1]);
};

/** Blocks of pixels become examples. */
const intoBatch: ShapeRule = ([{shape}], attrs) => {
  const [block, paddings] = [attrs['blockShape'] as number[], attrs['paddings'] as number[][]];
  return shape.map((size, i) => i === 0 ? size * util.sizeFromShape(block) : i > block.length ? size :
    (size + paddings[i - 1][0] + paddings[i - 1][1]) / block[i - 1]);
};

/** Blocks of channels become blocks of pixels. */
const unfolded: ShapeRule = ([{shape}], {blockSize, dataFormat}) => {
  const size = blockSize as number;
  const channels = dataFormat === 'NCHW' ? 1 : 3;
  return shape.map((old, i) => i === 0 ? old : i === channels ? old / size ** 2 : old * size);
};

const dilated: ShapeRule = ([x, filter], attrs) => {
  const {strides, pad, dilations} = attrs as Record<string, never>;
  return backend_util.computeDilation2DInfo(x.shape as never, filter.shape as never, strides, pad, 'NHWC', dilations)
      .outShape;
};

/** The sizes of the axes by their letters; the axes of the output come first. */
const contracted: ShapeRule = (inputs, {equation}) => {
  const {allDims, summedDims, idDims} = backend_util.decodeEinsumEquation(equation as string, inputs.length);
  const sizes = new Map(idDims.flatMap((axes, i) => axes.map((axis, at) => [axis, inputs[i].shape[at]])));
  return allDims.slice(0, allDims.length - summedDims.length).map((_, axis) => sizes.get(axis)!);
};

/** Histograms, one for each row of the first input. */
const counted: ShapeRule = ([x], {size}) => [...x.shape.slice(0, -1), size as number];

const spaced: ShapeRule = (_, attrs) => {
  const {start, stop, step} = attrs as Record<string, number>;
  const isEmpty = start === stop || (start < stop && step < 0) || (stop < start && step > 1);
  return [isEmpty ? 0 : Math.abs(Math.ceil((stop - start) / step))];
};

/**
 * Rules by kernel. Entrywise kernels, reshapes and reductions need none. There is no rule if the
 * entries of the inputs say how large the output is, as for Unique.
 */
const SHAPES: Readonly<Record<string, ShapeRule>> = {
  // Of the shape of an input, or of a shape that an attribute holds.
  ...Object.fromEntries(['BitwiseAnd', 'Complex', 'ComplexAbs', 'Cumprod', 'Cumsum', 'FFT', 'FlipLeftRight', 'IFFT',
    'Imag', 'LRN', 'LogSoftmax', 'Real', 'Reverse', 'RotateWithOffset', 'Softmax',
    'TensorScatterUpdate'].map(kernel => [kernel, same])),
  AvgPool3DGrad: sameAs('input'),
  AvgPoolGrad: sameAs('input'),
  Dilation2DBackpropFilter: sameAs('filter'),
  Dilation2DBackpropInput: sameAs('x'),
  Fill: attribute('shape'),
  FusedBatchNorm: sameAs('x'),
  LRNGrad: sameAs('x'),
  MaxPool3DGrad: sameAs('input'),
  MaxPoolGrad: sameAs('input'),
  ResizeBilinearGrad: sameAs('images'),
  ResizeNearestNeighborGrad: sameAs('images'),
  ScatterNd: attribute('shape'),
  SearchSorted: sameAs('values'),
  Select: sameAs('t'),
  SparseToDense: attribute('outputShape'),

  // Entries moved, dropped, repeated or joined.
  BatchToSpaceND: fromBatch,
  Concat: joined,
  DepthToSpace: unfolded,
  Diag: ([x]) => [...x.shape, ...x.shape],
  GatherNd: ([x, indices]) => [...indices.shape.slice(0, -1), ...x.shape.slice(indices.shape.at(-1))],
  GatherV2: gathered,
  MirrorPad: padded,
  OneHot: ([x], {depth}) => [...x.shape, depth as number],
  Pack: (inputs, {axis}) => {
    const shape = expanded(inputs[0].shape, axis as number);
    return shape.map((size, i) => i === ((axis as number) + shape.length) % shape.length ? inputs.length : size);
  },
  PadV2: padded,
  Slice: ([x], {begin, size}) => slice_util.parseSliceParams(x, begin as number[], size as number[])[1],
  SpaceToBatchND: intoBatch,
  Tile: ([x], {reps}) => x.shape.map((size, i) => size * (reps as number[])[i]),
  TopK: ([x], {k}) => [...x.shape.slice(0, -1), k as number],
  Transpose: ([x], {perm}) => (perm as number[]).map(axis => x.shape[axis]),

  // Sums, products and images.
  AvgPool: pooled,
  AvgPool3D: pooled,
  BatchMatMul: matrices,
  Bincount: (_, {size}) => [size as number],
  CropAndResize: ([x, boxes], {cropSize}) => [boxes.shape[0], ...cropSize as number[], x.shape[3]!],
  DenseBincount: counted,
  Dilation2D: dilated,
  Einsum: contracted,
  LinSpace: (_, {num}) => [num as number],
  MaxPool: pooled,
  MaxPool3D: pooled,
  MaxPoolWithArgmax: pooled,
  Multinomial: ([x], {numSamples}) => [x.shape[0], numSamples as number],
  Range: spaced,
  ResizeBilinear: resized,
  ResizeNearestNeighbor: resized,
  Transform: ([{shape}], {outputShape}) => [shape[0], ...(outputShape ?? shape.slice(1, 3)) as number[], shape[3]!],
  UnsortedSegmentSum: ([x, ids], {numSegments}) => [numSegments as number, ...x.shape.slice(ids.rank)],
  _FusedMatMul: matrices,
  ...Object.fromEntries([...CONVOLUTIONS].map(kernel => [kernel, convolved(kernel)])),
};
