import {matMul} from '@tensorflow/tfjs-core';
import {matricesIn, mul, multiplyTransposed, shaped, sumTo, transposeMultiply} from '../../tfjs/fast_ops';
import type {BackwardNode, Pull, Rule} from './rule';

/** Whether a product has one plain matrix on the right. */
const isPlain = (at: BackwardNode): boolean =>
  !at.attrs['transposeA'] && !at.attrs['transposeB'] && matricesIn(at.value('b')) === 1;

/**
 * A product with a plain matrix: dy bᵀ and aᵀ dy, on WASM without transpose flags. Products with
 * these flags run at a tenth of the speed there: its batch_mat_mul_impl takes XNNPACK only without
 * flags and with one matrix.
 */
const withPlainMatrix: Pull = (at, input) => {
  const [a, b, dy] = [at.value('a'), at.value('b'), at.dy];
  const [inner, outer] = b.shape.slice(-2) as [number, number];
  if (input === 'b') {
    const product = transposeMultiply(shaped(a, [a.size / inner, inner]), shaped(dy, [dy.size / outer, outer]));
    return shaped(product, b.shape);
  }
  return shaped(outer === 1 && at.backend !== 'tensorflow' ? mul(shaped(dy, [dy.size, 1]), shaped(b, [1, inner])) :
    multiplyTransposed(shaped(dy, [dy.size / outer, outer]), shaped(b, [inner, outer])), a.shape);
};

const withMatrices: Pull = (at, input) => {
  const [a, b, dy] = [at.value('a'), at.value('b'), at.dy];
  const {transposeA, transposeB} = at.attrs as Record<string, boolean>;
  const product = input === 'a' ?
    (transposeA ? matMul(b, dy, transposeB, true) : matMul(dy, b, false, !transposeB)) :
    (transposeB ? matMul(dy, a, true, transposeA) : matMul(a, dy, !transposeA, false));
  return sumTo(product, at.value(input).shape);
};

/** Products of matrices. */
export const PRODUCT_RULES: readonly Rule[] = [
  {kernel: ['BatchMatMul', '_FusedMatMul'], input: ['a', 'b'], why: 'slow', when: isPlain, pull: withPlainMatrix},
  {kernel: '_FusedMatMul', input: 'bias', why: 'slow', pull: (at, input) => sumTo(at.dy, at.value(input).shape)},
  // tfjs's products run at a tenth of the speed, in the sweep of the self-check, too.
  {kernel: 'BatchMatMul', why: 'useless', when: at => at.backend === 'wasm' && isPlain(at), pull: withPlainMatrix},
  {kernel: 'BatchMatMul', why: 'missing', pull: withMatrices},
];
