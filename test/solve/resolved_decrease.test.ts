/** The decrease that a model promises against dense algebra, and the part of it that rounding hides. */
import test from 'ava';
import {resolvedDecrease} from '../../src/solve/resolved_decrease';
import {solveDense} from './dense';

const NONE = {ofResiduals: 0, ofJacobian: 0};
const zeros = (m: number): Float64Array => new Float64Array(m);

/** JᵀJ and Jᵀz. */
function normal(jacobian: readonly number[][], z: readonly number[]): {m: number; matrix: Float64Array; gradient: Float64Array; rho: Float64Array} {
  const m = jacobian[0].length;
  const dot = (i: number, j: number): number => jacobian.reduce((sum, row) => sum + row[i] * row[j], 0);
  return {m, matrix: Float64Array.from({length: m * m}, (_, p) => dot(Math.floor(p / m), p % m)),
    gradient: Float64Array.from({length: m}, (_, j) => jacobian.reduce((sum, row, i) => sum + row[j] * z[i], 0)), rho: zeros(m)};
}

const JACOBIAN = Array.from({length: 12}, (_, i) => [1, Math.sin(i), 1e6 * Math.cos(2 * i), 1e-6 * i]);
const Z = Array.from({length: 12}, (_, i) => Math.cos(3 * i) + 1);

test('½ gᵀ(A + 2ρ)⁻¹g without rounding, whatever the units', t => {
  for (const rho of [zeros(4), Float64Array.from([0.5, 0, 1e9, 0])]) {
    const model = {...normal(JACOBIAN, Z), rho};
    const {m, matrix, gradient} = model;
    const step = solveDense(Array.from({length: m}, (_, i) => Array.from({length: m}, (__, j) => matrix[i * m + j] + (i === j ? 2 * rho[i] : 0))), [...gradient]);
    const wanted = gradient.reduce((sum, g, j) => sum + g * step[j], 0) / 2;
    const {known: found, hidden, hideable} = resolvedDecrease(model, {...NONE, ofParameters: zeros(m)});
    t.deepEqual([hidden, hideable], [0, 0]);
    t.true(Math.abs(found - wanted) < 1e-9 * wanted, `${found} ${wanted}`);
  }
});

test('columns without an entry, and copies of others, promise nothing', t => {
  const plain = normal([[1, 2], [3, 4], [5, 7]], [1, -1, 2]);
  const more = normal([[1, 2, 0, 2], [3, 4, 0, 4], [5, 7, 0, 7]], [1, -1, 2]);
  const [a, b] = [plain, more].map(model => resolvedDecrease(model, {...NONE, ofParameters: zeros(model.m)}));
  t.true(Math.abs(a.known - b.known) < 1e-12 * a.known);
  t.deepEqual([a.hideable, b.hideable], [0, Infinity], 'a copy may hide anything');
  t.deepEqual(resolvedDecrease(normal([[0]], [1]), {...NONE, ofParameters: zeros(1)}), {known: 0, hidden: 0, hideable: 0});
});

test('a direction counts from two standard deviations of the rounding on: of residuals, of parameters, of J where columns nearly agree', t => {
  const one = normal([[2], [0]], [3, 1]);  // y = 3
  t.is(resolvedDecrease(one, {...NONE, ofResiduals: 2.2, ofParameters: zeros(1)}).known, 4.5);
  t.deepEqual(resolvedDecrease(one, {...NONE, ofResiduals: 2.3, ofParameters: zeros(1)}), {known: 0, hidden: 4.5, hideable: 0});
  t.is(resolvedDecrease(one, {...NONE, ofParameters: [0.74]}).known, 4.5, '2 · 0.74 = 1.48 below 3/2');
  t.is(resolvedDecrease(one, {...NONE, ofParameters: [0.76]}).known, 0);
  const e = 1e-6;
  const two = normal([[1, 1], [0, e]], [1, 1]);  // all of z can be fitted, half of it only through the difference of the columns
  t.true(Math.abs(resolvedDecrease(two, {...NONE, ofParameters: zeros(2)}).known - 1) < 1e-3);
  const {known, hidden, hideable} = resolvedDecrease(two, {...NONE, ofJacobian: e * e, ofParameters: zeros(2)});
  t.true(Math.abs(known - 0.5) < 1e-3 && Math.abs(hidden - 0.5) < 1e-3, 'the strong direction still counts');
  t.true(hideable >= hidden, `${hideable}`);
});

test('what is not finite makes the result NaN', t => {
  t.is(resolvedDecrease(normal([[NaN]], [1]), {...NONE, ofParameters: zeros(1)}).known, NaN);
});
