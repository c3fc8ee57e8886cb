import test from 'ava';
import {sigmoidCrossEntropy, sigmoidDecrease} from '../../../src/loss/functions/sigmoid_cross_entropy';
import {outputDerivatives} from '../../reference/generalized_gauss_newton';

test('q and S² against differences', t => {
  const f = Float64Array.of(-3, -0.4, 0, 1.3, 6);
  const a = Float64Array.of(1, 2, 0.5, 1, 3);
  const y = Float64Array.of(1, 0, 0.25, 1, 1.5);
  const {q, root, curvature} = sigmoidCrossEntropy(f, a, y);
  const expected = outputDerivatives((i, [x]) => a[i] * Math.log1p(Math.exp(x)) - y[i] * x, f, 1);
  t.is(curvature, 'exact');
  f.forEach((_, i) => {
    t.true(Math.abs(q[i] - expected.q[i]) < 1e-9);
    t.true(Math.abs((root as {diagonal: Float64Array}).diagonal[i] ** 2 - expected.h[i * 6]) < 1e-6);
  });
});

test('saturated logits keep their gradient, and entries of weight zero have none', t => {
  const {q, root} = sigmoidCrossEntropy([-1000, 1000, NaN], Float64Array.of(1, 1, 0), Float64Array.of(1, 0, 0));
  t.deepEqual([...q], [-1, 1, 0]);
  t.deepEqual([...(root as {diagonal: Float64Array}).diagonal], [0, 0, 0]);
  t.is(sigmoidDecrease([-1000, 5, NaN], [0, 5, NaN], Float64Array.of(1, 1, 0), Float64Array.of(1, 0, 0)), 1000 - Math.log(2));
});

test('a negative weight: no lower bound, so a quarter of the steepest slope', t => {
  const logits = [0, 3, -50, 1];
  const a = Float64Array.of(-1, -2, -2, 1);
  const y = Float64Array.of(0, -2, -1, 0);
  const {q, root, curvature, most} = sigmoidCrossEntropy(logits, a, y);
  const h = [...(root as {diagonal: Float64Array}).diagonal].map(s => s * s);
  [1 / 4, 2 / 4, 1 / 4].forEach((x, i) => t.true(Math.abs(h[i] - x) < 1e-9 && Math.abs(most![i] - x) < 1e-9, `${i}: ${h[i]}`));
  logits.forEach((f, i) => t.true(Math.abs(q[i] - (a[i] / (1 + Math.exp(-f)) - y[i])) < 1e-12));
  // Of any such entry the step by itself is at most 4.
  q.subarray(0, 3).forEach((x, i) => t.true(Math.abs(x) / h[i] <= 4 + 1e-9));
  t.is(curvature, 'unbounded');
});
