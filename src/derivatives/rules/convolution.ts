import {tidy, type Tensor} from '@tensorflow/tfjs-core';
import {convolve} from '../kernels/convolution';
import {convolutionOf} from '../kernels/convolution_geometry';
import type {Operand} from '../../trace/kernel_fact';
import {CONVOLUTIONS} from '../../trace/kernel_sets';
import {refuseWrongKernel} from '../kernels/wrong_kernels';
import type {BackwardNode, Pull, Rule} from './rule';

/**
 * The cotangent of an input of a convolution: the same trilinear form, solved for another operand.
 */
const convolved: Pull = (at, input) => {
  refuseWrongKernel(at.backend, at.values, at.node);
  const c = convolutionOf(at.values, at.node)!;
  const operands = Object.entries(c.names) as Array<[Operand, string | null]>;
  const [wanted] = operands.find(([, name]) => name === input)!;
  const given = Object.fromEntries(operands.filter(([operand]) => operand !== wanted)
      .map(([operand, name]): [Operand, Tensor] => [operand, name === null ? at.dy : at.value(name)]));
  // The padded cotangent and its phases go before the other inputs are solved for.
  return tidy(() => convolve(c, wanted, given));
};

const isDilated = ({attrs}: BackwardNode): boolean =>
  [attrs['dilations'] as number | number[] | undefined ?? 1].flat().some(d => d > 1);

const rule = {kernel: [...CONVOLUTIONS], input: ['x', 'filter', 'dy'], pull: convolved};

/**
 * Convolutions. tfjs has no gradient of a transposed one in three dimensions and of a dilated one.
 * WASM lacks the kernels of the gradients in filters, and its gradient of Conv3D is wrong in the
 * input, and in the filter with strides above 1. On cpu the gradient in the filter is slow.
 *
 * Measured: that gradient takes a hundred times as long as the rule.
 */
export const CONVOLUTION_RULES: readonly Rule[] = [
  {...rule, why: 'slow'},
  {...rule, why: 'wrong', when: at => isDilated(at) || at.backend === 'wasm' || at.backend === 'cpu'},
  {...rule, why: 'missing'},
];
