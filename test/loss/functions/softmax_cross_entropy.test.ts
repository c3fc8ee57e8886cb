import test from 'ava';
import {softmaxCrossEntropy, softmaxDecrease} from '../../../src/loss/functions/softmax_cross_entropy';
import {outputDerivatives} from '../../reference/generalized_gauss_newton';

const wave = (length: number, frequency: number): Float64Array => Float64Array.from({length}, (_, i) => 2 * Math.sin(frequency * (i + 1)));

/** S Sᵀ of the block of one example. */
function curvatureOf(blocks: Float64Array, first: number, k: number): number[] {
  return Array.from({length: k * k}, (_, i) => {
    let sum = 0;
    for (let c = 0; c < k; c++) {
      sum += blocks[(first + Math.floor(i / k)) * k + c] * blocks[(first + i % k) * k + c];
    }
    return sum;
  });
}

for (const k of [1, 2, 10]) {
  test(`q and S Sᵀ against differences, ${k} classes, targets that do not sum to one`, t => {
    const f = wave(3 * k, 1.7);
    const y = wave(3 * k, 0.9).map(Math.abs);
    const {q, root, curvature} = softmaxCrossEntropy(f, y, k);
    const expected = outputDerivatives((b, fb) => {
      const yb = y.subarray(b * k, (b + 1) * k);
      return yb.reduce((s, x) => s + x, 0) * Math.log(fb.reduce((sum, x) => sum + Math.exp(x), 0)) - fb.reduce((sum, x, i) => sum + x * yb[i], 0);
    }, f, k);
    t.is(curvature, 'exact');
    t.true(q.every((x, i) => Math.abs(x - expected.q[i]) < 1e-9));
    for (let b = 0; b < 3; b++) {
      curvatureOf((root as {blocks: Float64Array}).blocks, b * k, k).forEach((h, i) =>
        t.true(Math.abs(h - expected.h[(b * k + Math.floor(i / k)) * 3 * k + b * k + i % k]) < 1e-6));
    }
  });
}

test('saturated on the wrong side: the whole gradient, where tfjs clips it away, and finite roots', t => {
  const {q, root} = softmaxCrossEntropy([-40, 0], Float64Array.of(1, 0), 2);
  t.true(Math.abs(q[0] + 1) < 1e-15 && Math.abs(q[1] - 1) < 1e-15);
  t.true((root as {blocks: Float64Array}).blocks.every(Number.isFinite));
  const far = softmaxCrossEntropy([-2000, 2000], Float64Array.of(1, 0), 2);
  t.deepEqual([...far.q], [-1, 1]);
  t.true((far.root as {blocks: Float64Array}).blocks.every(Number.isFinite));
  t.is(softmaxDecrease([-2000, 2000], [0, 0], Float64Array.of(1, 0), 2), 4000 - Math.log(2));
});

test('an example of weight zero has neither gradient nor curvature, whatever its logits are', t => {
  const {q, root, curvature} = softmaxCrossEntropy([NaN, Infinity, 1, 2], Float64Array.of(0, 0, 1, 0), 2);
  t.deepEqual([q[0], q[1], ...(root as {blocks: Float64Array}).blocks.subarray(0, 4)], [0, 0, 0, 0, 0, 0]);
  t.is(curvature, 'exact');
  t.true(Math.abs(softmaxDecrease([NaN, NaN, 0, 0], [NaN, NaN, 1, 0], Float64Array.of(0, 0, 1, 0), 2) - (Math.log(2) - Math.log1p(Math.exp(-1)))) < 1e-15);
});

test('without a lower bound, by a negative weight: exact gradient, a quarter of the size of the targets as curvature', t => {
  for (const [target, q] of [[[-2, 0], [1, -1]], [[1, -1], [-1, 1]]]) {
    const size = Math.abs(target[0]) + Math.abs(target[1]);
    const found = softmaxCrossEntropy([0, 0, 0, 0], Float64Array.of(...target, 1, 0), 2);
    t.deepEqual([...found.q], [...q, -0.5, 0.5]);
    const {blocks} = found.root as {blocks: Float64Array};
    [Math.sqrt(size / 4), 0, 0, Math.sqrt(size / 4)].forEach((x, i) => t.true(Math.abs(blocks[i] - x) < 1e-12));
    t.deepEqual([...found.most!.subarray(0, 2)], [size / 4, size / 4]);
    t.is(found.curvature, 'unbounded');
    // The other example keeps its own: p - pp' with p = 1/2.
    t.true(Math.abs(blocks[5] ** 2 + blocks[4] ** 2 - 0.25) < 1e-12);
  }
});
