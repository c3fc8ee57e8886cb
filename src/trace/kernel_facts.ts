/**
 * The facts of the kernels of tfjs that this package uses, beside their derivatives
 * (`derivatives/table.ts`): one row for each kernel. A fact that a row does not state does not hold
 * or is not known. A kernel without a row may mix the examples, have poles, and so on.
 * `test/trace/kernel_facts.test.ts` tests the facts by running the kernels.
 */

/** A property of a kernel. */
export type Fact =
  /**
   * Each entry of the output depends on one entry of each input, which broadcast against each
   * other.
   */
  | 'entrywise'
  /** Entrywise with a derivative that is not zero, of one tensor or of several of one shape. */
  | 'slope'
  /** The derivative is zero wherever there is one. */
  | 'constant'
  /**
   * Affine in all inputs together. The reading of a loss follows its sums through these kernels.
   */
  | 'affine'
  /**
   * The attributes alone, and so the signature of the trace, say which entry of the inputs each
   * entry of the output is.
   */
  | 'selection'
  /** The same entries in the same order in another shape. */
  | 'reshape'
  /** The derivative in each input is 1 or -1, entry by entry. */
  | 'shift'
  /** The output has the relative error of the one input that has an error, entry by entry. */
  | 'keepsRelativeError'
  /** The results are not rounded. */
  | 'exact'
  /**
   * At no number is the derivative infinite, and no usual number gives an infinite value. Later
   * kernels can hide such a value: 1 / (1 + e^x) is 0 with e^x = ∞, and has no derivative there.
   * Networks are made of tame kernels alone.
   */
  | 'tame'
  /**
   * The kernel is monotone in its one varying input as long as that is not negative, as a sum of
   * squares is not. A quotient is monotone in its denominator.
   */
  | 'monotone'
  /**
   * The cotangent of the data says nothing of the data but their shape if the other operands are
   * parameters or constants. This is narrower than linear: the gradient that tfjs has of some
   * linear kernels reads their input.
   */
  | 'shapeOnly'
  /**
   * An operand that all examples share may have any shape. For other kernels, such an operand
   * broadcasts against the examples.
   */
  | 'product'
  /** A product of matrices along the last two axes. */
  | 'matrixProduct'
  /** The next call with the same inputs may give something else. */
  | 'random';

/**
 * The rule by which the axis of the examples passes a kernel (`batch_axis.ts`); `along` names the
 * attribute with the axes that must not be that axis.
 */
export type BatchPassing = 'entrywise' | 'leading' | 'sameAxis' | 'reduction' | 'reshape' | 'transpose' | 'gather' |
  'unpack' | 'pack' | 'matrixProduct' | {readonly along: string};

export interface KernelFacts {
  readonly facts: readonly Fact[];
  /** Without it the kernel loses the examples. */
  readonly batch?: BatchPassing;
  /**
   * Inputs that may broadcast against the output, each entry of which depends on one of their
   * entries.
   */
  readonly broadcasts?: readonly string[];
  /** Inputs in which the kernel is linear while the others are held. */
  readonly linearIn?: readonly string[];
  /** Inputs x with K(t x) = t K(x) for t > 0. */
  readonly homogeneousIn?: readonly string[];
  /**
   * The input that says which entries of the others are taken. With it held, the kernel is linear.
   */
  readonly chosenBy?: string;
  /** Of a kernel with a fused bias and activation, the kernel underneath. */
  readonly fused?: string;
}

const entrywise = (...facts: Fact[]): KernelFacts => ({batch: 'entrywise', facts: ['entrywise', ...facts]});
const smooth = (...facts: Fact[]): KernelFacts => entrywise('slope', ...facts);
const binary = (...facts: Fact[]): KernelFacts => ({...entrywise(...facts), broadcasts: ['a', 'b']});
const rows = (batch: BatchPassing, ...facts: Fact[]): KernelFacts => ({batch, facts});
const images = (...facts: Fact[]): KernelFacts => rows('leading', ...facts);

const RESHAPE =
  rows('reshape', 'reshape', 'selection', 'affine', 'shift', 'keepsRelativeError', 'exact', 'tame', 'shapeOnly');
const MATRICES = rows('matrixProduct', 'matrixProduct', 'product', 'tame', 'shapeOnly');
const CONVOLUTION = images('product', 'tame', 'shapeOnly');
const SUM = rows('reduction', 'affine', 'tame', 'shapeOnly');

const KERNELS = new Map<string, KernelFacts>(Object.entries({
  // Of one tensor, entry by entry.
  Abs: smooth('exact', 'tame'),
  Acos: smooth(),
  Acosh: smooth(),
  Asin: smooth(),
  Asinh: smooth(),
  Atan: smooth('tame', 'monotone'),
  Atanh: smooth(),
  Cast: entrywise('affine', 'shift', 'keepsRelativeError', 'exact', 'tame'),
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
  Log: smooth('monotone'),
  Log1p: smooth('monotone'),
  LogicalNot: entrywise(),
  Neg: smooth('affine', 'shift', 'keepsRelativeError', 'exact', 'tame'),
  OnesLike: entrywise('constant'),
  Reciprocal: smooth('monotone'),
  Relu: smooth('exact', 'tame', 'monotone'),
  Relu6: smooth('tame'),
  Round: entrywise('constant'),
  Rsqrt: smooth('monotone'),
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
  Add: binary('affine', 'shift', 'tame'),
  AddN: entrywise('affine', 'tame'),
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
  Maximum: binary('exact', 'tame', 'monotone'),
  Minimum: binary('exact', 'tame', 'monotone'),
  Mod: binary(),
  Multiply: binary('keepsRelativeError', 'tame', 'shapeOnly'),
  NotEqual: entrywise(),
  Pow: binary('monotone'),
  Prelu: {...entrywise('tame'), broadcasts: ['alpha']},
  RealDiv: binary('keepsRelativeError', 'monotone'),
  Select: {...entrywise('exact', 'tame'), broadcasts: ['t', 'e'], chosenBy: 'condition'},
  SquaredDifference: binary('tame'),
  Sub: binary('affine', 'shift', 'tame'),

  // Entries moved, dropped, repeated or joined.
  BatchToSpaceND: {facts: ['tame']},
  BroadcastTo: rows('entrywise', 'selection', 'affine', 'exact'),
  Concat: rows({along: 'axis'}, 'selection', 'affine', 'exact', 'tame'),
  DepthToSpace: images(),
  ExpandDims: RESHAPE,
  FlipLeftRight: {...images('selection', 'affine', 'exact', 'tame'), linearIn: ['image']},
  GatherV2: {...rows('gather', 'product', 'exact', 'tame'), linearIn: ['x'], chosenBy: 'indices'},
  MirrorPad: rows('sameAxis', 'tame'),
  Pack: rows('pack', 'selection', 'affine', 'exact', 'tame'),
  PadV2: rows('sameAxis', 'exact', 'tame', 'shapeOnly'),
  Reshape: RESHAPE,
  Reverse: rows({along: 'dims'}, 'selection', 'exact', 'tame'),
  Slice: rows('sameAxis', 'selection', 'affine', 'exact', 'tame', 'shapeOnly'),
  SpaceToBatchND: {facts: ['tame']},
  SplitV: rows({along: 'axis'}, 'selection', 'exact', 'tame'),
  StridedSlice: rows('sameAxis', 'selection', 'exact', 'tame'),
  Tile: {...rows('sameAxis', 'selection', 'affine', 'exact', 'tame'), linearIn: ['x']},
  Transpose: rows('transpose', 'selection', 'affine', 'exact', 'tame', 'shapeOnly'),
  Unpack: rows('unpack', 'selection', 'exact', 'tame'),

  // Along axes.
  All: rows('reduction'),
  Any: rows('reduction'),
  ArgMax: rows('reduction'),
  ArgMin: rows('reduction'),
  Cumprod: rows({along: 'axis'}),
  Cumsum: {...rows({along: 'axis'}, 'tame'), linearIn: ['x']},
  LogSoftmax: rows({along: 'axis'}),
  Max: rows('reduction', 'exact', 'tame'),
  Mean: SUM,
  Min: rows('reduction', 'exact', 'tame'),
  Prod: rows('reduction'),
  Softmax: rows({along: 'dim'}, 'tame'),
  Sum: SUM,

  // Products.
  BatchMatMul: {...MATRICES, linearIn: ['a', 'b']},
  _FusedMatMul: {...MATRICES, broadcasts: ['bias'], fused: 'BatchMatMul'},
  Conv2D: CONVOLUTION,
  FusedConv2D: {...CONVOLUTION, broadcasts: ['bias'], fused: 'Conv2D'},
  DepthwiseConv2dNative: CONVOLUTION,
  FusedDepthwiseConv2D: {...CONVOLUTION, broadcasts: ['bias'], fused: 'DepthwiseConv2dNative'},
  Conv3D: images('product', 'tame'),
  Conv2DBackpropInput: images('product', 'tame'),
  Conv3DBackpropInputV2: images('product', 'tame'),
  DepthwiseConv2dNativeBackpropInput: images(),

  // Images, one by one.
  AvgPool: {...images('tame'), linearIn: ['x']},
  AvgPool3D: {...images('tame'), linearIn: ['x']},
  AvgPoolGrad: {...images(), linearIn: ['dy']},
  AvgPool3DGrad: {...images(), linearIn: ['dy']},
  Dilation2D: images('tame'),
  LRN: images('tame'),
  LRNGrad: {...images(), linearIn: ['dy']},
  MaxPool: {...images('tame'), homogeneousIn: ['x']},
  MaxPool3D: {...images('tame'), homogeneousIn: ['x']},
  MaxPoolGrad: images(),
  MaxPool3DGrad: images(),
  ResizeBilinear: {...images('tame'), linearIn: ['images']},
  ResizeBilinearGrad: images(),
  ResizeNearestNeighbor: {...images('tame'), linearIn: ['images']},
  ResizeNearestNeighborGrad: images(),

  Multinomial: {facts: ['random']},
}));

/** null for a kernel of which nothing is known. */
export const factsOf = (kernel: string): KernelFacts | null => KERNELS.get(kernel) ?? null;

/** The kernels of which a fact holds. */
export const kernelsThat = (fact: Fact): ReadonlySet<string> => kernelsWith(({facts}) => facts.includes(fact));

/** The kernels that the axis of the examples passes by a rule. */
export const kernelsWithBatch = (rule: BatchPassing): ReadonlySet<string> => kernelsWith(({batch}) => batch === rule);

const kernelsWith = (holds: (facts: KernelFacts) => boolean): ReadonlySet<string> =>
  new Set([...KERNELS].filter(([, facts]) => holds(facts)).map(([kernel]) => kernel));
