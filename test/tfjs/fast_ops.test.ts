/** The ops of the inner loop against tfjs's own, on cpu also where kernels must run: under a tape or a capture. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {capture} from '../../src/trace/capture';
import {add, addScaled, matMul, mul, multiplyTransposed, shaped, sub, sumRows, transposed,
  transposeMultiply} from '../../src/tfjs/fast_ops';
import {relativeError} from '../support/relative_error';
import {noise} from '../support/tensors';

type Op = (a: tf.Tensor, b: tf.Tensor) => tf.Tensor;

/** Name, ours, tfjs's, shapes of the operands. */
const OPS: Array<[string, Op, Op, number[][]]> = [
  ...([['add', add, tf.add], ['sub', sub, tf.sub], ['mul', mul, tf.mul]] as Array<[string, Op, Op]>).flatMap(([name, ours, theirs]) =>
    [[[4, 3], [4, 3]], [[4, 3], [3]], [[4, 3], []], [[], [4, 3]], [[4, 3], [4, 1]], [[4, 1], [1, 3]], [[2, 4, 3], [4, 1]], [[2, 3, 2], [2, 3, 2]], [[], []],
      [[5], [5]], [[0, 3], [0, 3]]].map((shapes): [string, Op, Op, number[][]] => [name, ours, theirs, shapes])),
  ['sumRows', a => sumRows(a), a => tf.sum(a, 1), [[4, 3]]],
  ['sumRows, kept', a => sumRows(a, true), a => tf.sum(a, 1, true), [[4, 3]]],
  ['transposed', a => transposed(a), a => tf.transpose(a), [[4, 3]]],
  ['shaped', a => shaped(a, [2, 6]), a => tf.reshape(a, [2, 6]), [[4, 3]]],
  ['matMul', matMul, tf.matMul, [[4, 3], [3, 5]]],
  ['matMul, one column', matMul, tf.matMul, [[4, 3], [3, 1]]],
  ['multiplyTransposed', multiplyTransposed, (a, b) => tf.matMul(a, b, false, true), [[4, 3], [5, 3]]],
  ['multiplyTransposed, wide', multiplyTransposed, (a, b) => tf.matMul(a, b, false, true), [[6, 3], [5, 3]]],
  ['transposeMultiply', transposeMultiply, (a, b) => tf.matMul(a, b, true), [[4, 3], [4, 5]]],
];

for (const backend of ['cpu', 'wasm']) {
  for (const [name, ours, theirs, shapes] of OPS) {
    test.serial(`${backend}: ${name} ${shapes.map(shape => `[${shape.join()}]`).join(' ')}`, async t => {
      await tf.setBackend(backend);
      tf.tidy(() => {
        const operands = shapes.map((shape, i) => noise(shape, i + 1)) as [tf.Tensor, tf.Tensor];
        const mine = ours(...operands);
        const expected = theirs(...operands);
        t.deepEqual(mine.shape, expected.shape);
        t.true(mine.size === 0 || relativeError(mine.dataSync(), expected.dataSync()) < 1e-6);
        if (mine.size === 0) {
          return;
        }
        // A derivative of the result sees the kernel of the op.
        const dy = noise(expected.shape, 3);
        const gradients = tf.grads(ours)(operands, dy);
        tf.grads(theirs)(operands, dy).forEach((gradient, i) => t.true(relativeError(gradients[i].dataSync(), gradient.dataSync()) < 1e-6));
        const {trace} = capture(() => tf.sum(ours(...operands)) as tf.Scalar);
        t.not(trace.producer[trace.result], -1);
        t.true(trace.nodes.length > 1 && operands.every(operand => trace.nodes.some(node => node.inputs.some(([, value]) => trace.values[value].dataId === operand.dataId))));
        trace.dispose();
      });
    });
  }
}

test.serial('matMul: one matrix in two shapes, which WASM confuses', async t => {
  for (const backend of ['cpu', 'wasm']) {
    await tf.setBackend(backend);
    const d = tf.range(0, 16);
    const {numTensors} = tf.memory();
    tf.tidy(() => {
      for (let i = 0; i < 2; i++) {
        t.deepEqual([...matMul(tf.ones([1, 16]), shaped(d, [16, 1])).dataSync()], [120]);
        t.deepEqual([...matMul(tf.ones([1, 4]), shaped(d, [4, 4])).dataSync()], [24, 28, 32, 36]);
        t.deepEqual([...matMul(tf.ones([1, 2]), shaped(d, [2, 8])).dataSync()], [8, 10, 12, 14, 16, 18, 20, 22]);
      }
    });
    t.is(tf.memory().numTensors, numTensors);
    d.dispose();
  }
});

test.serial('the defect is still there: without it, matMul needs no copies', async t => {
  await tf.setBackend('wasm');
  tf.tidy(() => {
    const d = tf.range(0, 16);
    tf.matMul(tf.ones([1, 16]), d.reshape([16, 1]));
    t.notDeepEqual([...tf.matMul(tf.ones([1, 4]), d.reshape([4, 4])).dataSync()], [24, 28, 32, 36]);
  });
});

for (const backend of ['cpu', 'wasm']) {
  test.serial(`${backend}: addScaled`, async t => {
    await tf.setBackend(backend);
    tf.tidy(() => {
      const [a, b] = [tf.randomNormal([3, 4], 0, 1, 'float32', 1), tf.randomNormal([3, 4], 0, 1, 'float32', 2)];
      const kept = [...a.dataSync()];
      const sum = addScaled(0.3)(a, b);
      t.deepEqual(sum.shape, [3, 4]);
      t.true(relativeError(sum.dataSync(), a.add(b.mul(0.3)).dataSync()) < 2e-7);
      t.true(relativeError(addScaled(-2)(null, b).dataSync(), b.mul(-2).dataSync()) < 2e-7);
      t.deepEqual([...a.dataSync()], kept, 'neither argument is changed');
    });
  });
}
