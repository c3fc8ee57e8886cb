/** Products of the rows of each example. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {blockProducts} from '../../../src/jacobian/uses/row_blocks';
import {withKernels} from '../../../src/kernels/allowed';
import {relativeError} from '../../support/relative_error';

for (const [components, columns] of [[1, 5], [3, 4], [80, 60]] as const) {
  test.serial(`x_b x_bᵀ on wasm: ${components} rows of ${columns} columns for each of 3 examples`, async t => {
    await tf.setBackend('wasm');
    const x = tf.randomNormal([3 * components, columns], 0, 1, 'float32', 1);
    const before = tf.memory().numTensors;
    const products = tf.tidy(() => blockProducts(x, 3, components));
    t.is(tf.memory().numTensors, before + 1);
    const plain = withKernels(false, () => tf.tidy(() => blockProducts(x, 3, components)));
    t.deepEqual([products.shape, plain.shape], [[3, components, components], [3, components, components]]);
    const entries = x.dataSync();
    const expected = Array.from({length: products.size}, (_, k) => {
      const [b, i, j] = [Math.floor(k / components ** 2), Math.floor(k / components) % components, k % components];
      const row = (r: number): ArrayLike<number> => entries.slice((b * components + r) * columns, (b * components + r + 1) * columns);
      return Array.from(row(i)).reduce((sum, value, c) => sum + value * row(j)[c], 0);
    });
    t.true(relativeError(products.dataSync(), expected) < 1e-6);
    t.true(relativeError(plain.dataSync(), expected) < 1e-6, 'by tfjs');
    tf.dispose([x, products, plain]);
  });
}
