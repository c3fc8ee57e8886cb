import test from 'ava';
import {conjugateGradient} from '../../src/solve/conjugate_gradient';
import {multiply, multiplyVector, randomMatrix, randomNumbers, randomVector, relativeDistance, solveDense, transpose} from './dense';

const random = randomNumbers(7);
const rows = randomMatrix(30, 12, random);
const matrix = multiply(transpose(rows), rows).map((row, i) => row.map((x, j) => x + (i === j ? 0.1 : 0)));
const product = (x: Float64Array): Float64Array => Float64Array.from(multiplyVector(matrix, [...x]));
const right = Float64Array.from(randomVector(12, random));
const none = (x: Float64Array): Float64Array => x.slice();
const jacobi = (x: Float64Array): Float64Array => x.map((v, i) => v / matrix[i][i]);
const exact = (x: Float64Array): Float64Array => Float64Array.from(solveDense(matrix, [...x]));

test('solves a positive definite system, with any preconditioner', t => {
  const expected = solveDense(matrix, [...right]);
  for (const precondition of [none, jacobi, exact]) {
    const {x, converged, residual} = conjugateGradient({product, right, precondition, tolerance: 1e-12});
    t.true(converged && residual <= 1e-12);
    t.true(relativeDistance(x, expected) < 1e-9);
  }
});

test('the inverse as the preconditioner: one product', t => {
  t.is(conjugateGradient({product, right, precondition: exact, tolerance: 1e-9}).iterations, 1);
});

test('a start that is right but for its length: one product', t => {
  const start = Float64Array.from(solveDense(matrix, [...right]), x => 5 * x);
  const {x, iterations, converged} = conjugateGradient({product, right, precondition: none, start, tolerance: 1e-9});
  t.true(converged);
  t.is(iterations, 1);
  t.true(relativeDistance(x, start.map(v => v / 5)) < 1e-9);
});

test('a start that leads nowhere is as good as none', t => {
  for (const start of [new Float64Array(12), Float64Array.from(randomVector(12, random), v => 1e6 * v)]) {
    t.true(conjugateGradient({product, right, precondition: none, start, tolerance: 1e-9}).converged);
  }
});

test('a bounded number of products, and it says so', t => {
  const {iterations, converged, residual} = conjugateGradient({product, right, precondition: none, tolerance: 1e-12, maxIterations: 3});
  t.is(iterations, 3);
  t.false(converged);
  t.true(residual > 1e-12);
});

test('zero right side, indefinite matrix, numbers that are not finite', t => {
  t.deepEqual(conjugateGradient({product, right: new Float64Array(12), precondition: none}), {x: new Float64Array(12), residual: 0, iterations: 0, converged: true});
  const indefinite = conjugateGradient({product: x => x.map(v => -v), right, precondition: none});
  t.false(indefinite.converged);
  t.true(indefinite.x.every(Number.isFinite));
  for (const bad of [NaN, Infinity]) {
    t.false(conjugateGradient({product: x => x.map(() => bad), right, precondition: none}).converged);
    t.false(conjugateGradient({product, right: right.map(() => bad), precondition: none}).converged);
  }
});
