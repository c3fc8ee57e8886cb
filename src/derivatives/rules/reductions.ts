import {cumprod, cumsum, div, scalar, util} from '@tensorflow/tfjs-core';
import {broadcast, mul, shaped} from '../../tfjs/fast_ops';
import {chosenCotangent, isChosenHere} from '../kernels/maxima';
import {neighbour, recurrence} from '../kernels/recurrence';
import {EXTREMA_ALONG_AXES} from '../../trace/kernel_sets';
import {slowOrMissing, type Pull, type Rule} from './rule';

/**
 * dy goes to each of the entries that were summed, by a product with as many ones as a sum has
 * terms. tfjs makes ones of the shape of the whole input.
 */
const spread = (isMean: boolean): Pull => at => {
  const {shape} = at.value('x');
  const axes = util.parseAxisParam(at.attrs['axis'] as number[], shape);
  const each = shaped(at.dy, shape.map((size, axis) => axes.includes(axis) ? 1 : size));
  const count = axes.reduce((product, axis) => product * shape[axis], 1);
  return broadcast(isMean ? div(each, scalar(count)) : each, shape);
};

const summedFromBehind: Pull = ({attrs: {axis, exclusive, reverse}, dy}) =>
  cumsum(dy, axis as number, exclusive as boolean, reverse !== true);

/**
 * dx_i = e_i s_i, with the product e_i of the entries before x_i, and s_i = dy_i + x_(i + 1)
 * s_(i + 1). No entry divides another, so that x may have zeros. An exclusive product is that of
 * the entry before.
 */
const multipliedFromBehind: Pull = at => {
  const {exclusive, reverse} = at.attrs;
  const [x, axis, towardsEnd] = [at.value('x'), at.axis(at.y.shape), reverse === true ? -1 : 1];
  const fromBehind = x.rank - axis;
  const dy = exclusive === true ? neighbour(at.dy, fromBehind, towardsEnd) : at.dy;
  const s = recurrence(dy, neighbour(x, fromBehind, towardsEnd), fromBehind, -towardsEnd);
  return mul(s, cumprod(x, axis, true, reverse as boolean));
};

/** Kernels that sum, multiply, or take the largest or the smallest, along axes. */
export const REDUCTION_RULES: readonly Rule[] = [
  ...slowOrMissing({kernel: 'Sum', pull: spread(false)}),
  ...slowOrMissing({kernel: 'Mean', pull: spread(true)}),
  {kernel: [...EXTREMA_ALONG_AXES], why: 'slow', when: at => isChosenHere(at.node, at.value('x')),
    pull: at => chosenCotangent(at.node, at.value('x'), at.y, at.dy)!},
  {kernel: 'Cumprod', why: 'missing', pull: multipliedFromBehind},
  // tfjs's gradient along another axis than the last comes out transposed.
  {kernel: 'Cumsum', why: 'wrong', when: at => at.axis(at.y.shape) !== at.y.rank - 1, pull: summedFromBehind},
  {kernel: 'Cumsum', why: 'missing', pull: summedFromBehind},
];
