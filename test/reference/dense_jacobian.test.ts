import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {denseGram, denseJacobian, finiteDifferenceColumn, referenceStep, solveByElimination, type ReferenceStepInput} from './dense_jacobian';

test.before(async () => {
  await tf.setBackend('cpu');
});

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i])));
}

/** An input with the parts that a test leaves out set to nothing. */
function stepInput(parts: Partial<Omit<ReferenceStepInput, 'jacobian' | 'residual' | 'weights'>> &
    {jacobian: number[]; n: number; m: number; residual: number[]; weights: number[]}): ReferenceStepInput {
  return {
    damping: 0.5, momentum: 0, previous: null, ridge: null, extraGradient: null, ...parts,
    jacobian: Float64Array.from(parts.jacobian), residual: Float64Array.from(parts.residual), weights: Float64Array.from(parts.weights)
  };
}

test.serial('the Jacobian of a linear model is its inputs', t => {
  const x = tf.tensor2d([[1, 2, 3], [4, 5, 6]]);
  const kernel = tf.variable(tf.tensor2d([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]));
  const bias = tf.variable(tf.tensor1d([0.7, 0.8]));
  const {jacobian, rows, n, m} = denseJacobian(() => x.matMul(kernel).add(bias), [kernel, bias]);
  t.deepEqual([n, m], [4, 8]);
  t.true(largestDifference(rows, [2.9, 3.6, 5.6, 7.2]) < 1e-6);
  t.deepEqual([...jacobian], [
    // kernel, then bias; rows (example, component)
    1, 0, 2, 0, 3, 0, 1, 0,
    0, 1, 0, 2, 0, 3, 0, 1,
    4, 0, 5, 0, 6, 0, 1, 0,
    0, 4, 0, 5, 0, 6, 0, 1
  ]);
  const reversed = denseJacobian(() => x.matMul(kernel).add(bias), [bias, kernel]);
  t.deepEqual([...reversed.jacobian.subarray(0, 8)], [1, 0, 1, 0, 2, 0, 3, 0]);
  tf.dispose([x, kernel, bias]);
});

test.serial('the Jacobian of a small tanh net agrees with finite differences', t => {
  const x = tf.tensor2d([[0.5, -1], [0.3, 0.8], [-0.7, 0.2]]);
  const variables = [
    tf.variable(tf.tensor2d([[0.4, -0.6, 0.9], [0.2, 0.7, -0.5]])), tf.variable(tf.tensor1d([0.1, -0.2, 0.3])),
    tf.variable(tf.tensor2d([[0.8, 0.5], [-0.3, 0.6], [0.4, -0.9]]))
  ];
  const [first, bias, second] = variables;
  const rows = () => x.matMul(first).add(bias).tanh().matMul(second);
  const tensors = tf.memory().numTensors;
  const {jacobian, n, m} = denseJacobian(rows, variables);
  t.deepEqual([n, m], [6, 15]);
  let column = 0;
  for (const variable of variables) {
    const before = variable.dataSync().slice();
    for (let index = 0; index < variable.size; index++, column++) {
      const difference = finiteDifferenceColumn(rows, variable, index, 1e-2);
      const exact = Array.from({length: n}, (_, r) => jacobian[r * m + column]);
      t.true(largestDifference(difference, exact) < 1e-4, `column ${column}`);
    }
    t.deepEqual(variable.dataSync(), before);
  }
  t.is(tf.memory().numTensors, tensors);
  tf.dispose([x, ...variables]);
});

test.serial('a variable that a row does not depend on has zeros there', t => {
  const a = tf.variable(tf.tensor1d([2, 3]));
  const b = tf.variable(tf.scalar(5));
  const unused = tf.variable(tf.tensor1d([1, 1]));
  const tensors = tf.memory().numTensors;
  const partly = denseJacobian(() => tf.stack([a.square().sum(), b.square(), tf.scalar(1)]), [a, unused, b]);
  t.deepEqual([...partly.jacobian], [4, 6, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0]);
  t.deepEqual([...denseJacobian(() => b.mul(2).reshape([1]), [a]).jacobian], [0, 0]);
  t.is(tf.memory().numTensors, tensors);
  tf.dispose([a, b, unused]);
});

test.serial('an error of rows() itself is passed on', t => {
  const a = tf.variable(tf.scalar(1));
  t.throws(() => denseJacobian(() => {
    throw new Error('of the model');
  }, [a]), {message: 'of the model'});
  a.dispose();
});

test('denseGram is J times its transpose', t => {
  t.deepEqual([...denseGram(Float64Array.from([1, 2, 3, 4, 5, 6]), 2, 3)], [14, 32, 32, 77]);
});

test('solveByElimination exchanges rows, and says when there is no solution', t => {
  t.deepEqual([...solveByElimination(Float64Array.from([0, 2, 1, 1]), Float64Array.from([4, 5]))], [3, 2]);
  t.throws(() => solveByElimination(Float64Array.from([1, 2, 2, 4]), Float64Array.from([1, 1])), {message: /singular/});
});

test('the step of one row and one parameter', t => {
  // The loss is 0.25 r², so 2w = 0.5; J = 2: curvature 2, trace 2, λ = 0.5 · 2 = 1; g = 0.5 · 2 · 3 = 3; d = -3 / (2 + 1).
  const one = {jacobian: [2], n: 1, m: 1, residual: [3], weights: [0.25]};
  t.deepEqual(referenceStep(stepInput(one)), {step: Float64Array.of(-1), lambda: 1, gradientNorm: 3});
  // Momentum adds λ μ d_prev = 0.9 · 2 on the right, a ridge of 0.5 adds 1 on the left, e = 0.2 to the gradient: d = (1.8 - 3.2) / 4.
  const all = referenceStep(stepInput({...one, momentum: 0.9, previous: Float64Array.of(2), ridge: Float64Array.of(0.5), extraGradient: Float64Array.of(0.2)}));
  t.true(Math.abs(all.step[0] + 0.35) < 1e-15);
  t.is(all.lambda, 1);
  t.is(all.gradientNorm, 3.2);
});

test('the step of two parameters', t => {
  // Independent rows: JᵀHJ = diag(1, 4), trace 5 over two, λ = 0.4 · 2.5 = 1, g = (3, 2).
  const independent = {jacobian: [1, 0, 0, 2], n: 2, m: 2, residual: [3, 1], weights: [0.5, 0.5], damping: 0.4};
  const step = referenceStep(stepInput(independent));
  t.is(step.lambda, 1);
  t.true(largestDifference(step.step, [-1.5, -0.4]) < 1e-15);
  t.true(Math.abs(step.gradientNorm - Math.sqrt(13)) < 1e-15);

  // One row (1, 1): [2 1; 1 2] d = λ μ d_prev - (4, 4), λ = 0.5 · 2 / min(1, 2) = 1.
  const row = {jacobian: [1, 1], n: 1, m: 2, residual: [4], weights: [0.5]};
  t.true(largestDifference(referenceStep(stepInput(row)).step, [-4 / 3, -4 / 3]) < 1e-15);
  const moving = stepInput({...row, momentum: 0.5, previous: Float64Array.of(2, -2)});
  t.true(largestDifference(referenceStep(moving).step, [-1 / 3, -7 / 3]) < 1e-15);
  const regularized = stepInput({...row, ridge: Float64Array.of(0.5, 0.5), extraGradient: Float64Array.of(1, 0)});
  t.true(largestDifference(referenceStep(regularized).step, [-11 / 8, -7 / 8]) < 1e-15);
});

test('a row of weight zero changes nothing', t => {
  const base = stepInput({jacobian: [1, 2, 3, -1], n: 2, m: 2, residual: [0.3, -0.4], weights: [0.2, 0.1]});
  const more = stepInput({jacobian: [1, 2, 100, 100, 3, -1], n: 3, m: 2, residual: [0.3, 100, -0.4], weights: [0.2, 0, 0.1]});
  t.deepEqual(referenceStep(more), referenceStep(base));
});

test('the step minimises what it says it does', t => {
  const [n, m, momentum] = [4, 3, 0.7];
  const wave = (length: number, frequency: number) => Float64Array.from({length}, (_, i) => Math.sin(frequency * (i + 1)));
  const input: ReferenceStepInput = {
    jacobian: wave(n * m, 2.3), n, m, residual: wave(n, 1.7), weights: wave(n, 0.3), damping: 0.1, momentum, previous: wave(m, 3.1),
    ridge: Float64Array.of(0.02, 0, 0.05), extraGradient: wave(m, 0.9)
  };
  const {step, lambda} = referenceStep(input);
  const objective = (d: Float64Array): number => {
    let value = 0;
    for (let r = 0; r < n; r++) {
      const linear = d.reduce((sum, dj, j) => sum + input.jacobian[r * m + j] * dj, 0);
      value += input.weights[r] * (linear + input.residual[r]) ** 2;
    }
    return d.reduce((sum, dj, j) => sum + input.extraGradient![j] * dj + input.ridge![j] * dj ** 2
      + lambda / 2 * (dj - momentum * input.previous![j]) ** 2, value);
  };
  for (let j = 0; j < m; j++) {
    const moved = (by: number) => objective(step.map((value, i) => i === j ? value + by : value));
    t.true(Math.abs(moved(1e-3) - moved(-1e-3)) < 1e-14);
    t.true(moved(1e-3) > objective(step));
  }
});
