import {cast, div, equal, floor, greater, greaterEqual, lessEqual, log, neg, ones, onesLike, pow, rsqrt, scalar, square,
  step, sub as subtract, where, zerosLike, type Tensor} from '@tensorflow/tfjs-core';
import {SLOPES} from '../../trace/kernel_sets';
import {cotangents} from '../cotangents';
import {add, mul, shaped, sub} from '../../tfjs/fast_ops';
import type {ForwardNode, Tangent, TangentRule} from './rule';

/**
 * y = f(x, ...) entry by entry, with no broadcasting: dy = Σ f'(x) ∘ dx. The slope f'(x) is the
 * vector-Jacobian product of ones, so it is that of the reverse sweep.
 */
const byEntry: TangentRule = at => at.sum(at.names.filter(name => at.tangent(name) !== null).map(name => {
  const [slope] = cotangents(at.values, at.node, [ones(at.output.shape)], [name]);
  return mul(at.tangent(name)!, slope);
}));

/**
 * dy = f_a da + f_b db, with slopes that broadcast. A slope is asked for only if its input depends
 * on a parameter.
 */
const binary = (slopeA: (at: ForwardNode) => Tensor, slopeB: (at: ForwardNode) => Tensor): TangentRule => at => {
  const [a, b] = [at.lifted('a'), at.lifted('b')];
  return at.sum([a === null ? null : mul(a, slopeA(at)), b === null ? null : mul(b, slopeB(at))]);
};

const a = (at: ForwardNode): Tensor => at.value('a');
const b = (at: ForwardNode): Tensor => at.value('b');

const addition: TangentRule = at => at.sum(at.names.map(name => at.lifted(name)));

const subtraction: TangentRule = at => {
  const [da, db] = [at.lifted('a'), at.lifted('b')];
  return at.sum([da === null ? neg(db!) : db === null ? da : sub(da, db)]);
};

/** d(a/b) = (da - y db) / b. */
const division: TangentRule = at => {
  const [da, db] = [at.lifted('a'), at.lifted('b')];
  const change = db === null ? da! : da === null ? neg(mul(db, at.output)) : sub(da, mul(db, at.output));
  return at.sum([div(change, b(at))]);
};

const squaredDifference: TangentRule = at => {
  const slope = mul(subtract(a(at), b(at)), scalar(2));
  return binary(() => slope, () => neg(slope))(at);
};

/** The derivative of the larger or smaller operand, of equals the first, as tfjs has it. */
const choice = (takesA: (a: Tensor, b: Tensor) => Tensor): TangentRule =>
  binary(at => cast(takesA(a(at), b(at)), 'float32'), at => subtract(1, cast(takesA(a(at), b(at)), 'float32')));

/** b aᵇ⁻¹, with a¹ for a⁻¹ if the factor b is 0, and y log a, with 0 if a is not positive. */
const power = binary(at => {
  const exponent = cast(b(at), 'float32');
  return mul(pow(a(at), where(equal(exponent, 0), onesLike(exponent), subtract(exponent, 1))), exponent);
}, at => mul(at.output, where(greater(a(at), 0), log(a(at)), zerosLike(a(at)))));

const modulo = binary(() => scalar(1), at => neg(floor(div(a(at), b(at)))));

const squares = (at: ForwardNode): Tensor => add(square(a(at)), square(b(at)));

const arcTangent = binary(at => div(b(at), squares(at)), at => neg(div(a(at), squares(at))));

const prelu: TangentRule = at => {
  const [x, alpha] = [at.value('x'), at.value('alpha')];
  const isPositive = step(x);
  const isOther = subtract(1, isPositive);
  const [dx, dAlpha] = [at.lifted('x'), at.lifted('alpha')];
  return at.sum([dx === null ? null : mul(dx, add(isPositive, mul(isOther, alpha))),
    dAlpha === null ? null : mul(dAlpha, mul(isOther, x))]);
};

/**
 * By a choice, and not a product with 0 and 1: the tangent of an entry that is not chosen may be
 * infinite.
 */
const select: TangentRule = at => {
  const condition = at.value('condition');
  const missing = at.output.rank - condition.rank;
  const lifted = missing === 0 ? condition : shaped(condition, [...condition.shape, ...Array<number>(missing).fill(1)]);
  return where(lifted, at.tangentOrZeros('t'), at.tangentOrZeros('e'));
};

/** y = (x - mean) s scale + offset with s = (variance + ε)^-1/2, ds = -½ s³ dvariance. */
const batchNorm: TangentRule = at => {
  const s = rsqrt(add(at.value('variance'), scalar(at.attrs['varianceEpsilon'] as number)));
  const scaled = (t: Tensor): Tensor => at.has('scale') ? mul(t, at.value('scale')) : t;
  const deviation = sub(at.value('x'), at.value('mean'));
  const term = (name: string, slope: () => Tensor): Tensor | null => {
    const d = at.has(name) ? at.lifted(name) : null;
    return d === null ? null : mul(d, slope());
  };
  return at.sum([term('x', () => scaled(s)), term('mean', () => neg(scaled(s))),
    term('variance', () => scaled(mul(mul(deviation, mul(square(s), s)), scalar(-0.5)))),
    term('scale', () => mul(deviation, s)), at.has('offset') ? at.lifted('offset') : null]);
};

export const ELEMENTWISE_TANGENTS: Record<string, Tangent> = {
  ...Object.fromEntries([...SLOPES].map(kernel => [kernel, {rule: byEntry}])),
  Add: {rule: addition},
  AddN: {rule: addition},
  Sub: {rule: subtraction},
  Multiply: {rule: binary(b, a)},
  RealDiv: {rule: division},
  SquaredDifference: {rule: squaredDifference},
  Maximum: {rule: choice(greaterEqual)},
  Minimum: {rule: choice(lessEqual)},
  Pow: {rule: power},
  Mod: {rule: modulo},
  Atan2: {rule: arcTangent},
  Prelu: {rule: prelu},
  Select: {rule: select},
  FusedBatchNorm: {rule: batchNorm},
};
