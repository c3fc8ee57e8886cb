import {CUSTOM_GRAD} from './custom_grad';
import type {BatchPassing, Fact, KernelFacts, Operand, ShapeRule} from './kernel_fact';
import * as shape from './shape_rules';

/**
 * The facts of the kernels of tfjs that this package uses, beside their derivatives
 * (`derivatives/table.ts`): one row for each kernel. A fact that a row does not state does not hold
 * or is not known. A kernel without a row may mix the examples, have poles, and so on.
 * `kernel_sets.ts` holds the sets of kernels that have a fact, and
 * `test/trace/kernel_facts.test.ts` tests the facts by running the kernels. Other files ask for
 * facts: `test/structure.test.ts` lists the few that may name a kernel.
 */

const entrywise = (...facts: Fact[]): KernelFacts => ({batch: 'entrywise', facts: ['entrywise', ...facts]});
const smooth = (...facts: Fact[]): KernelFacts => entrywise('slope', ...facts);
const truth = (): KernelFacts => ({...entrywise(), type: 'bool'});
const binary = (...facts: Fact[]): KernelFacts => ({...entrywise(...facts), broadcasts: ['a', 'b']});
const rows = (batch: BatchPassing, ...facts: Fact[]): KernelFacts => ({batch, facts});
const images = (...facts: Fact[]): KernelFacts => rows('leading', ...facts);
const pole = (input: string, at = 0): Pick<KernelFacts, 'pole'> => ({pole: {input, at}});
const convolution = (spatial: 2 | 3, depthwise: boolean, result: Operand): Omit<KernelFacts, 'facts'> =>
  ({convolution: {spatial, depthwise, result}, shape: shape.convolved({spatial, depthwise, result})});
const outputOnly = (rule: ShapeRule, type: Pick<KernelFacts, 'type' | 'typeOf'> = {}): KernelFacts =>
  ({facts: [], shape: rule, ...type});

const RESHAPE = {...rows('reshape', 'reshape', 'sameEntries', 'selection', 'affine', 'shift', 'keepsRelativeError',
    'exact', 'tame', 'shapeOnly'), shares: shape.always};
const MATRICES = {...rows('matrixProduct', 'matrixProduct', 'product', 'tame', 'shapeOnly'), shape: shape.matrices};
const PRODUCT_OF_IMAGES = images('product', 'tame', 'shapeOnly');
const CONV_2D = {...PRODUCT_OF_IMAGES, ...convolution(2, false, 'y')};
const DEPTHWISE = {...PRODUCT_OF_IMAGES, ...convolution(2, true, 'y')};
const TOTAL = rows('reduction', 'affine', 'tame', 'shapeOnly');

const KERNELS = new Map<string, KernelFacts>(Object.entries({
  // Of one tensor, entry by entry.
  Abs: smooth('exact', 'tame', 'magnitude'),
  Acos: smooth(),
  Acosh: smooth(),
  Asin: smooth(),
  Asinh: smooth(),
  Atan: smooth('tame', 'monotone'),
  Atanh: smooth(),
  Cast: {...entrywise('sameEntries', 'affine', 'shift', 'keepsRelativeError', 'exact', 'tame'), shares: shape.lossless},
  Ceil: entrywise('constant'),
  ClipByValue: smooth('tame', 'monotone'),
  Cos: smooth('tame'),
  Cosh: smooth(),
  Elu: smooth('tame'),
  EluGrad: {...smooth(), linearIn: ['dy']},
  Erf: smooth('tame'),
  Exp: smooth('monotone'),
  Expm1: smooth('monotone'),
  Floor: entrywise('constant'),
  IsFinite: truth(),
  IsInf: truth(),
  IsNan: truth(),
  LeakyRelu: smooth('tame'),
  Log: {...smooth('monotone'), ...pole('x')},
  Log1p: {...smooth('monotone'), ...pole('x', -1)},
  LogicalNot: truth(),
  Neg: smooth('affine', 'shift', 'keepsRelativeError', 'exact', 'tame'),
  OnesLike: entrywise('constant'),
  Reciprocal: {...smooth('monotone'), ...pole('x')},
  Relu: smooth('exact', 'tame', 'monotone', 'magnitude'),
  Relu6: smooth('tame'),
  Round: entrywise('constant'),
  Rsqrt: {...smooth('monotone'), ...pole('x')},
  Selu: smooth('tame'),
  Sigmoid: smooth('tame', 'monotone'),
  Sign: entrywise('constant'),
  Sin: smooth('tame'),
  Sinh: smooth(),
  Softplus: smooth('tame', 'monotone'),
  Sqrt: smooth('monotone'),
  Square: smooth('tame'),
  Step: entrywise('constant'),
  Tan: smooth(),
  Tanh: smooth('tame', 'monotone'),
  ZerosLike: entrywise('constant'),

  // Of several tensors, entry by entry.
  Add: binary('sum', 'affine', 'shift', 'tame'),
  AddN: entrywise('affine', 'tame', 'unbroadcast'),
  Atan2: binary(),
  Equal: truth(),
  FloorDiv: entrywise(),
  FusedBatchNorm: {...entrywise('tame', 'shapeOnly'), broadcasts: ['scale', 'offset', 'mean', 'variance'],
    shape: shape.sameAs('x')},
  Greater: truth(),
  GreaterEqual: truth(),
  Less: truth(),
  LessEqual: truth(),
  LogicalAnd: truth(),
  LogicalOr: truth(),
  Maximum: binary('exact', 'tame', 'monotone', 'magnitude'),
  Minimum: binary('exact', 'tame', 'monotone'),
  Mod: binary(),
  Multiply: {...binary('keepsRelativeError', 'tame', 'shapeOnly'), factors: ['a', 'b']},
  NotEqual: truth(),
  Pow: {...binary('monotone'), ...pole('a')},
  Prelu: {...entrywise('tame'), broadcasts: ['alpha']},
  RealDiv: {...binary('keepsRelativeError', 'monotone'), factors: ['a'], ...pole('b')},
  Select: {...entrywise('exact', 'tame', 'unbroadcast'), broadcasts: ['t', 'e'], chosenBy: 'condition',
    shape: shape.sameAs('t'), typeOf: 1},
  SquaredDifference: {...binary('tame'), squareOf: 'Sub'},
  Sub: binary('difference', 'affine', 'shift', 'tame'),

  // Entries moved, dropped, repeated or joined.
  BatchToSpaceND: {...{facts: ['tame']}, shape: shape.fromBatch},
  BroadcastTo: {...rows('entrywise', 'selection', 'affine', 'exact'), outputShape: 'shape'},
  Concat: {...rows({along: 'axis'}, 'selection', 'affine', 'exact', 'tame', 'unbroadcast'), shape: shape.joined},
  DepthToSpace: {...images(), shape: shape.unfolded},
  ExpandDims: {...RESHAPE, shape: shape.expanded},
  FlipLeftRight: {...images('selection', 'affine', 'exact', 'tame'), linearIn: ['image'], shape: shape.same},
  GatherV2: {...rows('gather', 'product', 'exact', 'tame'), linearIn: ['x'], chosenBy: 'indices',
    shape: shape.gathered},
  MirrorPad: {...rows('sameAxis', 'tame'), shape: shape.padded},
  Pack: {...rows('pack', 'selection', 'affine', 'exact', 'tame', 'unbroadcast'), shape: shape.packed,
    shares: shape.ofOne},
  PadV2: {...rows('sameAxis', 'exact', 'tame', 'shapeOnly'), filledWith: 'constantValue', shape: shape.padded},
  Reshape: {...RESHAPE, outputShape: 'shape', shape: shape.reshaped},
  Reverse: {...rows({along: 'dims'}, 'selection', 'exact', 'tame'), shape: shape.same},
  Slice: {...rows('sameAxis', 'selection', 'affine', 'exact', 'tame', 'shapeOnly'), outputShape: 'size',
    shape: shape.cut},
  SpaceToBatchND: {...{facts: ['tame']}, shape: shape.intoBatch},
  SplitV: {...rows({along: 'axis'}, 'selection', 'exact', 'tame'), shapes: shape.split},
  StridedSlice: {...rows('sameAxis', 'selection', 'exact', 'tame', 'boundToBatch'), shape: shape.sliced,
    shares: shape.ofAll},
  Tile: {...rows('sameAxis', 'selection', 'affine', 'exact', 'tame'), linearIn: ['x'], copiesBy: 'reps',
    shape: shape.tiled},
  Transpose: {...rows('transpose', 'selection', 'affine', 'exact', 'tame', 'shapeOnly'), axesBy: 'perm',
    shape: shape.transposed},
  Unpack: {...rows('unpack', 'selection', 'exact', 'tame'), shapes: shape.unpacked},

  // Along axes.
  All: {...rows('reduction'), type: 'bool'},
  Any: {...rows('reduction'), type: 'bool'},
  ArgMax: {...rows('reduction'), type: 'int32'},
  ArgMin: {...rows('reduction'), type: 'int32'},
  Cumprod: {...rows({along: 'axis'}), shape: shape.same},
  Cumsum: {...rows({along: 'axis'}, 'tame'), linearIn: ['x'], shape: shape.same},
  LogSoftmax: {...rows({along: 'axis'}), shape: shape.same},
  Max: {...rows('reduction', 'exact', 'tame'), extremum: {along: 'reductionIndices'}},
  Mean: {...TOTAL, facts: [...TOTAL.facts, 'mean']},
  Min: {...rows('reduction', 'exact', 'tame'), extremum: {along: 'axis'}},
  Prod: rows('reduction'),
  Softmax: {...rows({along: 'dim'}, 'tame'), shape: shape.same},
  Sum: TOTAL,

  // Products.
  BatchMatMul: {...MATRICES, linearIn: ['a', 'b']},
  _FusedMatMul: {...MATRICES, broadcasts: ['bias'], fused: 'BatchMatMul'},
  Conv2D: CONV_2D,
  FusedConv2D: {...CONV_2D, broadcasts: ['bias'], fused: 'Conv2D'},
  DepthwiseConv2dNative: DEPTHWISE,
  FusedDepthwiseConv2D: {...DEPTHWISE, broadcasts: ['bias'], fused: 'DepthwiseConv2dNative'},
  Conv3D: {...images('product', 'tame'), ...convolution(3, false, 'y')},
  Conv2DBackpropInput: {...images('product', 'tame'), ...convolution(2, false, 'x'), outputShape: 'inputShape'},
  Conv3DBackpropInputV2: {...images('product', 'tame'), ...convolution(3, false, 'x'), outputShape: 'inputShape'},
  DepthwiseConv2dNativeBackpropInput: {...images(), ...convolution(2, true, 'x'), outputShape: 'inputShape'},
  Conv2DBackpropFilter: {facts: [], ...convolution(2, false, 'filter')},
  Conv3DBackpropFilterV2: {facts: [], ...convolution(3, false, 'filter')},
  DepthwiseConv2dNativeBackpropFilter: {facts: [], ...convolution(2, true, 'filter')},

  // Images, one by one.
  AvgPool: {...images('tame'), linearIn: ['x'], shape: shape.pooled},
  AvgPool3D: {...images('tame'), linearIn: ['x'], shape: shape.pooled},
  AvgPoolGrad: {...images(), linearIn: ['dy'], shape: shape.sameAs('input')},
  AvgPool3DGrad: {...images(), linearIn: ['dy'], shape: shape.sameAs('input')},
  Dilation2D: {...images('tame'), shape: shape.dilated},
  LRN: {...images('tame'), shape: shape.same},
  LRNGrad: {...images(), linearIn: ['dy'], shape: shape.sameAs('x')},
  MaxPool: {...images('tame'), homogeneousIn: ['x'], extremum: 'windows', shape: shape.pooled},
  MaxPool3D: {...images('tame'), homogeneousIn: ['x'], extremum: 'windows', shape: shape.pooled},
  MaxPoolGrad: {...images(), shape: shape.sameAs('input')},
  MaxPool3DGrad: {...images(), shape: shape.sameAs('input')},
  ResizeBilinear: {...images('tame'), linearIn: ['images'], shape: shape.resized, type: 'float32'},
  ResizeBilinearGrad: {...images(), shape: shape.sameAs('images')},
  ResizeNearestNeighbor: {...images('tame'), linearIn: ['images'], shape: shape.resized},
  ResizeNearestNeighborGrad: {...images(), shape: shape.sameAs('images')},

  // The attributes do not tell the results.
  Multinomial: {facts: ['random'], shape: shape.drawn, type: 'int32'},
  [CUSTOM_GRAD]: {facts: ['random', 'boundToBatch']},

  // Kernels whose outputs alone are known. There is no rule if the entries of the inputs say how
  // large the output is, as for Unique.
  Bincount: outputOnly(shape.listOf('size'), {typeOf: 1}),
  BitwiseAnd: outputOnly(shape.same),
  Complex: outputOnly(shape.same, {type: 'complex64'}),
  ComplexAbs: outputOnly(shape.same, {type: 'float32'}),
  CropAndResize: outputOnly(shape.cropped, {type: 'float32'}),
  DenseBincount: outputOnly(shape.alongLast('size'), {typeOf: 1}),
  Diag: outputOnly(shape.diagonal),
  Dilation2DBackpropFilter: outputOnly(shape.sameAs('filter')),
  Dilation2DBackpropInput: outputOnly(shape.sameAs('x')),
  Einsum: outputOnly(shape.contracted),
  FFT: outputOnly(shape.same),
  Fill: outputOnly(shape.attribute('shape')),
  GatherNd: outputOnly(shape.gatheredBlocks),
  Identity: {...outputOnly(shape.same), shares: shape.notOnWasm},
  IFFT: outputOnly(shape.same),
  Imag: outputOnly(shape.same, {type: 'float32'}),
  LinSpace: outputOnly(shape.listOf('num')),
  MaxPoolWithArgmax: {facts: ['withIndices'], shape: shape.pooled},
  OneHot: outputOnly(shape.oneHot),
  Range: outputOnly(shape.spaced),
  Real: outputOnly(shape.same, {type: 'float32'}),
  RotateWithOffset: outputOnly(shape.same),
  ScatterNd: outputOnly(shape.attribute('shape'), {typeOf: 1}),
  SearchSorted: outputOnly(shape.sameAs('values'), {type: 'int32'}),
  SparseToDense: outputOnly(shape.attribute('outputShape'), {typeOf: 1}),
  TensorScatterUpdate: outputOnly(shape.same),
  TopK: {facts: ['withIndices'], shape: shape.alongLast('k')},
  Transform: outputOnly(shape.transformed),
  UnsortedSegmentSum: outputOnly(shape.summed),
}));

/** null for a kernel of which nothing is known. */
export const factsOf = (kernel: string): KernelFacts | null => KERNELS.get(kernel) ?? null;

/** The kernels whose facts fulfil a condition. */
export const kernelsWith = (holds: (facts: KernelFacts) => boolean): ReadonlySet<string> =>
  new Set([...KERNELS].filter(([, facts]) => holds(facts)).map(([kernel]) => kernel));
