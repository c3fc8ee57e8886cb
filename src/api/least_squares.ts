import {add, cast, mul, square, sum, tidy, type Scalar, type Tensor} from '@tensorflow/tfjs-core';
import {ggnError} from '../errors';
import {shown} from '../shown';
import {isTensor} from '../trace/recorder';

/**
 * Options of {@link leastSquares}.
 * @public
 */
export interface LeastSquaresOptions {
  /**
   * Weights w ≥ 0 of the squares: one for all residual tensors, or a list with one for each. A
   * weight is a number, or a tensor (float32, int32 or bool) that broadcasts to the shape of its
   * residuals. Default 1. If weights depend on trained variables, then the loss is no sum of
   * squares, but a function of outputs like any other.
   */
  weights?: number | Tensor | ReadonlyArray<number | Tensor>;
}

/**
 * The least-squares loss of given residuals r_ti, entry i of tensor t:
 *
 *     L = ½ Σ_t Σ_i w_ti r_ti²
 *
 * It has the ½ and no mean, as `least_squares` of scipy. Every entry of every tensor is one row of
 * the Gauss-Newton step. The tensors may differ in shape, as the terms of a physics-informed loss
 * do. The loss is made of ordinary ops, so it has a gradient under every optimizer.
 *
 * A residual that is a variable itself counts as an L2 regularizer, as in any other loss. It has
 * the same loss and the same curvature, held exactly, but it adds no rows to {@link
 * StepReport.rows}, and nothing to the scale of the damping.
 *
 * @param residuals - a float32 tensor of any shape, or a list of them.
 * @returns the loss, a scalar.
 * @throws Error for residuals that are no float32 tensors, and for weights that are negative, not
 * finite or of another shape. Only the step reads the entries of a tensor of weights, and refuses
 * negative ones.
 * @example
 * ```ts
 * const [a, k] = [tf.scalar(1).variable(), tf.scalar(1).variable()];
 * optimizer.minimize(() => leastSquares(a.mul(t.mul(k).neg().exp()).sub(y)));
 * const rows = () => [equation(inside), u(edge).sub(value)];
 * optimizer.minimize(() => leastSquares(rows(), {weights: [1 / 200, 10]}));
 * ```
 * @public
 */
export function leastSquares(residuals: Tensor | readonly Tensor[], options: LeastSquaresOptions = {}): Scalar {
  const list = listOfResiduals(residuals);
  const weights = listOfWeights(options, list);
  return tidy(() => {
    const terms = list.map((residual, i) => halfSquares(residual, weights[i]));
    return terms.reduce((total, term) => add(total, term));
  });
}

/** ½ Σ w r². */
function halfSquares(residual: Tensor, weight: number | Tensor): Scalar {
  return typeof weight === 'number' ? mul(sum(square(residual)), weight / 2) :
      mul(sum(mul(square(residual), cast(weight, 'float32'))), 0.5);
}

function listOfResiduals(residuals: unknown): Tensor[] {
  const list: unknown[] = Array.isArray(residuals) ? residuals : [residuals];
  if (list.length === 0) {
    throw ggnError('leastSquares() received an empty list. Give at least one tensor of residuals.');
  }
  for (const [i, residual] of list.entries()) {
    if (!isTensor(residual) || residual.dtype !== 'float32') {
      const where = Array.isArray(residuals) ? ` at index ${i}` : '';
      throw ggnError('leastSquares() takes a float32 tensor of residuals or a list of them; received ' +
          `${show(residual)}${where}.`);
    }
  }
  return list as Tensor[];
}

function listOfWeights(options: unknown, residuals: readonly Tensor[]): Array<number | Tensor> {
  if (typeof options !== 'object' || options === null || Array.isArray(options) || isTensor(options)) {
    throw ggnError('the second argument of leastSquares() is an object of options, as in ' +
        `leastSquares(r, {weights: 2}); received ${show(options)}.`);
  }
  const unknown = Object.keys(options).find(name => name !== 'weights');
  if (unknown !== undefined) {
    throw ggnError(`unknown option '${unknown}' of leastSquares(). Known option: weights.`);
  }
  const given = (options as {weights?: unknown}).weights ?? 1;
  const list: unknown[] = Array.isArray(given) ? given : residuals.map(() => given);
  if (list.length !== residuals.length) {
    const tensors = `${residuals.length} ${residuals.length === 1 ? 'tensor' : 'tensors'}`;
    throw ggnError('leastSquares() takes one weight for each tensor of residuals: received ' +
        `${list.length} weights for ${tensors}.`);
  }
  list.forEach((weight, i) => checkWeight(weight, residuals[i], Array.isArray(given) ? ` at index ${i}` : ''));
  return list as Array<number | Tensor>;
}

function checkWeight(weight: unknown, residual: Tensor, where: string): void {
  if (typeof weight === 'number') {
    if (!(weight >= 0 && weight < Infinity)) {
      throw ggnError(`a weight of leastSquares() must be 0 or more, and finite; received ${weight}${where}.`);
    }
    return;
  }
  if (!isTensor(weight) || !['float32', 'int32', 'bool'].includes(weight.dtype)) {
    throw ggnError('a weight of leastSquares() is a number or a tensor of float32, int32 or bool; received ' +
        `${show(weight)}${where}.`);
  }
  const lead = residual.rank - weight.rank;
  if (!weight.shape.every((d, axis) => d === 1 || d === residual.shape[lead + axis]) || lead < 0) {
    throw ggnError(`the weights of leastSquares() have shape [${weight.shape.join()}]${where}, which does not ` +
        `broadcast to that of their residuals, [${residual.shape.join()}].`);
  }
}

const show = (value: unknown): string => isTensor(value) ? `a tensor of ${value.dtype}` : shown(value);
