/** One pass over the rows: products in float32 on the backend, whatever the rows are of, and the bounds of the diagonal. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {formNormalParts, type ForEachRows} from '../src/normal_parts';
import {diagonalRoot} from '../src/solve/curvature_root';
import {flat, randomMatrix, randomNumbers, randomVector} from './solve/dense';
import {relativeError} from './support/relative_error';

const [N, M] = [20, 7];
const random = randomNumbers(3);
const rows = flat(randomMatrix(N, M, random)).map(Math.fround);
const [root, q] = [diagonalRoot(Float64Array.from(randomVector(N, random))), Float64Array.from(randomVector(N, random))];
const inTwo = (make: (part: Float64Array) => Float32Array | Float64Array): ForEachRows => visit =>
  [0, 1].forEach(i => visit(make(rows.subarray(i * N / 2 * M, (i + 1) * N / 2 * M)), i * N / 2, N / 2));

test.serial('rows of float32 and of float64, as those with statistics of the batch are, give the same products', async t => {
  await tf.setBackend('wasm');
  const {numTensors} = tf.memory();
  const exact = formNormalParts(inTwo(part => part), N, M, root, q, null, null);
  t.false(exact.isFloat32);
  for (const make of [(part: Float64Array) => part, (part: Float64Array) => Float32Array.from(part)]) {
    const parts = formNormalParts(inTwo(make), N, M, root, q, null, null, 0);
    t.true(parts.isFloat32);
    t.true(relativeError(parts.matrix, exact.matrix) < 1e-6);
    t.true(relativeError(parts.gradient, exact.gradient) < 1e-15);
  }
  t.is(tf.memory().numTensors, numTensors);
});

test.serial('what the diagonal can reach, by parameter', async t => {
  await tf.setBackend('cpu');
  const bounds = Float64Array.from({length: N}, (_, i) => i + 1);
  const {most} = formNormalParts(inTwo(part => part), N, M, root, q, null, bounds);
  const expected = Float64Array.from({length: M}, (_, j) => bounds.reduce((sum, bound, i) => sum + bound * rows[i * M + j] ** 2, 0));
  t.true(relativeError(most, expected) < 1e-15);
  t.true(formNormalParts(inTwo(part => part), N, M, root, q, null, null).most.every(x => x === 0));
});
