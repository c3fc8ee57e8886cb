import {cast, div, equal, greater, greaterEqual, less, lessEqual, log, neg, onesLike, pow, relu, reshape, scalar,
  square, step, where, zerosLike, type Tensor} from '@tensorflow/tfjs-core';
import {add, mul, sub} from '../../tfjs/fast_ops';
import {isSameShape, summed, type BackwardNode, type Pull, type Rule} from './rule';

/** The other of two operands. */
const other = (at: BackwardNode, input: string): Tensor => at.value(input === 'a' ? 'b' : 'a');

const addition: Pull = at => at.dy;

const subtraction: Pull = (at, input) => input === 'a' ? at.dy : neg(at.dy);

const product: Pull = (at, input) => mul(at.dy, other(at, input));

/** The operand that the kernel takes has the derivative 1, of equals a. */
const choice = (takesA: Choice, takesB: Choice): Pull => (at, input) =>
  mul(at.dy, cast((input === 'a' ? takesA : takesB)(at.value('a'), at.value('b')), 'float32'));

type Choice = (a: Tensor, b: Tensor) => Tensor;

/** dy b aᵇ⁻¹. If the factor b is 0, a¹ takes the place of a⁻¹, which is infinite at a = 0. */
const powerInBase: Pull = at => {
  const b = cast(at.value('b'), 'float32');
  return mul(at.dy, mul(b, pow(at.value('a'), where(equal(b, 0), onesLike(b), sub(b, scalar(1))))));
};

/** dy y log a, with log 1 if a is not positive. */
const powerInExponent: Pull = at => {
  const a = at.value('a');
  return mul(at.dy, mul(at.y, log(where(greater(a, 0), a, onesLike(a)))));
};

/** By kernel, the cotangents before their sum over the axes along which the input was broadcast. */
const UNSUMMED: Record<string, Pull> = {
  Add: addition,
  AddN: addition,
  Sub: subtraction,
  Multiply: product,
  RealDiv: (at, input) => input === 'a' ? div(at.dy, at.value('b')) : neg(div(mul(at.dy, at.y), at.value('b'))),
  SquaredDifference: (at, input) =>
    mul(at.dy, mul(sub(at.value('a'), at.value('b')), scalar(input === 'a' ? 2 : -2))),
  Maximum: choice(greaterEqual, less),
  Minimum: choice(lessEqual, greater),
  Atan2: (at, input) => {
    const [a, b] = [at.value('a'), at.value('b')];
    return mul(at.dy, div(input === 'a' ? b : neg(a), add(square(a), square(b))));
  },
  Pow: (at, input) => input === 'a' ? powerInBase(at, input) : powerInExponent(at, input),
  Select: (at, input) => {
    const condition = at.value('condition');
    if (input === 'condition') {
      return zerosLike(cast(condition, 'float32'));
    }
    const lifted = reshape(condition, [...condition.shape, ...Array<number>(at.dy.rank - condition.rank).fill(1)]);
    return mul(at.dy, cast(input === 't' ? lifted : equal(cast(lifted, 'int32'), 0), 'float32'));
  },
};

/** Operands of one shape have nothing to sum, and then a rule runs one kernel at most. */
const isWhole = (at: BackwardNode, input: string): boolean => isSameShape(at.dy, at.value(input));

/** Kernels of several tensors, entry by entry, whose operands broadcast. */
export const BROADCASTING_RULES: readonly Rule[] = [
  {kernel: 'Add', why: 'slow', when: isWhole, pull: addition},
  {kernel: 'Sub', why: 'slow', when: isWhole, pull: subtraction},
  {kernel: 'Multiply', why: 'slow', when: isWhole, pull: product},
  // tfjs compares and selects.
  // Measured: both take 9 nanoseconds an entry on WASM, and Step and the product .5.
  {kernel: 'Prelu', input: 'x', why: 'slow', pull: at => {
    const positive = step(at.value('x'));
    return mul(at.dy, add(positive, mul(sub(scalar(1), positive), at.value('alpha'))));
  }},
  // The cotangent is dy min(x, 0). Measured: Minimum takes 14 nanoseconds an entry on WASM.
  summed({kernel: 'Prelu', input: 'alpha', why: 'slow', unsummed: at => mul(at.dy, neg(relu(neg(at.value('x')))))}),
  // tfjs's derivative of a⁰ is 0 a⁻¹, so the third derivative of a² is not a number at a = 0.
  {kernel: 'Pow', input: 'a', why: 'wrong', when: (at, input) => isSameShape(at.y, at.value(input)), pull: powerInBase},
  // tfjs's gradients have the shape of the output.
  ...['Maximum', 'Minimum', 'SquaredDifference'].map(kernel => summed({kernel, why: 'wrong',
    when: (at, input) => !isSameShape(at.y, at.value(input)), unsummed: UNSUMMED[kernel]})),
  ...Object.entries(UNSUMMED).map(([kernel, unsummed]) => summed({kernel, why: 'missing', unsummed})),
];
