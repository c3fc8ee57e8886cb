/** Every activation of tfjs-layers in plain float64 JavaScript, for finite differences of any order. */
import type {Activation} from '../cases/case';
import {sigmoid, softplus} from './numbers';

const each = (f: (x: number) => number) => (x: readonly number[]): number[] => x.map(f);
const relu = (x: number): number => Math.max(x, 0);

/** By its power series, for |x| < 4. */
function erf(x: number): number {
  let term = x;
  let sum = x;
  for (let k = 1; k < 100; k++) {
    term *= -x * x / k;
    sum += term / (2 * k + 1);
  }
  return 2 / Math.sqrt(Math.PI) * sum;
}

function softmax(x: readonly number[]): number[] {
  const exps = x.map(Math.exp);
  const total = exps.reduce((a, b) => a + b);
  return exps.map(e => e / total);
}

/** Of the units of one layer, since two of them normalise over the units. */
export const ACTIVATIONS: Record<Activation, (x: readonly number[]) => number[]> = {
  linear: each(x => x),
  relu: each(relu),
  relu6: each(x => Math.min(relu(x), 6)),
  elu: each(x => x > 0 ? x : Math.expm1(x)),
  selu: each(x => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * Math.expm1(x))),
  tanh: each(Math.tanh),
  sigmoid: each(sigmoid),
  hardSigmoid: each(x => Math.min(Math.max(0.2 * x + 0.5, 0), 1)),
  softplus: each(softplus),
  softsign: each(x => x / (1 + Math.abs(x))),
  swish: each(x => x * sigmoid(x)),
  mish: each(x => x * Math.tanh(softplus(x))),
  gelu: each(x => 0.5 * x * (1 + erf(x / Math.SQRT2))),
  gelu_new: each(x => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))),
  softmax,
  logSoftmax: x => softmax(x).map(Math.log)
};
