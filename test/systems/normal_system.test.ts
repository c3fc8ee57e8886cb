/** One pass over the rows: products in float32 on the backend for rows of any dtype, and the sums beside them. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {BackendSums} from '../../src/systems/backend_sums';
import type {DenseRows, ForEachRows} from '../../src/jacobian/whole/linearization';
import {formNormalParts} from '../../src/systems/normal_system';
import {diagonalRoot} from '../../src/solve/curvature_root';
import type {CurvatureRoot} from '../../src/solve/curvature_root';
import {weightsOf} from '../../src/solve/normal_sums';
import {segmentedRoot} from '../../src/solve/segmented_root';
import {flat, randomMatrix, randomNumbers, randomVector} from '../solve/dense';
import {relativeError} from '../support/relative_error';

const [N, M] = [20, 7];
const random = randomNumbers(3);
const rows = flat(randomMatrix(N, M, random)).map(Math.fround);
const vector = (n: number): Float64Array => Float64Array.from(randomVector(n, random));
const [diagonal, q, previous] = [diagonalRoot(vector(N)), vector(N), vector(M)];
const bounds = Float64Array.from({length: N}, (_, i) => i + 1);
const weights = {root: diagonal, q, bounds};

type Make = (part: Float64Array) => Float32Array | Float64Array;

const asRows = (part: Float64Array, make: Make = x => x): DenseRows => ({
  read: () => make(part), tensor: () => tf.tensor2d(Float32Array.from(part), [part.length / M, M])});

const inTwo = (make?: Make): ForEachRows => visit =>
  [0, 1].forEach(i => visit(asRows(rows.subarray(i * N / 2 * M, (i + 1) * N / 2 * M), make), i * N / 2, N / 2));

test.serial('rows of float32 and of float64, as those with statistics of the batch are, give the same products', async t => {
  await tf.setBackend('wasm');
  const {numTensors} = tf.memory();
  const exact = formNormalParts(inTwo(), M, weights, null);
  t.false(exact.isFloat32);
  for (const make of [(part: Float64Array) => part, (part: Float64Array) => Float32Array.from(part)]) {
    const parts = formNormalParts(inTwo(make), M, weights, null, 0);
    t.true(parts.isFloat32);
    t.true(relativeError(parts.matrix, exact.matrix) < 1e-6);
    t.true(relativeError(parts.gradient, exact.gradient) < 1e-15);
  }
  t.is(tf.memory().numTensors, numTensors);
});

test.serial('what the diagonal can reach, by parameter, and J d_prev', async t => {
  await tf.setBackend('cpu');
  const {most, previousChange} = formNormalParts(inTwo(), M, weights, previous);
  const expected = Float64Array.from({length: M}, (_, j) => bounds.reduce((sum, bound, i) => sum + bound * rows[i * M + j] ** 2, 0));
  t.true(relativeError(most, expected) < 1e-15);
  const change = Float64Array.from({length: N}, (_, i) => previous.reduce((sum, x, j) => sum + x * rows[i * M + j], 0));
  t.true(relativeError(previousChange!, change) < 1e-14);
  const without = formNormalParts(inTwo(), M, {...weights, bounds: null}, null);
  t.true(without.most.every(x => x === 0));
  t.is(without.previousChange, null);
});

/** Blocks of k x k, of which the first column is zero as that of a softmax is. */
const softmaxLike = (k: number): CurvatureRoot => segmentedRoot(new Float64Array(N), Array.from({length: N / k}, (_, e) =>
  ({first: e * k, k, entries: vector(k * k).map((x, i) => i % k === 0 ? 0 : x)})));
const mixed = segmentedRoot(vector(N), [{first: 3, k: 2, entries: vector(4)}, {first: 12, k: 4, entries: vector(16)}]);

for (const [name, root] of [['diagonal', diagonal], ['blocks of rank k - 1', softmaxLike(5)], ['blocks of rank 0', softmaxLike(1)],
  ['blocks between diagonal rows', mixed]] as const) {
  test.serial(`left on the backend, the sums are the same: ${name}`, async t => {
    await tf.setBackend('wasm');
    const {numTensors} = tf.memory();
    const all = {root, q, bounds};
    const exact = formNormalParts(inTwo(), M, all, previous);
    const sums = new BackendSums(M, previous);
    const change = [0, 10].flatMap(from => [...sums.add(asRows(rows.subarray(from * M, (from + 10) * M)), weightsOf(all, from, from + 10))!]);
    const {matrix} = sums;
    t.true(relativeError(matrix, exact.matrix) <= 1e-6 * (exact.matrix.every(x => x === 0) ? 0 : 1));
    t.true(matrix.every((x, p) => x === matrix[p % M * M + Math.floor(p / M)]), 'symmetric');
    t.true(relativeError(sums.gradient, exact.gradient) < 1e-6);
    t.true(relativeError(sums.most, exact.most) < 1e-6);
    t.true(relativeError(change, exact.previousChange!) < 1e-6);
    t.is(tf.memory().numTensors, numTensors);
  });
}

test.serial('rows that are not finite are found, whatever their weight', async t => {
  await tf.setBackend('wasm');
  for (const bad of [NaN, Infinity]) {
    const broken = rows.slice();
    broken[2 * M + 3] = bad;
    const found = {...asRows(broken), read: (): Float64Array => {
      throw new Error('found');
    }};
    const {numTensors} = tf.memory();
    t.throws(() => new BackendSums(M, null).add(found, {root: diagonal, q: new Float64Array(N), bounds: null}), {message: 'found'});
    t.is(tf.memory().numTensors, numTensors);
  }
});
