import test from 'ava';
import {directionsOfPrior, logDeterminant} from '../../src/solve/relative_evidence';
import {flat, multiply, randomMatrix, randomNumbers, transpose} from './dense';
import {inverse, logDeterminant as reference} from '../support/dense_algebra';

for (const [n, m] of [[9, 4], [4, 9], [12, 12], [1, 3]]) {
  test(`${n} rows, ${m} parameters: rows and parameters give the same numbers, those of dense algebra`, t => {
    const j = randomMatrix(n, m, randomNumbers(n + 100 * m));
    const [ofRows, ofParameters] = [multiply(j, transpose(j)), multiply(transpose(j), j)];
    for (const lambda of [1e-3, 1, 1e6]) {
      const shifted = ofRows.map((row, i) => row.map((x, k) => x / lambda + (i === k ? 1 : 0)));
      const trace = inverse(shifted).reduce((sum, row, i) => sum + row[i], 0);
      for (const relative of [{matrix: flat(ofRows), size: n, isFloat32: true}, {matrix: flat(ofParameters), size: m, isFloat32: false}]) {
        const left = directionsOfPrior(relative, n, lambda)!;
        t.true(Math.abs(left.value - trace) < 1e-9 * n, `${left.value}, ${trace}`);
        t.is(left.lambda, lambda);
        const determinant = logDeterminant(relative, lambda)!.value;
        t.true(Math.abs(determinant - reference(shifted)) < 1e-9 * (1 + Math.abs(determinant)), String(determinant));
      }
    }
  });
}

test('a prior that rounding hides beside the curvature is raised: to a trace of 2²² or 2⁴⁴', t => {
  const relative = {matrix: Float64Array.of(3, 0, 0, 1), size: 2, isFloat32: true};
  t.is(directionsOfPrior(relative, 2, 1e-30)!.lambda, 2 ** -20);
  t.is(logDeterminant(relative, 1e-30)!.lambda, 2 ** -20);
  t.is(logDeterminant({...relative, isFloat32: false}, 1e-30)!.lambda, 2 ** -42);
});

test('not positive definite: raised further, and null for numbers that are not finite', t => {
  const wrong = {matrix: Float64Array.of(4, 0, 0, -3), size: 2, isFloat32: true};
  t.is(directionsOfPrior(wrong, 2, 1)!.lambda, 16);
  for (const x of [NaN, Infinity]) {
    t.is(directionsOfPrior({matrix: Float64Array.of(x, 0, 0, 1), size: 2, isFloat32: true}, 2, 1), null);
  }
});
