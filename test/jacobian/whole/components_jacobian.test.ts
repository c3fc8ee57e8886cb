/** Components of the rows in parts, by sweeps of their own: products in the order of rows, against the dense reference. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ComponentsJacobian} from '../../../src/jacobian/whole/components_jacobian';
import {crossGrams} from '../../../src/jacobian/whole/cross_gram';
import {linearize} from '../../../src/jacobian/sweep/linearize';
import {denseGram, denseJacobian} from '../../reference/dense_jacobian';
import {Probe} from '../../support/probe';
import {relativeError} from '../../support/relative_error';
import {noise, variable} from '../../support/tensors';

const TOLERANCE = 1e-5;
const [B, C] = [5, 7];

for (const backend of ['cpu', 'wasm']) {
  for (const count of [2, 3, 7]) {
    test.serial(`${backend}: ${C} components in ${count} parts`, async t => {
      await tf.setBackend('cpu');
      const variables = [variable([3, 3, 1, 4], 1), variable([4], 2), variable([4, 4], 3), variable([4, 3], 4)];
      const [w, b, v, u] = variables;
      const x = noise([B, 6, 6, 1], 5) as tf.Tensor4D;
      const rows = (): tf.Tensor => {
        const y = tf.conv2d(x, w as unknown as tf.Tensor4D, 1, 'same').add(b).tanh().mean([1, 2]) as tf.Tensor2D;
        return tf.concat([tf.matMul(y, v as unknown as tf.Tensor2D).tanh(), tf.matMul(y, u as unknown as tf.Tensor2D)], 1);
      };
      const {jacobian: expected, n, m} = denseJacobian(rows, variables);
      await tf.setBackend(backend);
      new Probe(({trace, checked: {plan}}) => {
        t.is(plan.components, C);
        const jacobian = new ComponentsJacobian(trace, plan, count, []);
        const gram = denseGram(expected, n, m);
        const near = (name: string, found: tf.Tensor, right: ArrayLike<number>): void => {
          t.true(relativeError(found.dataSync(), Float64Array.from(right)) < TOLERANCE, name);
        };
        near('rows', jacobian.dense(), expected);
        near('Gram matrix', jacobian.gram(variables.map(() => 0))[0], gram);
        near('by variable', jacobian.gram([0, 1, 2, 3]).reduce((a, part) => a.add(part)), gram);
        near('of each example', jacobian.diagonalBlocks(), Array.from({length: B * C * C}, (_, i) => {
          const [example, row, column] = [Math.floor(i / (C * C)), Math.floor(i / C) % C, i % C];
          return gram[(example * C + row) * n + example * C + column];
        }));
        near('squares of the rows', jacobian.diagonalBlocks(1), Array.from({length: n}, (_, i) => gram[i * n + i]));
        const whole = linearize(trace, plan);
        near('cross', crossGrams(jacobian, whole, [0, 0, 0, 0])[0], gram);
        near('cross from the other side', crossGrams(whole, jacobian, [0, 0, 0, 0])[0], gram);
        near('cross of both', crossGrams(jacobian, new ComponentsJacobian(trace, plan, 2, []), [0, 0, 0, 0])[0], gram);
        const y = Float64Array.from({length: n}, (_, i) => Math.cos(1 + 2 * i));
        const pulled = jacobian.applyTranspose(tf.tensor(Float32Array.from(y), [n])).map(part => part!.reshape([-1]));
        near('Jᵀy', tf.concat(pulled), Array.from({length: m}, (_, j) => y.reduce((sum, z, r) => sum + z * expected[r * m + j], 0)));
        const d = variables.map((variable, i) => noise(variable.shape, 10 + i));
        const flat = d.flatMap(part => [...part.dataSync()]);
        near('J d', jacobian.apply(d), Array.from({length: n}, (_, r) => flat.reduce((sum, z, j) => sum + z * expected[r * m + j], 0)));
      }).minimize(() => rows().square().mean());
      tf.dispose([...variables, x]);
    });
  }
}
