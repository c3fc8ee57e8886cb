import {cast, cos, cosh, div, exp, greater, greaterEqual, lessEqual, logicalAnd, neg, onesLike, rsqrt, scalar, sigmoid,
  sin, sinh, square, step, where, zerosLike, type Tensor} from '@tensorflow/tfjs-core';
import {add, mul, pulledBack, sub} from '../../tfjs/fast_ops';
import {runKernel, type KernelAttrs} from '../../tfjs/internals';
import type {BackwardNode, Rule} from './rule';

const times = (t: Tensor, factor: number): Tensor => mul(t, scalar(factor));
const plus = (t: Tensor, more: number): Tensor => add(t, scalar(more));

/** The slope f'(x) of each kernel y = f(x), as tfjs has it. */
const SLOPE_OF: Record<string, (x: Tensor, y: Tensor, attrs: KernelAttrs) => Tensor> = {
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

/** dy y (1 - y) without the scalar: g - g y with g = dy y. */
function throughSigmoid({dy, y}: BackwardNode): Tensor {
  const g = mul(dy, y);
  return sub(g, mul(g, y));
}

/**
 * Cotangents with fewer or faster kernels than tfjs's gradients run. A recurrent cell of 20 time
 * steps runs Sigmoid, Tanh and ClipByValue 20 to 60 times on small matrices, and the number of
 * kernels decides there.
 */
const FAST: Record<string, (at: BackwardNode) => Tensor> = {
  // Hard sigmoid is made of it. Exactly the entries between the bounds, and at them, have y = x.
  ClipByValue: at => {
    const inside = runKernel('Equal', {a: at.value('x'), b: at.y}) as Tensor;
    return runKernel('Select', {condition: inside, t: at.dy, e: zerosLike(at.dy)}) as Tensor;
  },
  // tfjs compares and selects, which is slower than a product with 1 and α.
  // Measured: ten times as slow on WASM.
  LeakyRelu: at => mul(at.dy, step(at.value('x'), at.attrs['alpha'] as number)),
  Relu: at => pulledBack('relu', at.value('x'), at.dy) ?? mul(at.dy, step(at.value('x'))),
  // The slope is 1 for 0 < x <= 6.
  Relu6: at => {
    const x = at.value('x');
    return mul(at.dy, sub(step(x), step(sub(x, scalar(6)))));
  },
  Sigmoid: at => pulledBack('sigmoid', at.y, at.dy) ?? throughSigmoid(at),
  // dy (1 - y²) without the scalar: dy - (dy y) y.
  Tanh: at => pulledBack('tanh', at.y, at.dy) ?? sub(at.dy, mul(mul(at.dy, at.y), at.y)),
};
/** Kernels of one tensor, entry by entry. */
export const ELEMENTWISE_RULES: readonly Rule[] = [
  ...Object.entries(FAST).map(([kernel, pull]): Rule => ({kernel, input: 'x', why: 'slow', pull})),
  ...Object.entries(SLOPE_OF).map(([kernel, slope]): Rule => ({kernel, input: 'x', why: 'missing',
    pull: at => mul(at.dy, slope(at.value('x'), at.y, at.attrs))})),
  // The kernel computes dx = dy (y < 0 ? y + 1 : 1).
  {kernel: 'EluGrad', input: 'dy', why: 'missing',
    pull: at => runKernel('EluGrad', {dy: at.dy, y: at.value('y')}) as Tensor},
  {kernel: 'EluGrad', input: 'y', why: 'missing',
    pull: at => mul(mul(at.dy, at.value('dy')), step(neg(at.value('y'))))},
];
