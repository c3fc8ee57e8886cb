/** The dense layers of a plan: kernel, bias, and the place of the layer in the network. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {denseLayers} from '../../../src/jacobian/plan/dense_layers';
import {readingsOf} from '../../../src/jacobian/plan/readings';
import {findRows} from '../../../src/loss/rows';
import {capture} from '../../../src/trace/capture';
import {noise, variable} from '../../support/tensors';

test.before(async () => {
  await tf.setBackend('cpu');
});

/** By layer: names of kernel and bias, whether its data are activations, whether it is the last. */
function layersOf(rows: () => tf.Tensor): Array<[string, string | null, boolean, boolean]> {
  const {trace} = capture(() => rows().square().mean() as tf.Scalar);
  try {
    const found = findRows(trace, v => v.trainable, null);
    const plan = readingsOf(trace, found, found.groups[0], null, 'gram').readings[0].plan();
    const {variables} = plan.analysis;
    return denseLayers(plan).map(({kernel, bias, isHidden, isLast}) =>
      [names.get(variables[kernel])!, bias === null ? null : names.get(variables[bias])!, isHidden, isLast]);
  } finally {
    trace.dispose();
  }
}

const names = new Map<tf.Variable, string>();
const named = (name: string, shape: number[], seed: number): any => {
  const made = variable(shape, seed);
  names.set(made, name);
  return made;
};
const [W, b, V, c] = [named('W', [3, 4], 1), named('b', [4], 2), named('V', [4, 2], 3), named('c', [2], 4)];
const [x, y]: any[] = [noise([5, 3], 5), noise([5, 2], 6)];

const CASES: Array<[string, () => tf.Tensor, ReturnType<typeof layersOf>]> = [
  ['bias as an op', () => x.matMul(W).add(b).tanh().matMul(V).add(c).sub(y),
    [['V', 'c', true, true], ['W', 'b', false, false]]],
  ['fused bias and activation', () =>
    tf.fused.matMul({a: tf.fused.matMul({a: x, b: W, bias: b, activation: 'relu'}), b: V, bias: c}).sub(y),
  [['V', 'c', true, true], ['W', 'b', false, false]]],
  ['no bias, a scale behind the last layer', () => x.matMul(W).tanh().matMul(V).mul(7).sub(y),
    [['V', null, true, true], ['W', null, false, false]]],
  ['a fused activation at the end', () =>
    tf.fused.matMul({a: x, b: W, bias: b, activation: 'relu'}).slice([0, 0], [-1, 2]).sub(y), [['W', 'b', false, false]]],
  ['a kernel on the left', () => tf.matMul(W, x, true, true).transpose().slice([0, 0], [-1, 2]).sub(y),
    [['W', null, false, true]]],
  ['a kernel that is used twice', () => x.matMul(W).slice([0, 0], [-1, 3]).tanh().matMul(W).matMul(V).sub(y),
    [['V', null, true, true]]],
  ['a bias that is used twice', () => x.matMul(W).add(b).tanh().add(b).matMul(V).sub(y),
    [['V', null, true, true], ['W', null, false, false]]],
];

for (const [name, rows, expected] of CASES) {
  test.serial(name, t => {
    t.deepEqual(layersOf(rows).sort(), expected);
  });
}
