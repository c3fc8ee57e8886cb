/** Conjugate gradients on pieces of dense rows: the sample, the floor of λ, and the end of the iterations. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {conjugateProblem, type ConjugateSystem} from '../../src/systems/cg_problem';
import {curvatureOf, traceOfPieces} from '../../src/systems/cg_products';
import {approximationBySample, firstRows, type RowsOperator} from '../../src/systems/cg_sample';
import {ridgeOf} from '../../src/systems/ridge';
import {diagonalRoot} from '../../src/solve/curvature_root';
import {NORMAL_FLOAT32_FLOOR_RATIO} from '../../src/solve/normal_equations';
import {segmentedRoot} from '../../src/solve/segmented_root';
import {flat, multiply, randomMatrix, randomNumbers, randomVector, relativeDistance, solveDense, transpose, type Matrix} from '../solve/dense';

await tf.setBackend('cpu');

const M = 5;
const variable = tf.variable(tf.zeros([M]));

/** @param error of the products, in turn up and down. */
function operator(rows: Matrix, error = 0): RowsOperator {
  const j = tf.tensor2d(Float32Array.from(flat(rows)), [rows.length, M]);
  let calls = 0;
  return {
    rows: rows.length,
    gram: () => [tf.matMul(j, j, false, true)],
    apply: ([d]) => tf.tidy(() => tf.matMul(j, tf.reshape(d!, [M, 1])).flatten().mul(1 + error * (calls++ % 2 === 0 ? 1 : -1))),
    applyTranspose: u => [tf.tidy(() => tf.matMul(j, tf.reshape(u, [rows.length, 1]), true).flatten())],
  };
}

function systemOf(rows: Matrix, gradient: Float64Array, whole = operator(rows)): ConjugateSystem {
  const n = rows.length;
  const sampled = Math.min(1024, n);
  const one = (count: number) => diagonalRoot(new Float64Array(count).fill(1));
  const [variables, ridge] = [[variable], ridgeOf([0])];
  const trace = flat(rows).reduce((sum, x) => sum + x * x, 0);
  const sample = {jacobian: firstRows(operator(rows), sampled), root: one(sampled)};
  return {variables, curvature: curvatureOf(visit => visit(whole, 0), one(n), variables), ridge, gradient,
    approximation: approximationBySample(sample, {rows: n, trace, ridge, variables}), previous: null, momentum: 0, start: null};
}

const random = randomNumbers(2);
const rows = randomMatrix(1500, M, random);
const gradient = Float64Array.from(randomVector(M, random));

test('the first rows of a piece', t => {
  const whole = operator(rows);
  t.is(firstRows(whole, whole.rows), whole);
  tf.tidy(() => {
    const [part, first] = [firstRows(whole, 1020), operator(rows.slice(0, 1020))];
    const d = tf.tensor1d([1, -2, 3, 0.5, 1]);
    const u = tf.randomNormal([1020], 0, 1, 'float32', 1);
    t.true(relativeDistance(part.apply([d]).dataSync(), first.apply([d]).dataSync()) < 1e-6);
    t.true(relativeDistance(part.applyTranspose(u)[0]!.dataSync(), first.applyTranspose(u)[0]!.dataSync()) < 1e-6);
    t.true(relativeDistance(part.gram([0])[0].dataSync(), first.gram([0])[0].dataSync()) < 1e-6);
  });
});

test('the dense solve, with a sample of some rows', t => {
  const solution = conjugateProblem(systemOf(rows, gradient)).solve(10);
  const matrix = multiply(transpose(rows), rows).map((row, p) => row.map((x, o) => x + (o === p ? 10 : 0)));
  t.true(solution.ok && relativeDistance(solution.step, solveDense(matrix, [...gradient].map(g => -g))) < 1e-5);
});

test('the trace, from the blocks of the Gram matrix on its diagonal', t => {
  const components = 3;
  const random = randomNumbers(5);
  const parts = [4, 2].map(examples => randomMatrix(examples * components, M, random));
  const all = parts.flat();
  const gram = flat(multiply(all, transpose(all)));
  const n = all.length;
  const s = Float64Array.from(randomVector(n, random)).map(Math.abs);
  for (const k of [1, components]) {
    const root = k === 1 ? diagonalRoot(s) : segmentedRoot(s, [0, 9].map(first => ({first, k, entries: Float64Array.from(randomVector(k * k, random))})));
    const curved = new Float64Array(n * n);
    root.addCongruence(Float64Array.from(gram), 1, curved);
    let from = 0;
    const trace = traceOfPieces(visit => parts.forEach(rows => {
      const blocks = Array.from({length: rows.length / k}, (_, b) => {
        const own = rows.slice(b * k, (b + 1) * k);
        return multiply(own, transpose(own));
      });
      visit({rows: rows.length, diagonalBlocks: (size = components) => {
        t.is(size, k);
        return tf.tensor(blocks as never, [blocks.length, k, k]);
      }}, from);
      from += rows.length;
    }), root);
    const expected = Array.from({length: n}, (_, i) => curved[i * n + i]).reduce((sum, x) => sum + x, 0);
    t.true(Math.abs(trace / expected - 1) < 1e-6, `${trace} ${expected}`);
  }
});

test('λ has a floor also where the sample holds none of the curvature', t => {
  const late = rows.map((row, i) => i < 1024 ? row.map(() => 0) : row);
  const system = systemOf(late, gradient);
  t.true(conjugateProblem(system).limits(0).floor >= NORMAL_FLOAT32_FLOOR_RATIO * system.approximation.trace / 1500 * 0.999);
});

test('converged is what b - Mx says, not the recurrence', t => {
  t.like(conjugateProblem(systemOf(rows, gradient, operator(rows, 0.1))).solve(10), {ok: false, cause: 'unconverged'});
});
