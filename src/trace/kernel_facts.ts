import {CUSTOM_GRAD} from './custom_grad';
import type {BatchPassing, Fact, KernelFacts, Operand} from './kernel_fact';

/**
 * The facts of the kernels of tfjs that this package uses, beside their derivatives
 * (`derivatives/table.ts`): one row for each kernel. A fact that a row does not state does not hold
 * or is not known. A kernel without a row may mix the examples, have poles, and so on.
 * `kernel_sets.ts` holds the sets of kernels that have a fact, and
 * `test/trace/kernel_facts.test.ts` tests the facts by running the kernels.
 */

const entrywise = (...facts: Fact[]): KernelFacts => ({batch: 'entrywise', facts: ['entrywise', ...facts]});
const smooth = (...facts: Fact[]): KernelFacts => entrywise('slope', ...facts);
const binary = (...facts: Fact[]): KernelFacts => ({...entrywise(...facts), broadcasts: ['a', 'b']});
const rows = (batch: BatchPassing, ...facts: Fact[]): KernelFacts => ({batch, facts});
const images = (...facts: Fact[]): KernelFacts => rows('leading', ...facts);
const pole = (input: string, at = 0): Pick<KernelFacts, 'pole'> => ({pole: {input, at}});
const convolution = (spatial: 2 | 3, depthwise: boolean, result: Operand): Pick<KernelFacts, 'convolution'> =>
  ({convolution: {spatial, depthwise, result}});

const RESHAPE = rows('reshape', 'reshape', 'sameEntries', 'selection', 'affine', 'shift', 'keepsRelativeError',
    'exact', 'tame', 'shapeOnly');
const MATRICES = rows('matrixProduct', 'matrixProduct', 'product', 'tame', 'shapeOnly');
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
  Cast: entrywise('sameEntries', 'affine', 'shift', 'keepsRelativeError', 'exact', 'tame'),
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
  IsFinite: entrywise(),
  IsInf: entrywise(),
  IsNan: entrywise(),
  LeakyRelu: smooth('tame'),
  Log: {...smooth('monotone'), ...pole('x')},
  Log1p: {...smooth('monotone'), ...pole('x', -1)},
  LogicalNot: entrywise(),
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
  Equal: entrywise(),
  FloorDiv: entrywise(),
  FusedBatchNorm: {...entrywise('tame', 'shapeOnly'), broadcasts: ['scale', 'offset', 'mean', 'variance']},
  Greater: entrywise(),
  GreaterEqual: entrywise(),
  Less: entrywise(),
  LessEqual: entrywise(),
  LogicalAnd: entrywise(),
  LogicalOr: entrywise(),
  Maximum: binary('exact', 'tame', 'monotone', 'magnitude'),
  Minimum: binary('exact', 'tame', 'monotone'),
  Mod: binary(),
  Multiply: {...binary('keepsRelativeError', 'tame', 'shapeOnly'), factors: ['a', 'b']},
  NotEqual: entrywise(),
  Pow: {...binary('monotone'), ...pole('a')},
  Prelu: {...entrywise('tame'), broadcasts: ['alpha']},
  RealDiv: {...binary('keepsRelativeError', 'monotone'), factors: ['a'], ...pole('b')},
  Select: {...entrywise('exact', 'tame', 'unbroadcast'), broadcasts: ['t', 'e'], chosenBy: 'condition'},
  SquaredDifference: {...binary('tame'), squareOf: 'Sub'},
  Sub: binary('difference', 'affine', 'shift', 'tame'),

  // Entries moved, dropped, repeated or joined.
  BatchToSpaceND: {facts: ['tame']},
  BroadcastTo: {...rows('entrywise', 'selection', 'affine', 'exact'), outputShape: 'shape'},
  Concat: rows({along: 'axis'}, 'selection', 'affine', 'exact', 'tame', 'unbroadcast'),
  DepthToSpace: images(),
  ExpandDims: RESHAPE,
  FlipLeftRight: {...images('selection', 'affine', 'exact', 'tame'), linearIn: ['image']},
  GatherV2: {...rows('gather', 'product', 'exact', 'tame'), linearIn: ['x'], chosenBy: 'indices'},
  MirrorPad: rows('sameAxis', 'tame'),
  Pack: rows('pack', 'selection', 'affine', 'exact', 'tame', 'unbroadcast'),
  PadV2: {...rows('sameAxis', 'exact', 'tame', 'shapeOnly'), filledWith: 'constantValue'},
  Reshape: {...RESHAPE, outputShape: 'shape'},
  Reverse: rows({along: 'dims'}, 'selection', 'exact', 'tame'),
  Slice: {...rows('sameAxis', 'selection', 'affine', 'exact', 'tame', 'shapeOnly'), outputShape: 'size'},
  SpaceToBatchND: {facts: ['tame']},
  SplitV: rows({along: 'axis'}, 'selection', 'exact', 'tame'),
  StridedSlice: rows('sameAxis', 'selection', 'exact', 'tame', 'boundToBatch'),
  Tile: {...rows('sameAxis', 'selection', 'affine', 'exact', 'tame'), linearIn: ['x'], copiesBy: 'reps'},
  Transpose: {...rows('transpose', 'selection', 'affine', 'exact', 'tame', 'shapeOnly'), axesBy: 'perm'},
  Unpack: rows('unpack', 'selection', 'exact', 'tame'),

  // Along axes.
  All: rows('reduction'),
  Any: rows('reduction'),
  ArgMax: rows('reduction'),
  ArgMin: rows('reduction'),
  Cumprod: rows({along: 'axis'}),
  Cumsum: {...rows({along: 'axis'}, 'tame'), linearIn: ['x']},
  LogSoftmax: rows({along: 'axis'}),
  Max: {...rows('reduction', 'exact', 'tame'), extremum: {along: 'reductionIndices'}},
  Mean: {...TOTAL, facts: [...TOTAL.facts, 'mean']},
  Min: {...rows('reduction', 'exact', 'tame'), extremum: {along: 'axis'}},
  Prod: rows('reduction'),
  Softmax: rows({along: 'dim'}, 'tame'),
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
  AvgPool: {...images('tame'), linearIn: ['x']},
  AvgPool3D: {...images('tame'), linearIn: ['x']},
  AvgPoolGrad: {...images(), linearIn: ['dy']},
  AvgPool3DGrad: {...images(), linearIn: ['dy']},
  Dilation2D: images('tame'),
  LRN: images('tame'),
  LRNGrad: {...images(), linearIn: ['dy']},
  MaxPool: {...images('tame'), homogeneousIn: ['x'], extremum: 'windows'},
  MaxPool3D: {...images('tame'), homogeneousIn: ['x'], extremum: 'windows'},
  MaxPoolGrad: images(),
  MaxPool3DGrad: images(),
  ResizeBilinear: {...images('tame'), linearIn: ['images']},
  ResizeBilinearGrad: images(),
  ResizeNearestNeighbor: {...images('tame'), linearIn: ['images']},
  ResizeNearestNeighborGrad: images(),

  // The attributes do not tell the results.
  Multinomial: {facts: ['random']},
  [CUSTOM_GRAD]: {facts: ['random', 'boundToBatch']},
}));

/** null for a kernel of which nothing is known. */
export const factsOf = (kernel: string): KernelFacts | null => KERNELS.get(kernel) ?? null;

/** The kernels whose facts fulfil a condition. */
export const kernelsWith = (holds: (facts: KernelFacts) => boolean): ReadonlySet<string> =>
  new Set([...KERNELS].filter(([, facts]) => holds(facts)).map(([kernel]) => kernel));
