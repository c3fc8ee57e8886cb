/** Loops over small tensors and sums of squares by one op, which take the place of ops on tfjs-node. */
import * as tf from '@tensorflow/tfjs';
import {allFinite} from '../../src/tfjs/all_finite';
import {add, addScaled, isSmall, mul, multiplyTransposed, shaped, sub, sumOf, transposeMultiply} from '../../src/tfjs/fast_ops';
import {sumOfSquares} from '../../src/systems/variable_vector';
import {capture} from '../../src/trace/capture';
import {useBackend} from '../support/backends';
import {relativeError} from '../support/relative_error';
import {testOn} from '../support/test_on';

const native = testOn('tensorflow');

const SIZES = [1, 5, 4096, 4097, 70000];

const filled = (size: number, value: number, at: number): tf.Tensor1D => {
  const entries = new Float32Array(size).fill(1);
  entries[at] = value;
  return tf.tensor1d(entries).mul(1);  // data of TensorFlow, not of JavaScript
};

native('finite entries are told from others, also if their squares overflow', async t => {
  await useBackend('tensorflow');
  tf.tidy(() => {
    for (const size of SIZES) {
      for (const value of [1e30, -3e38, 1e-40, 0]) {
        t.true(allFinite([filled(3, 1, 0), filled(size, value, size - 1)]), `${size} ${value}`);
      }
      for (const value of [NaN, Infinity, -Infinity]) {
        t.false(allFinite([filled(size, value, size >> 1), filled(70000, 1e30, 0)]), `${size} ${value}`);
      }
    }
    t.true(allFinite([]));
  });
});

native('sums of squares', async t => {
  await useBackend('tensorflow');
  tf.tidy(() => {
    for (const sizes of [...SIZES.map(size => [size]), SIZES]) {
      const tensors = sizes.map((size, i) => tf.randomNormal([size], 0, 1, 'float32', i + 1).mul(2));
      const expected = tensors.reduce((total, x) => total + [...x.dataSync()].reduce((sum, v) => sum + v * v, 0), 0);
      t.true(Math.abs(sumOfSquares(tensors) / expected - 1) < 1e-6, sizes.join());
    }
    t.is(sumOfSquares([]), 0);
  });
});

native('sums and products of small and large tensors, which leave nothing behind', async t => {
  await useBackend('tensorflow');
  t.true(isSmall(4096));
  t.false(isSmall(4097));
  const {numTensors, numDataBuffers} = tf.memory();
  tf.tidy(() => {
    for (const size of SIZES) {
      const [a, b] = [1, 2].map(seed => tf.randomNormal([size], 0, 1, 'float32', seed).add(1));
      const [left, right] = [a, b].map(x => [...x.dataSync()]);
      const loop = (f: (x: number, y: number) => number): number[] => left.map((x, i) => f(x, right[i]));
      for (const [name, found, expected] of [
        ['sum', add(a, b), loop((x, y) => x + y)], ['difference', sub(a, b), loop((x, y) => x - y)],
        ['product', mul(a, b), loop((x, y) => x * y)], ['multiple', mul(a, tf.scalar(3)), loop(x => 3 * x)],
        ['scaled', addScaled(-0.3)(a, b), loop((x, y) => x - 0.3 * y)],
        ['factor 1', addScaled(1)(a, b), loop((x, y) => x + y)],
        ['factor 1 alone', addScaled(1)(null, b), loop((_, y) => y)],
        ['scaled alone', addScaled(2)(null, b), loop((_, y) => 2 * y)]] as const) {
        t.deepEqual(found.shape, [size]);
        t.true(relativeError(found.dataSync(), expected) < 2e-7, `${name} ${size}`);
        t.false(found === b || found === a, 'a tensor of its own');
      }
      t.deepEqual([a, b].map(x => [...x.dataSync()]), [left, right], 'no argument is changed');
    }
  });
  t.is(tf.memory().numTensors, numTensors);
  t.is(tf.memory().numDataBuffers, numDataBuffers);
});

native('reshapes of small and large tensors', async t => {
  await useBackend('tensorflow');
  tf.tidy(() => {
    for (const size of [6, 4096, 4098]) {
      for (const x of [tf.randomNormal([size], 0, 1, 'float32', 1), filled(size, 2, 1), tf.range(0, size, 1, 'int32')]) {
        const found = shaped(x, [2, size / 2]);
        t.deepEqual(found.shape, [2, size / 2]);
        t.is(found.dtype, x.dtype);
        t.deepEqual([...tf.add(found, 0).dataSync()], [...x.dataSync()], 'the shape holds inside of TensorFlow, too');
        t.is(shaped(x, [size]), x);
      }
    }
  });
});

native('products of transposed matrices and sums, by kernels without flags if they are recorded', async t => {
  await useBackend('tensorflow');
  tf.tidy(() => {
    for (const [r, k, c] of [[4, 3, 5], [5, 1, 4], [70, 80, 90], [1, 1, 1]]) {
      const [a, b] = ([[r, k], [c, k]] as Array<[number, number]>).map((shape, i) => tf.randomNormal(shape, 0, 1, 'float32', i + 1) as tf.Tensor2D);
      const products = [() => multiplyTransposed(a, b), () => multiplyTransposed(a, a),
        () => transposeMultiply(tf.transpose(a), tf.transpose(b))];
      const expected = [tf.matMul(a, b, false, true), tf.matMul(a, a, false, true), tf.matMul(a, b, false, true)];
      products.forEach((product, i) => {
        t.true(relativeError(product().dataSync(), expected[i].dataSync()) < 1e-6);
        const {cost, trace} = capture(() => tf.sum(product()) as tf.Scalar);
        t.false(trace.nodes.some(({attrs}) => attrs['transposeA'] === true || attrs['transposeB'] === true));
        trace.dispose();
        cost.dispose();
      });
      const terms = [1, 2, 3, 4].map(seed => tf.randomNormal([r, k], 0, 1, 'float32', seed));
      for (const count of [1, 2, 4]) {
        const some = terms.slice(0, count);
        t.true(relativeError(sumOf(some).dataSync(), tf.addN(some).dataSync()) < 1e-6);
      }
    }
  });
});

native('a capture records the kernels of small tensors', async t => {
  await useBackend('tensorflow');
  const x = tf.randomNormal([4], 0, 1, 'float32', 1);
  const {cost, trace} = capture(() => tf.sum(addScaled(0.5)(mul(x, x), x)) as tf.Scalar);
  t.deepEqual(trace.nodes.map(({kernel}) => kernel), ['Multiply', 'Multiply', 'Add', 'Sum']);
  trace.dispose();
  tf.dispose([cost, x]);
});
