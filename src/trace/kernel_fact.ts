import type {DataType, Tensor} from '@tensorflow/tfjs-core';
import type {KernelAttrs} from '../tfjs/internals';

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
  /** The same entries in the same order, in another shape or of another type. */
  | 'sameEntries'
  /** The sum of two inputs. */
  | 'sum'
  /** The first input less the second. */
  | 'difference'
  /** Each entry of the output is the mean of entries of the input. */
  | 'mean'
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
   * If its one varying input is not negative, as a sum of squares is not, then the kernel is
   * monotone in that input. A quotient is monotone in its denominator.
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
  /**
   * The kernel does not broadcast its operands from the last axis on: an operand that all examples
   * share has an entry for each of them, or is a scalar.
   */
  | 'unbroadcast'
  /** Attributes or the gradient may depend on the number of examples in a way that is not known. */
  | 'boundToBatch'
  /**
   * The size of u as u² has it: |u| or max(0, u). A kernel with a second operand is one if that
   * operand is 0.
   */
  | 'magnitude'
  /** The next call with the same inputs and attributes may give something else. */
  | 'random'
  /** The kernel has a second output: the indices of the entries of the first. */
  | 'withIndices';

/**
 * The rule by which the axis of the examples passes a kernel (`batch_axis.ts`); `along` names the
 * attribute with the axes that must not be that axis.
 */
export type BatchPassing = 'entrywise' | 'leading' | 'sameAxis' | 'reduction' | 'reshape' | 'transpose' | 'gather' |
  'unpack' | 'pack' | 'matrixProduct' | {readonly along: string};

/** The three operands of a convolution y = x * filter; each kernel of the family computes one. */
export type Operand = 'x' | 'filter' | 'y';

/** The place of a kernel in the family of the convolutions. */
export interface ConvolutionFacts {
  readonly spatial: 2 | 3;
  /** Each input channel by itself. */
  readonly depthwise: boolean;
  /** The operand that the kernel computes. */
  readonly result: Operand;
}

export type Shape = readonly number[];

/** The shape of the output, from the inputs in their order or by name. */
export type ShapeRule = (inputs: Tensor[], attrs: KernelAttrs, named: Record<string, Tensor>) => Shape;

/** The shapes of the outputs of a kernel that takes a tensor apart. */
export type ShapesRule = (x: Tensor, attrs: KernelAttrs) => Shape[];

/** Whether the output shares the data of the first input, on the current backend. */
export type SharingRule = (inputs: Tensor[], attrs: KernelAttrs) => boolean;

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
  /** Inputs that are a factor of the output, entry by entry. */
  readonly factors?: readonly string[];
  /** Inputs x with K(t x) = t K(x) for t > 0. */
  readonly homogeneousIn?: readonly string[];
  /**
   * The input that says which entries of the others are taken. With it held, the kernel is linear.
   */
  readonly chosenBy?: string;
  /** Of a kernel with a fused bias and activation, the kernel underneath. */
  readonly fused?: string;
  /** Of a kernel that squares the output of another kernel, that kernel. */
  readonly squareOf?: string;
  readonly convolution?: ConvolutionFacts;
  /**
   * The kernel takes the largest or the smallest of several entries: of each window, or along the
   * axes that this attribute names.
   */
  readonly extremum?: 'windows' | {readonly along: string};
  /** The number at which an input makes an infinity. */
  readonly pole?: {readonly input: string; readonly at: number};
  /** The attribute that holds the shape of the output. */
  readonly outputShape?: 'shape' | 'inputShape' | 'size';
  /** The shape of the output. Entrywise kernels and reductions need no rule. */
  readonly shape?: ShapeRule;
  /** The shapes of the outputs of a kernel that gives a list. */
  readonly shapes?: ShapesRule;
  /** Without it the output shares no data. */
  readonly shares?: SharingRule;
  /** The type of the output if it is that of no input. */
  readonly type?: DataType;
  /** Index of the input whose type the output has. Default 0. */
  readonly typeOf?: number;
  /** The attribute that holds the order of the axes. */
  readonly axesBy?: 'perm';
  /** The attribute that holds the number of copies along each axis. */
  readonly copiesBy?: 'reps';
  /** The attribute that holds the number of the entries that are made of no input. */
  readonly filledWith?: 'constantValue';
}
