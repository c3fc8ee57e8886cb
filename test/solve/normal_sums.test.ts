import test from 'ava';
import {diagonalRoot} from '../../src/solve/curvature_root';
import {NORMAL_FLOAT32_FLOOR_RATIO, normalProblem} from '../../src/solve/normal_equations';
import {NormalSums, weightsOf, type GramProducts} from '../../src/solve/normal_sums';
import {flat, multiply, multiplyVector, norm, randomMatrix, randomNumbers, randomVector, relativeDistance, solveDense, transpose} from './dense';
import {blockRoot} from './problem';

const [N, M, K] = [24, 7, 2];
const random = randomNumbers(5);
const jacobian = randomMatrix(N, M, random).map(row => row.map(Math.fround));
const blocks = Float64Array.from(randomVector(N * K, random));
const root = blockRoot(blocks, K);
const q = Float64Array.from(randomVector(N, random));

function sums(cuts: readonly number[], products?: GramProducts): NormalSums {
  const result = new NormalSums(M, products);
  cuts.slice(1).forEach((to, i) => {
    const from = cuts[i];
    result.add(flat(jacobian.slice(from, to)), weightsOf({root, q, bounds: null}, from, to));
  });
  return result;
}

test('JᵀHJ and Jᵀq, whatever the chunks', t => {
  const s = Array.from({length: N}, (_, i) => Array.from({length: N}, (_, j) => Math.floor(i / K) === Math.floor(j / K) ? blocks[i * K + j % K] : 0));
  const rows = multiply(transpose(s), jacobian);
  for (const cuts of [[0, N], [0, 2, N], [0, 8, 16, 20, N]]) {
    const {matrix, gradient} = sums(cuts);
    t.true(relativeDistance(matrix, flat(multiply(transpose(rows), rows))) < 1e-14);
    t.true(relativeDistance(gradient, multiplyVector(transpose(jacobian), [...q])) < 1e-14);
    t.true(matrix.every((x, p) => x === matrix[p % M * M + Math.floor(p / M)]), 'symmetric to the last bit');
  }
});

test('Jᵀq', t => {
  const two = new NormalSums(3);
  two.add(Float64Array.of(1, 2, 3, 4, 5, 6), {root: diagonalRoot(Float64Array.of(1, 1)), q: Float64Array.of(10, -1), bounds: null});
  t.deepEqual(two.gradient, Float64Array.of(6, 15, 24));
});

test('J d_prev and what the bounds of the curvature allow, chunk by chunk', t => {
  const [previous, bounds] = [Float64Array.from(randomVector(M, random)), Float64Array.from({length: N}, (_, i) => i + 1)];
  const result = new NormalSums(M, undefined, previous);
  const change = [[0, 8], [8, N]].flatMap(([from, to]) => [...result.add(flat(jacobian.slice(from, to)), weightsOf({root, q, bounds}, from, to))!]);
  t.true(relativeDistance(change, multiplyVector(jacobian, [...previous])) < 1e-14);
  const most = Array.from({length: M}, (_, j) => jacobian.reduce((sum, row, i) => sum + bounds[i] * row[j] ** 2, 0));
  t.true(relativeDistance(result.most, most) < 1e-14);
  t.true(sums([0, N]).most.every(x => x === 0));
});

/** Products rounded to float32, as a backend gives them. */
const inFloat32: GramProducts = (rows, n, m) => {
  const x = Array.from({length: n}, (_, i) => [...rows.subarray(i * m, (i + 1) * m)].map(Math.fround));
  return Float32Array.from(multiply(transpose(x), x).flat());
};

test('with products in float32, a step at the floor of λ is good to a sixteenth, and one in a hundred times more to 1e-3', t => {
  const gradient = Float64Array.from(randomVector(M, randomNumbers(9)));
  // Two columns that are nearly one: the direction that float32 loses.
  jacobian.forEach(row => row[1] = Math.fround(row[0] * (1 + 1e-7)));
  const [exact, rounded] = [sums([0, 8, N]), sums([0, 8, N], inFloat32)];
  const problem = normalProblem({m: M, matrix: rounded.matrix, gradient, rho: new Float64Array(M), previous: null, momentum: 0, isFloat32: true});
  const {floor} = problem.limits(0);
  const largest = Math.max(...Array.from({length: M}, (_, j) => exact.matrix.subarray(j * M, (j + 1) * M).reduce((sum, x) => sum + Math.abs(x), 0)));
  t.true(floor <= NORMAL_FLOAT32_FLOOR_RATIO * largest * (1 + 1e-6) && floor > 0);
  for (const [factor, allowed] of [[1, 1 / 16], [100, 1e-3]]) {
    const lambda = factor * floor;
    const solution = problem.solve(lambda);
    const matrix = Array.from({length: M}, (_, i) => Array.from({length: M}, (_, j) => exact.matrix[i * M + j] + (i === j ? lambda : 0)));
    const expected = solveDense(matrix, [...gradient].map(g => -g));
    t.true(solution.ok && relativeDistance(solution.step, expected) < allowed);
    t.true(solution.ok && solution.step.reduce((sum, x, j) => sum + x * gradient[j], 0) < 0, 'downhill');
    t.true(norm(expected) > 0);
  }
});
