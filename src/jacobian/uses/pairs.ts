import {concat, mul, reshape, sum, tidy, type Tensor} from '@tensorflow/tfjs-core';
import {matMul, shaped, transposed} from '../../tfjs/fast_ops';
import {sliceRows} from '../../tfjs/slices';
import type {PositionData} from './positions';
import {blocksOf} from './row_blocks';
import {LONGEST_SUM} from './outer_products';

/** A matrix that meets the data at s positions of every example. */
interface Positioned {
  /** B. */
  readonly examples: number;
  /** C. */
  readonly components: number;
  /** a, [B·s, in]. */
  readonly data: PositionData;
  /** δ, [B, C, s, out]. */
  readonly cotangents: Tensor;
}

type Shape = Pick<Positioned, 'examples' | 'components' | 'data'>;

/** The time that one pair takes beside its products, in multiply-adds. */
const PER_PAIR = 32;

/**
 * Whether the products of n rows over s positions cost less by pairs of positions than as dense
 * rows, which are formed first.
 */
export const isByPairs = (n: number, positions: number, inner: number, outer: number): boolean =>
  Math.max(inner, outer) <= LONGEST_SUM &&
    n * positions ** 2 * (inner + outer + PER_PAIR) < (positions + n) * inner * outer;

/**
 * J J'ᵀ [n, n'] of two uses of one matrix, block of examples by block, without any row:
 *
 *     Σ_ss' (a_bs · a'_b's')(δ_bcs · δ'_b'c's')
 */
export function pairProducts(use: Positioned, other: Positioned): Tensor {
  return tidy(() => concat(blocksOf(other.examples, floatsOf(other)).map(block => tidy(() => {
    const right = part(other, ...block);
    const [data, deltas] = [transposed(right.a), transposed(right.delta)];
    const perExample = Math.max(floatsOf(use), use.components * use.data.positions * deltas.shape[1]!);
    return concat(blocksOf(use.examples, perExample).map(([from, to]) => tidy(() => {
      const left = part(use, from, to);
      return sumOfPairs(matMul(left.a, data), matMul(left.delta, deltas), left, right);
    })), 0);
  })), 1));
}

/** Floats of one example in the larger factor. */
const floatsOf = ({components, data: {positions, inner}, cotangents}: Positioned): number =>
  positions * Math.max(inner, components * cotangents.shape[3]!);

/** Data and cotangents of the examples from..to-1, a row for each position. */
function part({components, data, cotangents}: Positioned, from: number, to: number):
    Shape & {readonly a: Tensor; readonly delta: Tensor} {
  const each = components * data.positions;
  const outer = cotangents.shape[3]!;
  return {examples: to - from, components, data, a: data.matrix(from, to),
    delta: sliceRows(shaped(cotangents, [cotangents.size / outer, outer]), from * each, to * each)};
}

/**
 * Σ_ss' a ∘ δ, [n, n'].
 *
 * @param a products of the data, [B·s, B'·s'].
 * @param delta products of the cotangents, [n·s, n'·s'].
 */
export function sumOfPairs(a: Tensor, delta: Tensor, use: Shape, other: Shape): Tensor {
  const [positions, theirs] = [use.data.positions, other.data.positions];
  const [rows, columns] = [use.examples * use.components, other.examples * other.components];
  const pairs = use.components === 1 && other.components === 1 ? mul(a, delta) :
    mul(reshape(a, [use.examples, 1, positions, other.examples, 1, theirs]),
        reshape(delta, [use.examples, use.components, positions, other.examples, other.components, theirs]));
  return sum(sum(reshape(pairs, [rows, positions, columns, theirs]), 3), 1);
}
