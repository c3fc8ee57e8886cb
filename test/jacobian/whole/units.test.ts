/** J T, T d', T⁻¹d, Tᵀg and T⁻ᵀg' against dense matrices T of their own. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {denseLayers} from '../../../src/jacobian/plan/dense_layers';
import {readingsOf} from '../../../src/jacobian/plan/readings';
import {linearize} from '../../../src/jacobian/sweep/linearize';
import {Units} from '../../../src/jacobian/whole/units';
import {findRows} from '../../../src/loss/rows';
import {capture} from '../../../src/trace/capture';
import {relativeError} from '../../support/relative_error';
import {noise, numbersOf, variable} from '../../support/tensors';

await tf.setBackend('cpu');

const [W, b, V, c]: any[] = [variable([3, 4], 1), variable([4], 2), variable([4, 2], 3), variable([2], 4)];

const ROWS: Record<string, () => tf.Tensor> = {
  'two layers': () => noise([5, 3], 5).matMul(W).add(b).tanh().matMul(V).add(c),
  'shared positions': () => tf.matMul(noise([5, 2, 3], 5).reshape([10, 3]), W).reshape([5, 2, 4]).add(b).tanh()
      .reshape([10, 4]).matMul(V).reshape([5, 2, 2]).add(c),
  'a kernel on the left, no bias': () => tf.matMul(W, noise([5, 3], 5), true, true).transpose().tanh().matMul(V),
};

/** T, m x m, written out from its formula, by the units of the layers. */
function matrixOf({layers}: Units, variables: readonly tf.Variable[]): number[][] {
  const first = variables.map((_, v) => variables.slice(0, v).reduce((sum, {size}) => sum + size, 0));
  const m = variables.reduce((sum, {size}) => sum + size, 0);
  const T = Array.from({length: m}, (_, i) => Array.from({length: m}, (_, j) => Number(i === j)));
  for (const {layer: {kernel, bias, product}, shifts, weights, bias: unit} of layers) {
    const [inner, outer] = [weights.length, variables[kernel].size / weights.length];
    for (let j = 0; j < outer; j++) {
      for (let i = 0; i < inner; i++) {
        const k = first[kernel] + (product.transposed ? j * inner + i : i * outer + j);
        T[k][k] = weights[i];
        if (bias !== null) {
          T[first[bias] + j][k] = -shifts[i] * weights[i];
        }
      }
      if (bias !== null) {
        T[first[bias] + j][first[bias] + j] = unit;
      }
    }
  }
  return T;
}

const times = (A: number[][], x: ArrayLike<number>): number[] => A.map(row => row.reduce((sum, a, i) => sum + a * x[i], 0));
const transposed = (A: number[][]): number[][] => A[0].map((_, j) => A.map(row => row[j]));

for (const backend of ['cpu', 'wasm']) {
  for (const [name, rows] of Object.entries(ROWS)) {
    test.serial(`${backend}: ${name}`, async t => {
      await tf.setBackend(backend);
      tf.tidy(() => {
        const {trace} = capture(() => rows().square().mean() as tf.Scalar);
        const found = findRows(trace, v => v.trainable, null);
        const plan = readingsOf(trace, found, found.groups[0], null, 'gram').readings[0].plan();
        const {variables} = plan.analysis;
        const units = new Units(denseLayers(plan).map((layer, l) => {
          const inner = layer.shape[layer.product.transposed ? 1 : 0];
          return {layer, bias: 3 + l, weights: Float32Array.from({length: inner}, (_, i) => 0.5 + i + l),
            shifts: Float32Array.from({length: inner}, (_, i) => layer.bias === null ? 0 : i - 0.7)};
        }));
        t.true(units.layers.length === 2);
        const T = matrixOf(units, variables);
        const J = linearize(trace, plan);
        const scaled = units.jacobianOf(J, trace.values);
        const [n, m] = [J.rows, T.length];
        const plain = J.dense().arraySync() as number[][];
        const expected = plain.map(row => times(transposed(T), row));
        t.true(relativeError(scaled.dense().dataSync(), expected.flat()) < 1e-6);
        t.true(relativeError(units.rowsOf(Float32Array.from(plain.flat()), variables.map(({size}) => size)), expected.flat()) < 1e-6);
        const gram = scaled.gram(variables.map(() => 0))[0].dataSync();
        const JTTJ = expected.flatMap(row => expected.map(other => row.reduce((sum, x, k) => sum + x * other[k], 0)));
        t.true(relativeError(gram, JTTJ) < 1e-6 && gram.length === n * n);

        const x = variables.map((v, i) => noise(v.shape, 20 + i));
        const flatX = numbersOf(x);
        const flat = (made: Array<tf.Tensor | null>): number[] => numbersOf(made as tf.Tensor[]);
        t.true(relativeError(flat(units.stepOf(x)), times(T, flatX)) < 1e-6);
        t.true(relativeError(flat(units.pulled(x)), times(transposed(T), flatX)) < 1e-6);
        t.true(relativeError(flat(units.coordinatesOf(units.stepOf(x))), flatX) < 1e-5);
        t.true(relativeError(flat(units.gradientOf(units.pulled(x))), flatX) < 1e-5);
        t.is(flatX.length, m);
        t.deepEqual(units.stepOf(variables.map(() => null)), variables.map(() => null));
        trace.dispose();
      });
    });
  }
}
