/** The floor of a task: the test figure of a linear fit of its training rows, in plain numbers. */
import {dataOf} from './data';
import type {Data, Part} from './data';
import {meanOf, ofConstant} from './figures';
import type {Task} from './tasks';

/**
 * Of the squared standard deviation of a column. One-hot columns and spectra make singular designs:
 * of all fits with the lowest error this takes nearly the shortest.
 */
const RIDGE = 1e-6;

/** Steps of Newton's method for counts. */
const NEWTON = 12;

/** The logarithm of a rate is at most this in size. */
const LOG_RATE = 20;

export const floorOf = (task: Task, split: number): number => linearFigure(task, dataOf(task, split));

/**
 * Least squares, or for counts the Poisson regression. Residuals give the scale of a predicted
 * spread.
 */
export function linearFigure({loss}: Task, data: Data): number {
  const {training, test} = data;
  const scale = scaling(training, data.columns);
  const train = design(training, scale);
  const coefficients = loss.link === 'log' ? poissonRegression(train, training.y) :
      weightedRidge(train, training.y, training.y.map(() => 1));
  const predict = (row: readonly number[]): number => {
    const value = dot(row, coefficients);
    return loss.link === 'log' ? clip(value) : value;
  };
  const residuals = train.map((row, i) => training.y[i] - predict(row));
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const residual = {square: mean(residuals.map(r => r * r)), absolute: mean(residuals.map(Math.abs))};
  const rows = design(test, scale);
  return loss.figure(meanOf(loss, test.y, i => loss.linear(predict(rows[i]), residual)), ofConstant(loss, training));
}

/**
 * Minimises Σ wᵢ (yᵢ - xᵢᵀb)² + ridge Σ wᵢ Σⱼ bⱼ² over b; the first column is the constant and
 * takes no ridge but one for rounding.
 */
export function weightedRidge(x: readonly (readonly number[])[], y: readonly number[], w: readonly number[]): number[] {
  const size = x[0].length;
  const matrix = Array.from({length: size}, () => new Float64Array(size));
  const right = new Float64Array(size);
  x.forEach((row, i) => {
    for (let j = 0; j < size; j++) {
      right[j] += w[i] * row[j] * y[i];
      for (let k = 0; k <= j; k++) {
        matrix[j][k] += w[i] * row[j] * row[k];
      }
    }
  });
  const total = w.reduce((sum, value) => sum + value, 0);
  matrix.forEach((row, j) => {
    row[j] += (j === 0 ? 1e-12 : RIDGE) * total;
  });
  return solveCholesky(matrix, right);
}

/** Iteratively reweighted least squares from the mean. */
function poissonRegression(x: readonly (readonly number[])[], y: readonly number[]): number[] {
  let b = x[0].map(() => 0);
  b[0] = Math.log(y.reduce((sum, value) => sum + value, 0) / y.length);
  for (let i = 0; i < NEWTON; i++) {
    const logRates = x.map(row => clip(dot(row, b)));
    const rates = logRates.map(Math.exp);
    b = weightedRidge(x, logRates.map((value, r) => value + (y[r] - rates[r]) / rates[r]), rates);
  }
  return b;
}

/**
 * A x = b with a symmetric, positive definite A, of which the lower triangle is read and
 * overwritten.
 */
function solveCholesky(a: readonly Float64Array[], b: Float64Array): number[] {
  const size = b.length;
  for (let j = 0; j < size; j++) {
    for (let i = j; i < size; i++) {
      let sum = a[i][j];
      for (let k = 0; k < j; k++) {
        sum -= a[i][k] * a[j][k];
      }
      a[i][j] = i === j ? Math.sqrt(sum) : sum / a[j][j];
    }
  }
  const x = [...b];
  for (let i = 0; i < size; i++) {
    for (let k = 0; k < i; k++) {
      x[i] -= a[i][k] * x[k];
    }
    x[i] /= a[i][i];
  }
  for (let i = size - 1; i >= 0; i--) {
    for (let k = i + 1; k < size; k++) {
      x[i] -= a[k][i] * x[k];
    }
    x[i] /= a[i][i];
  }
  return x;
}

const dot = (row: readonly number[], b: readonly number[]): number =>
  row.reduce((sum, value, j) => sum + value * b[j], 0);

const clip = (logRate: number): number => Math.max(-LOG_RATE, Math.min(LOG_RATE, logRate));

interface Scale {
  readonly mean: number;
  readonly deviation: number;
}

function scaling({x, y}: Part, columns: number): Scale[] {
  return Array.from({length: columns}, (_, c) => {
    const values = y.map((_, i) => x[i * columns + c]);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    return {mean, deviation: Math.sqrt(variance) || 1};
  });
}

/** Standardised rows after a constant. */
function design({x, y}: Part, scale: readonly Scale[]): number[][] {
  return y.map((_, i) => [1, ...scale.map(({mean, deviation}, c) => (x[i * scale.length + c] - mean) / deviation)]);
}
