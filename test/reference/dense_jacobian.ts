/**
 * The reference that every exactness test compares with: slow and obvious, by tfjs's own autodiff and dense float64 algebra. Nothing of
 * src/ is used here, on purpose.
 */
import * as tf from '@tensorflow/tfjs';

export interface DenseJacobian {
  /** n x m, row-major. */
  jacobian: Float64Array;
  /** The values rows() returned, flattened. */
  rows: Float64Array;
  n: number;
  m: number;
}

/** The error of tfjs if a scalar depends on none of the given variables. */
const NOT_CONNECTED = /Cannot find a connection between any variable and the result/;

/**
 * Rows of the Jacobian of rows() in the variables: out[r] is d rows()[r] / d w, variables concatenated in the order given.
 *
 * rows() is run once for its values and once more for each row, so it must be a pure function of the variables.
 */
export function denseJacobian(rows: () => tf.Tensor, variables: tf.Variable[]): DenseJacobian {
  const values = valuesOf(rows);
  const n = values.length;
  const m = variables.reduce((sum, variable) => sum + variable.size, 0);
  const jacobian = new Float64Array(n * m);
  for (let r = 0; r < n; r++) {
    tf.tidy(() => {
      const gradients = gradientsOrNone(() => rows().reshape([-1]).slice([r], [1]).sum().asScalar(), variables);
      let column = 0;
      for (const variable of variables) {
        const gradient = gradients[variable.name];
        if (gradient != null) {
          jacobian.set(gradient.dataSync(), r * m + column);
        }
        column += variable.size;
      }
    });
  }
  return {jacobian, rows: values, n, m};
}

function valuesOf(rows: () => tf.Tensor): Float64Array {
  const values = tf.tidy(() => rows().clone());
  const numbers = Float64Array.from(values.dataSync());
  values.dispose();
  return numbers;
}

/** variableGrads, with no entry for a variable that the scalar does not depend on. */
export function gradientsOrNone(scalar: () => tf.Scalar, variables: tf.Variable[]): {[name: string]: tf.Tensor | undefined} {
  try {
    return tf.variableGrads(scalar, variables).grads;
  } catch (error) {
    if (error instanceof Error && NOT_CONNECTED.test(error.message)) {
      return {};
    }
    throw error;
  }
}

/** Column `index` of the block of `variable` by central differences: d rows() / d variable[index]. The variable is left as it was. */
export function finiteDifferenceColumn(rows: () => tf.Tensor, variable: tf.Variable, index: number, h: number): Float64Array {
  const original = Float32Array.from(variable.dataSync());
  const rowsAt = (value: number): Float64Array => {
    const moved = original.slice();
    moved[index] = value;
    tf.tidy(() => variable.assign(tf.tensor(moved, variable.shape)));
    return valuesOf(rows);
  };
  // The steps that float32 really makes.
  const upper = Math.fround(original[index] + h);
  const lower = Math.fround(original[index] - h);
  const above = rowsAt(upper);
  const below = rowsAt(lower);
  tf.tidy(() => variable.assign(tf.tensor(original, variable.shape)));
  return above.map((value, r) => (value - below[r]) / (upper - lower));
}

/** Gram matrix J Jᵀ of an n x m Jacobian, n x n row-major. */
export function denseGram(jacobian: Float64Array, n: number, m: number): Float64Array {
  const gram = new Float64Array(n * n);
  for (let r = 0; r < n; r++) {
    for (let s = 0; s < n; s++) {
      let sum = 0;
      for (let j = 0; j < m; j++) {
        sum += jacobian[r * m + j] * jacobian[s * m + j];
      }
      gram[r * n + s] = sum;
    }
  }
  return gram;
}

export interface ReferenceStepInput {
  /** J, n x m row-major. */
  jacobian: Float64Array;
  n: number;
  m: number;
  /** r: output minus target, n. */
  residual: Float64Array;
  /** w_i, n: the loss of the rows is Σ w_i r_i². */
  weights: Float64Array;
  /** Rows of weight above 0, of those that are the same output minus several targets one: by default all. */
  distinct?: number;
  /** τ: λ is this times the mean eigenvalue of Sᵀ J Jᵀ S. */
  damping: number;
  /** μ. */
  momentum: number;
  /** d_prev, m: the step before this one. */
  previous: Float64Array | null;
  /** ρ per parameter, m: the loss has Σ ρ_j w_j² beside the rows. */
  ridge: Float64Array | null;
  /** e, m: gradient of the loss beyond the rows, that of the L2 regularizers included. */
  extraGradient: Float64Array | null;
}

export interface ReferenceStep {
  /** d, before the learning rate. */
  step: Float64Array;
  /** λ. */
  lambda: number;
  /** |g|, with g = 2 Σ w_i r_i J_i + e. */
  gradientNorm: number;
}

/**
 * The step, in parameter space: d minimises
 *
 *     ½ |SᵀJ d + z|² + eᵀd + Σ ρ_j d_j² + (λ/2) |d - μ d_prev|²,      S = diag(sqrt(2w)),  z = sqrt(2w) r
 *
 * so that (Jᵀ S Sᵀ J + 2 diag(ρ) + λ I) d = λ μ d_prev - g.
 */
export function referenceStep(input: ReferenceStepInput): ReferenceStep {
  const {jacobian, n, m, residual, weights, distinct, damping, momentum, previous, ridge, extraGradient} = input;

  let trace = 0;
  let weightedRows = 0;
  for (let r = 0; r < n; r++) {
    if (weights[r] > 0) {
      weightedRows++;
    }
    for (let j = 0; j < m; j++) {
      trace += 2 * weights[r] * jacobian[r * m + j] ** 2;
    }
  }
  const lambda = damping * trace / Math.min(distinct ?? weightedRows, m);

  const gradient = new Float64Array(m);
  for (let j = 0; j < m; j++) {
    for (let r = 0; r < n; r++) {
      gradient[j] += 2 * weights[r] * residual[r] * jacobian[r * m + j];
    }
    gradient[j] += extraGradient === null ? 0 : extraGradient[j];
  }

  const matrix = new Float64Array(m * m);
  const right = new Float64Array(m);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < m; j++) {
      for (let r = 0; r < n; r++) {
        matrix[i * m + j] += 2 * weights[r] * jacobian[r * m + i] * jacobian[r * m + j];
      }
    }
    matrix[i * m + i] += lambda + (ridge === null ? 0 : 2 * ridge[i]);
    right[i] = (previous === null ? 0 : lambda * momentum * previous[i]) - gradient[i];
  }

  return {step: solveByElimination(matrix, right), lambda, gradientNorm: Math.hypot(...gradient)};
}

/** x with A x = b, by Gaussian elimination with partial pivoting; A is m x m row-major. Neither argument is changed. */
export function solveByElimination(matrix: Float64Array, right: Float64Array): Float64Array {
  const m = right.length;
  const a = matrix.slice();
  const x = right.slice();
  for (let k = 0; k < m; k++) {
    let pivot = k;
    for (let i = k + 1; i < m; i++) {
      if (Math.abs(a[i * m + k]) > Math.abs(a[pivot * m + k])) {
        pivot = i;
      }
    }
    if (!(Math.abs(a[pivot * m + k]) > 0)) {
      throw new Error(`The reference system is singular: no pivot in column ${k} of ${m}.`);
    }
    for (let j = k; j < m; j++) {
      [a[k * m + j], a[pivot * m + j]] = [a[pivot * m + j], a[k * m + j]];
    }
    [x[k], x[pivot]] = [x[pivot], x[k]];
    for (let i = k + 1; i < m; i++) {
      const factor = a[i * m + k] / a[k * m + k];
      for (let j = k; j < m; j++) {
        a[i * m + j] -= factor * a[k * m + j];
      }
      x[i] -= factor * x[k];
    }
  }
  for (let k = m - 1; k >= 0; k--) {
    for (let j = k + 1; j < m; j++) {
      x[k] -= a[k * m + j] * x[j];
    }
    x[k] /= a[k * m + k];
  }
  return x;
}
