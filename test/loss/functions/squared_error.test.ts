import test from 'ava';
import {squaredError} from '../../../src/loss/functions/squared_error';

test('q, z and S', t => {
  // L = Σ w r²:  q = 2 w r,  S = diag(sqrt(2 w)),  z = sqrt(2 w) r.
  const {q, z, root} = squaredError(Float64Array.of(1, -2, 3, -1), Float64Array.of(0.5, 0, 0.125, 2));
  t.deepEqual(q, Float64Array.of(1, -0, 0.75, -4));
  t.deepEqual(z, Float64Array.of(1, -0, 1.5, -2));
  t.deepEqual(root.apply(Float64Array.of(1, 1, 1, 1)), Float64Array.of(1, 0, 0.5, 2));
});

test('a mean over n rows has S = sqrt(2/n) I, so λ n/2 is the α of the paper', t => {
  const n = 8;
  const {root} = squaredError(new Float64Array(n), new Float64Array(n).fill(1 / n));
  const curvature = new Float64Array(n * n);
  const identity = Float64Array.from({length: n * n}, (_, i) => i % (n + 1) === 0 ? 1 : 0);
  root.addCongruence(identity, 1, curvature);  // SᵀIS = (2/n) I, exactly: n is a power of two, and so is 2/n
  t.deepEqual(curvature, identity.map(x => x / 4));
});

test('q is the derivative of the loss, S Sᵀ the second one, q = S z', t => {
  const r = Float64Array.of(0.7, -1.3, 0.2, 0, 2.5);
  const w = Float64Array.of(0.1, 0.3, 1.7, 0.4, 0.02);
  const loss = (x: Float64Array): number => x.reduce((sum, xi, i) => sum + w[i] * xi ** 2, 0);
  const {q, z, root} = squaredError(r, w);
  const sz = root.apply(z);
  const h = 1e-3;
  for (let i = 0; i < r.length; i++) {
    const at = (step: number): number => loss(r.map((x, j) => i === j ? x + step : x));
    // Both differences are exact for a quadratic, up to rounding: 2⁻⁵³ · L / h² = 3e-10.
    t.true(Math.abs((at(h) - at(-h)) / (2 * h) - q[i]) < 1e-9);
    const unit = new Float64Array(r.length);
    unit[i] = 1;
    t.true(Math.abs((at(h) - 2 * at(0) + at(-h)) / h ** 2 - root.apply(root.applyTranspose(unit))[i]) < 1e-8);
    t.true(Math.abs(sz[i] - q[i]) <= 2 ** -52 * Math.abs(q[i]));
  }
});

test('the arguments are not changed', t => {
  const r = Float64Array.of(1, 2);
  const w = Float64Array.of(3, 4);
  squaredError(r, w);
  t.deepEqual([...r, ...w], [1, 2, 3, 4]);
});
