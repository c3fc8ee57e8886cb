import test from 'ava';
import {blockCurvature, diagonalCurvature, LEAST_RESIDUAL} from '../../../src/loss/functions/curvature';

const squares = (root: {diagonal: Float64Array} | {blocks: Float64Array}): number[] => 'diagonal' in root ? [...root.diagonal].map(s => s * s) : [];

test('positive curvature stays as it is', t => {
  const {root, curvature} = diagonalCurvature(Float64Array.of(1, 4, 0), Float64Array.of(1, 1, 1), null);
  t.deepEqual(squares(root), [1, 4, 0]);
  t.is(curvature, 'exact');
});

test('negative curvature counts by its size, at least by the mean, and so does what is linear beside it; what rounding makes negative is exact', t => {
  t.is(diagonalCurvature(Float64Array.of(1, -1e-8), Float64Array.of(1, 1), null).curvature, 'exact');
  const {root, curvature} = diagonalCurvature(Float64Array.of(1, -0.5, -4, 0, 0.25, 0, 9), Float64Array.of(1, 1, 1, 1, 1, 0, 0), null);
  [1, 1.15, 4, 1.15, 0.25, 0, 9].forEach((h, i) => t.true(Math.abs(squares(root)[i] - h) < 1e-12, `${i}: ${squares(root)[i]}`));
  t.is(curvature, 'projected');
  // Where nothing is curved upwards there is no scale.
  t.deepEqual(squares(diagonalCurvature(Float64Array.of(-1, -2), Float64Array.of(1, 1), null).root), [0, 0]);
});

test('absolute error: |l\'|/max(|r|, δ), δ a share of the mean |r| of the rows that count', t => {
  const residual = Float64Array.of(2, -1, 0.03, 0, 100);
  const {root, curvature} = diagonalCurvature(new Float64Array(5), Float64Array.of(0.25, -0.25, 0.25, 0, 0), residual);
  const delta = LEAST_RESIDUAL * 3.03 / 3;
  [0.25 / 2, 0.25, 0.25 / delta, 0, 0].forEach((h, i) => t.true(Math.abs(squares(root)[i] - h) < 1e-12));
  t.is(curvature, 'majorized');
});

test('only where the second derivative has vanished', t => {
  const {root} = diagonalCurvature(Float64Array.of(1, 1e-6, -0.1), Float64Array.of(0.5, 1, 0.4), Float64Array.of(0.5, 2, 4));
  [1, 0.5, 0.1].forEach((h, i) => t.true(Math.abs(squares(root)[i] - h) < 1e-12));
});

test('without a trial, the majorizing curvature takes the place of a second derivative whose step would go beyond -r', t => {
  // r = 4: l'/r = 1/4. Half of it is the least that stays; of r = 0.01, l'/max(|r|, δ) = 1/δ.
  const [h, q, r] = [Float64Array.of(0.12, 0.13, 2, 0.1), Float64Array.of(1, 1, 0.1, 0.1), Float64Array.of(4, 4, 2, 0.01)];
  const delta = LEAST_RESIDUAL * 10.01 / 4;
  const found = diagonalCurvature(h, q, r, {rejects: false});
  [0.25, 0.13, 2, 0.1 / delta].forEach((x, i) => t.true(Math.abs(squares(found.root)[i] - x) < 1e-12));
  t.is(found.curvature, 'majorized');
  const tried = diagonalCurvature(h, q, r);
  h.forEach((x, i) => t.true(Math.abs(squares(tried.root)[i] - x) < 1e-12));
  t.is(tried.curvature, 'exact');
  // The sign of r is not known. Of a negative weight, or of a minimum on the other side, no such parabola touches l at r.
  for (const sign of [1, -1]) {
    const {root, curvature} = diagonalCurvature(Float64Array.of(0.01, 0.01, 0.01), Float64Array.of(sign, sign, -sign), Float64Array.of(2, 4, 1), {rejects: false});
    [0.5, 0.25, 0.01].forEach((x, i) => t.true(Math.abs(squares(root)[i] - x) < 1e-12));
    t.is(curvature, 'majorized');
  }
});

test('without a trial, blocks: along r, from half of the majorizing curvature on', t => {
  // r = (3, 4), l = √(1 + |r|²) without its ρ'' along r, and with 0.6 of ρ'/|r| there, which stays.
  const r = Float64Array.of(3, 4);
  const slope = 0.98;  // ρ'
  const q = r.map(x => slope * x / 5);
  const block = (along: number): Float64Array => Float64Array.of(9, 12, 12, 16).map((x, i) => (i % 3 === 0 ? slope / 5 : 0) + (along - slope / 5) * x / 25);
  for (const [along, rejects, expected] of [[0.01, false, slope / 5], [0.01, true, 0.01], [0.6 * slope / 5, false, 0.6 * slope / 5]] as const) {
    const {root, curvature} = blockCurvature(block(along), 2, q, r, {rejects});
    const {blocks} = root as {blocks: Float64Array};
    const ofRoot = [0, 1, 2, 3].map(i => blocks[i - i % 2] * blocks[2 * (i % 2)] + blocks[i - i % 2 + 1] * blocks[2 * (i % 2) + 1]);
    block(expected).forEach((x, i) => t.true(Math.abs(x - ofRoot[i]) < 1e-12, `${along}: ${String(ofRoot)}`));
    t.is(curvature, expected === along ? 'exact' : 'majorized');
  }
});

test('blocks: S Sᵀ is the block, its negative eigenvalues by their size', t => {
  // Eigenvalues 3 and -1 with eigenvectors (1, 1)/√2 and (1, -1)/√2; then 2 and 1.
  const {root, curvature} = blockCurvature(Float64Array.of(1, 2, 2, 1, 2, 0, 0, 1), 2, new Float64Array(4), null);
  const {blocks} = root as {blocks: Float64Array};
  const product = (first: number): number[] => [0, 1, 2, 3].map(i => {
    const [r, c] = [first + 2 * Math.floor(i / 2), first + 2 * (i % 2)];
    return blocks[r] * blocks[c] + blocks[r + 1] * blocks[c + 1];
  });
  product(0).forEach((x, i) => t.true(Math.abs(x - [2, 1, 1, 2][i]) < 1e-12));
  product(4).forEach((x, i) => t.true(Math.abs(x - [2, 0, 0, 1][i]) < 1e-12));
  t.is(curvature, 'projected');
  t.is(blockCurvature(Float64Array.of(2, 1, 1, 2), 2, new Float64Array(2), null).curvature, 'exact');
  t.true((blockCurvature(Float64Array.of(-2, 1, 1, -2), 2, new Float64Array(2), null).root as {blocks: Float64Array}).blocks.every(x => x === 0));
});

test('where a loss is not convex in logits, the curvature is at least what bounds their change: |q| / reach', t => {
  const {root} = diagonalCurvature(Float64Array.of(4, -1e-3, 1e-3), Float64Array.of(1, 80, 0.8), null, {reach: 8});
  [4, 10, 0.1].forEach((h, i) => t.true(Math.abs(squares(root)[i] - h) < 1e-12));
  t.deepEqual(squares(diagonalCurvature(Float64Array.of(4, 0), Float64Array.of(1, 80), null, {reach: 8}).root), [4, 0]);
  // Eigenvectors (1, 0) and (0, 1): 3 stays, -1e-3 becomes 16 / 8.
  const {blocks} = blockCurvature(Float64Array.of(3, 0, 0, -1e-3), 2, Float64Array.of(1, 16), null, {reach: 8}).root as {blocks: Float64Array};
  t.true(Math.abs(blocks[0] ** 2 + blocks[1] ** 2 - 3) < 1e-12 && Math.abs(blocks[2] ** 2 + blocks[3] ** 2 - 2) < 1e-12);
});
