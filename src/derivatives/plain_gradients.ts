import {add, cast, concat, cos, cosh, cumsum, div, equal, exp, getGradient, greater, greaterEqual, lessEqual, log,
  logicalAnd, matMul, mul, neg, onesLike, pad, pow, reshape, rsqrt, scalar, sigmoid, sin, sinh, slice, slice_util,
  square, stack, step, sub, sum, transpose, util, where, zerosLike} from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import type {KernelAttrs} from '../tfjs/internals';
import type {NamedValue, TraceNode} from '../trace/trace';
import {ggnError} from '../errors';
import {broadcast, shaped, sumTo} from '../tfjs/fast_ops';

/** What a rule sees of a node of one output y, with the cotangent dy of y. */
interface Seen {
  readonly inputs: readonly string[];
  readonly attrs: KernelAttrs;
  readonly y: Tensor;
  readonly dy: Tensor;
  value(name: string): Tensor;
}

/** The cotangent of an input. */
type Rule = (seen: Seen, name: string) => Tensor;

const times = (t: Tensor, factor: number): Tensor => mul(t, scalar(factor));
const plus = (t: Tensor, more: number): Tensor => add(t, scalar(more));

/** Slopes of y = f(x), as tfjs has them. */
const SLOPES: Record<string, (x: Tensor, y: Tensor, attrs: KernelAttrs) => Tensor> = {
  Abs: x => step(x, -1),
  Acos: x => neg(rsqrt(sub(scalar(1), square(x)))),
  Acosh: x => rsqrt(plus(square(x), -1)),
  Asin: x => rsqrt(sub(scalar(1), square(x))),
  Asinh: x => rsqrt(plus(square(x), 1)),
  Atan: x => div(scalar(1), plus(square(x), 1)),
  Atanh: x => div(scalar(1), sub(scalar(1), square(x))),
  Ceil: zerosLike,
  ClipByValue: (x, _, {clipValueMin, clipValueMax}) =>
    cast(logicalAnd(greaterEqual(x, clipValueMin as number), lessEqual(x, clipValueMax as number)), 'float32'),
  Cos: x => neg(sin(x)),
  Cosh: x => sinh(x),
  Elu: (x, y) => where(greater(x, 0), onesLike(x), plus(y, 1)),
  Erf: x => times(exp(neg(square(x))), 2 / Math.sqrt(Math.PI)),
  Exp: (_, y) => y,
  Expm1: (_, y) => plus(y, 1),
  Floor: zerosLike,
  LeakyRelu: (x, _, {alpha}) => step(x, alpha as number),
  Log: x => div(scalar(1), x),
  Log1p: x => div(scalar(1), plus(x, 1)),
  Neg: x => neg(onesLike(x)),
  Reciprocal: x => neg(div(scalar(1), square(x))),
  Relu: x => step(x),
  Relu6: x => mul(step(x), sub(scalar(1), step(plus(x, -6)))),
  Round: zerosLike,
  Rsqrt: (x, y) => times(div(y, x), -0.5),
  Sigmoid: (_, y) => mul(y, sub(scalar(1), y)),
  Sign: zerosLike,
  Sin: x => cos(x),
  Sinh: x => cosh(x),
  Softplus: x => sigmoid(x),
  Sqrt: (_, y) => div(scalar(0.5), y),
  Square: x => times(x, 2),
  Step: zerosLike,
  Tan: (_, y) => plus(square(y), 1),
  Tanh: (_, y) => sub(scalar(1), square(y)),
};

/** Of two tensors, by broadcasting, which `cotangentsOf` undoes. */
const BINARY: Record<string, Rule> = {
  Add: ({dy}) => dy,
  AddN: ({dy}) => dy,
  Sub: ({dy}, name) => name === 'a' ? dy : neg(dy),
  Multiply: ({dy, value}, name) => mul(dy, value(name === 'a' ? 'b' : 'a')),
  RealDiv: ({dy, y, value}, name) => name === 'a' ? div(dy, value('b')) : neg(div(mul(dy, y), value('b'))),
  SquaredDifference: ({dy, value}, name) => mul(dy, times(sub(value('a'), value('b')), name === 'a' ? 2 : -2)),
  Maximum: ({dy, value}, name) => {
    const isFirst = cast(greaterEqual(value('a'), value('b')), 'float32');
    return mul(dy, name === 'a' ? isFirst : sub(scalar(1), isFirst));
  },
  Minimum: ({dy, value}, name) => {
    const isFirst = cast(lessEqual(value('a'), value('b')), 'float32');
    return mul(dy, name === 'a' ? isFirst : sub(scalar(1), isFirst));
  },
  Atan2: ({dy, value}, name) => {
    const [a, b] = [value('a'), value('b')];
    return mul(dy, div(name === 'a' ? b : neg(a), add(square(a), square(b))));
  },
  // a¹ for a⁻¹ where the exponent is 0, and no logarithm of what is not positive.
  Pow: ({dy, y, value}, name) => {
    const [a, b] = [value('a'), cast(value('b'), 'float32')];
    if (name === 'a') {
      return mul(dy, mul(b, pow(a, where(equal(b, 0), onesLike(b), sub(b, 1)))));
    }
    return mul(dy, mul(y, log(where(greater(a, 0), a, onesLike(a)))));
  },
};

/** dy with axes of size 1 for those that were summed. */
function eachSum({attrs, dy, value}: Seen): {each: Tensor; count: number; shape: number[]} {
  const {shape} = value('x');
  const axes = util.parseAxisParam((attrs['axis'] ?? attrs['reductionIndices']) as number[], shape);
  const each = shaped(dy, shape.map((size, axis) => axes.includes(axis) ? 1 : size));
  return {each, count: axes.reduce((product, axis) => product * shape[axis], 1), shape};
}

const axisOf = ({attrs, y}: Seen): number => util.parseAxisParam(attrs['axis'] as number, y.shape)[0];

/** Entries moved, joined or added up, and products of matrices. */
const STRUCTURE: Record<string, Rule> = {
  Cast: ({dy}) => dy,
  Reshape: ({dy, value}) => shaped(dy, value('x').shape),
  ExpandDims: ({dy, value}) => shaped(dy, value('input').shape),
  Sum: seen => {
    const {each, shape} = eachSum(seen);
    return broadcast(each, shape);
  },
  Mean: seen => {
    const {each, count, shape} = eachSum(seen);
    return broadcast(div(each, scalar(count)), shape);
  },
  Pack: (seen, name) => {
    const {shape} = seen.dy;
    const axis = axisOf(seen);
    const place = seen.inputs.indexOf(name);
    const part = slice(seen.dy, shape.map((_, i) => i === axis ? place : 0), shape.map((size, i) => i === axis ? 1 : size));
    return shaped(part, seen.value(name).shape);
  },
  Transpose: ({dy, attrs}) => transpose(dy, inverse(attrs['perm'] as number[])),
  Slice: ({dy, attrs, value}) => {
    const {shape} = value('x');
    const [begin, size] = slice_util.parseSliceParams(value('x'), attrs['begin'] as number[], attrs['size'] as number[]);
    return pad(dy, begin.map((from, axis): [number, number] => [from, shape[axis] - from - size[axis]]));
  },
  PadV2: ({dy, attrs, value}) =>
    slice(dy, (attrs['paddings'] as Array<[number, number]>).map(([before]) => before), value('x').shape),
  Concat: (seen, name) => {
    const axis = axisOf(seen);
    const sizes = seen.inputs.map(input => seen.value(input).shape[axis]);
    const place = seen.inputs.indexOf(name);
    const before = sizes.slice(0, place).reduce((a, b) => a + b, 0);
    return slice(seen.dy, seen.dy.shape.map((_, i) => i === axis ? before : 0), seen.value(name).shape);
  },
  Cumsum: ({dy, attrs: {axis, exclusive, reverse}}) =>
    cumsum(dy, axis as number, exclusive as boolean, reverse !== true),
  Select: ({dy, value}, name) => {
    const condition = value('condition');
    if (name === 'condition') {
      return zerosLike(cast(condition, 'float32'));
    }
    const lifted = reshape(condition, [...condition.shape, ...Array<number>(dy.rank - condition.rank).fill(1)]);
    return mul(dy, cast(name === 't' ? lifted : equal(cast(lifted, 'int32'), 0), 'float32'));
  },
  BatchMatMul: ({dy, attrs, value}, name) => {
    const [a, b] = [value('a'), value('b')];
    const {transposeA, transposeB} = attrs as Record<string, boolean>;
    if (name === 'a') {
      return transposeA ? matMul(b, dy, transposeB, true) : matMul(dy, b, false, !transposeB);
    }
    return transposeB ? matMul(dy, a, true, transposeA) : matMul(a, dy, !transposeA, false);
  },
  Softmax: ({dy, y}) => mul(y, sub(dy, sum(mul(dy, y), -1, true))),
  LogSoftmax: ({dy, y}) => sub(dy, mul(exp(y), sum(dy, -1, true))),
};

const inverse = (perm: readonly number[]): number[] => perm.map((_, axis) => perm.indexOf(axis));

/** Kernels of several outputs: their cotangents are put together again. */
const PARTS: Record<string, (dys: Tensor[], axis: number) => Tensor> = {Unpack: stack, SplitV: concat};

/**
 * Gradients of the kernels that curves and small networks are made of, where tfjs-core was loaded without its own: its
 * builds have none, those come with tfjs-layers.
 *
 * @param dys the cotangents of the outputs, null where there is none.
 * @returns by input name; nothing for other kernels, and where tfjs has a gradient.
 */
export function plainCotangents(values: readonly Tensor[], node: TraceNode, dys: ReadonlyArray<Tensor | null>):
    Record<string, () => Tensor> {
  if (getGradient(node.kernel) != null) {
    return {};
  }
  const {attrs, kernel} = node;
  const parts = PARTS[kernel];
  if (parts !== undefined) {
    const all = (): Tensor[] => dys.map((dy, i) => dy ?? zerosLike(values[node.outputs[i]]));
    return each(node, (_, value) => parts(all(), util.parseAxisParam(attrs['axis'] as number, values[value].shape)[0]));
  }
  const slope = SLOPES[kernel];
  const rule: Rule | undefined = slope === undefined ? BINARY[kernel] ?? STRUCTURE[kernel] :
    ({y, dy, value}, name) => mul(dy, slope(value(name), y, attrs));
  if (rule === undefined) {
    return {};
  }
  const named = new Map(node.inputs);
  const inputs = node.inputs.map(([name]) => name);
  const seen: Seen = {inputs, attrs, y: values[node.outputs[0]], dy: dys[0]!, value: name => values[named.get(name)!]};
  return each(node, (name, value) => sumTo(rule(seen, name), values[value].shape));
}

const each = (node: TraceNode, cotangent: (...input: NamedValue) => Tensor): Record<string, () => Tensor> =>
  Object.fromEntries(node.inputs.map(input => [input[0], () => cotangent(...input)]));

/** What to do where neither tfjs nor this package has the gradient of a kernel. */
export function noGradient(kernel: string): Error {
  return getGradient('Multiply') == null ?
    ggnError(`tfjs-core was loaded without its gradients, and that of the kernel '${kernel}' is needed. They come with ` +
        "the layers: npm install @tensorflow/tfjs-layers and import '@tensorflow/tfjs-layers' (@tensorflow/tfjs holds " +
        "both); in a bundle import '@tensorflow/tfjs-core/dist/register_all_gradients' is enough.") :
    ggnError(`the kernel '${kernel}' lies between the weights and the loss and tfjs has no gradient for it: ` +
        'no optimizer can train through it. Replace the layer or op that uses it.');
}
