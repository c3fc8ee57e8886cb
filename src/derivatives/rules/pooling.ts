import {div, zerosLike, type Tensor} from '@tensorflow/tfjs-core';
import {ggnError} from '../../errors';
import {MAXIMA_OF_WINDOWS} from '../../trace/kernel_sets';
import {mul} from '../../tfjs/fast_ops';
import {runKernel} from '../../tfjs/internals';
import {chosenCotangent, isChosenHere} from '../kernels/maxima';
import {isPadded, pickMaxima, pooledAxes, spreadMaxima, windowShare} from '../kernels/pooling';
import type {BackwardNode, Pull, Rule} from './rule';

const MAXIMA = [...MAXIMA_OF_WINDOWS];
const AVERAGES = ['AvgPool', 'AvgPool3D'];

const chosen = (at: BackwardNode): Tensor | null => chosenCotangent(at.node, at.value('x'), at.y, at.dy);

const byMaxima: Pull = at => chosen(at) ?? spreadMaxima(at.value('x'), at.y, at.dy, at.attrs);

/** Whether the attribute dimRoundingMode changes the number of windows. */
const isRounded = (at: BackwardNode): boolean => at.attrs['dimRoundingMode'] != null &&
  pooledAxes(at.value('x').shape, {...at.attrs, dimRoundingMode: undefined})
      .some(({count}, k) => count !== at.y.shape[k + 1]);

const refuseRounded: Pull = ({node, attrs}) => {
  throw ggnError(`tfjs's gradient of '${node.kernel}' is wrong with sizes rounded by ` +
      `'${String(attrs['dimRoundingMode'])}': pool without dimRoundingMode, or pad the input.`);
};

const refuseDilation: Pull = () => {
  throw ggnError("tfjs's gradient of 'Dilation2D' is wrong on the WASM backend: train this model on another backend " +
      '(cpu, webgl).');
};

const hasUnevenWindow = (at: BackwardNode): boolean => {
  const [, height, width] = pooledAxes(at.value('x').shape, at.attrs);
  return height.filter !== width.filter;
};

/**
 * The kernel divides by the full size of a window, the forward kernel by the number of its entries
 * inside of the image.
 */
const averageOfCotangents = (forward: string): Pull => at => {
  const share = windowShare(at.value('input').shape, at.attrs);
  const means = runKernel(forward, {x: at.dy}, at.attrs) as Tensor;
  return share === null ? means : div(means, share);
};

/**
 * The inputs of a backward kernel that lend a shape, or choose entries, have the derivative zero.
 */
const zero: Pull = (at, input) => zerosLike(at.value(input));

/** Kernels that work on windows, and their backward kernels, which are linear in dy. */
export const POOLING_RULES: readonly Rule[] = [
  {kernel: MAXIMA, why: 'slow', when: at => isChosenHere(at.node, at.value('x')), pull: at => chosen(at)!},
  // tfjs's gradient kernel starts its search for the maximum at 1.2e-38. The cotangents of windows
  // without a positive number go to the first entry of the input.
  {kernel: MAXIMA, why: 'wrong', when: at => at.backend === 'wasm', pull: byMaxima},
  // With sizes rounded up, tfjs's gradients take other windows than the kernels.
  {kernel: [...MAXIMA, ...AVERAGES], why: 'wrong', when: isRounded, pull: refuseRounded},
  // tfjs's gradient kernel numbers the entries of a window by its height in the place of its width.
  {kernel: 'MaxPool3D', why: 'wrong', when: at => at.backend === 'cpu' && hasUnevenWindow(at), pull: byMaxima},
  // tfjs's gradient divides by the full size of a window, the kernel by the number of its entries
  // inside of the image. They differ with padding ('same').
  {kernel: AVERAGES, why: 'wrong', when: at => at.backend !== 'tensorflow' && isPadded(at.value('x').shape, at.attrs),
    pull: at => {
      const share = windowShare(at.value('x').shape, at.attrs)!;
      return runKernel(`${at.node.kernel}Grad`, {dy: mul(at.dy, share), input: at.value('x')}, at.attrs) as Tensor;
    }},
  // tfjs's gradient kernel has the fault of that of MaxPool. In windows without a positive number,
  // the values of the kernel are wrong, too.
  {kernel: 'Dilation2D', why: 'wrong', when: at => at.backend === 'wasm', pull: refuseDilation},
  {kernel: 'AvgPoolGrad', input: 'dy', why: 'missing', pull: averageOfCotangents('AvgPool')},
  {kernel: 'AvgPool3DGrad', input: 'dy', why: 'missing', pull: averageOfCotangents('AvgPool3D')},
  {kernel: ['AvgPoolGrad', 'AvgPool3DGrad'], input: 'input', why: 'missing', pull: zero},
  {kernel: ['MaxPoolGrad', 'MaxPool3DGrad'], input: 'dy', why: 'missing',
    pull: at => pickMaxima(at.value('input'), at.value('output'), at.dy, at.attrs)},
  {kernel: ['MaxPoolGrad', 'MaxPool3DGrad'], input: ['input', 'output'], why: 'missing', pull: zero},
];
