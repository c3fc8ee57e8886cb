/** The quadratic model of the loss without damping: gᵀd + ½ dᵀ(JᵀHJ + diag(2ρ))d. */
interface UndampedModel {
  /** Parameters. */
  readonly m: number;
  /** JᵀHJ, m x m, row-major, symmetric. */
  readonly matrix: Float64Array;
  /** g (m). */
  readonly gradient: Float64Array;
  /** ρ_j (m). */
  readonly rho: Float64Array;
}

/** Variances and errors that the rounding to float32 causes. */
interface Rounding {
  /** Variance of an entry of z, from the rounding of the residuals. */
  readonly ofResiduals: number;
  /** Variance of g_j over M_jj, from the rounding of J, which is multiplied by the residuals. */
  readonly ofJacobian: number;
  /** Error of each parameter, from its rounding to float32 (m). */
  readonly ofParameters: ArrayLike<number>;
}

/** The decrease of the loss that a step without damping promises, as far as float32 resolves it. */
export interface UndampedDecrease {
  /** The decrease in the directions that float32 resolves. */
  readonly known: number;
  /** The promised decrease in the other directions, which may be rounding. */
  readonly hidden: number;
  /**
   * The decrease that the rounding of J may hide in those directions; infinite if columns of J are
   * linearly dependent.
   */
  readonly hideable: number;
  /** Number of parameters that the residuals do not depend on, or hardly any more. */
  readonly lost: number;
}

/** A known decrease, if nothing is known of hidden ones. */
export const promised = (known: number): UndampedDecrease => ({known, hidden: 0, hideable: 0, lost: 0});

/**
 * Pivots of the scaled matrix of at most m times this are rounding errors of the sums in float64.
 */
const PIVOT_TOLERANCE = 2 ** -50;

/**
 * A direction is resolved if y_k² is above this multiple of the variance of y_k: two standard
 * deviations.
 */
export const SIGNIFICANT = 4;

/**
 * The decrease of the loss that the model promises,
 *
 *     ½ gᵀ M⁻¹ g = ½ Σ_k y_k²        M = JᵀHJ + diag(2ρ) = L Lᵀ,   y = L⁻¹g
 *
 * split into the y_k that float32 resolves (known) and the others (hidden). y_k is the component of
 * z along one of m orthogonal directions of the rows. Its variance is
 *
 *     ofResiduals  +  ofJacobian · Σ_j (L⁻¹)_kj² M_jj  +  Σ_j L_jk² ofParameters_j²
 *
 * The first term comes from the rounding of the residuals. The second comes from the rounding of J;
 * it is large if columns of J are the same but for rounding. The third stands for steps that are
 * smaller than the rounding of a parameter, as at a narrow peak far from 0.
 *
 * Columns are scaled to length 1 and taken in the order of their pivots. So weak directions come
 * last and spoil no others. The function takes about 2m³/3 operations. If the model is not finite,
 * the known decrease is NaN.
 */
export function resolvedDecrease({m, matrix, gradient, rho}: UndampedModel,
    {ofResiduals, ofJacobian, ofParameters}: Rounding): Omit<UndampedDecrease, 'lost'> {
  const scale = Float64Array.from({length: m}, (_, j) => Math.sqrt(matrix[j * m + j] + 2 * rho[j]));
  const left = scale.map(s => s > 0 ? 1 : s);  // pivots of the columns that are not eliminated yet; NaN stays
  const lower = new Float64Array(m * m);
  const inverse = new Float64Array(m * m);
  const y = new Float64Array(m);
  let [known, hidden, hideable] = [0, 0, 0];
  for (let k = 0; k < m; k++) {
    const p = left.reduce((best, x, j) => Number.isNaN(x) || x > left[best] ? j : best, 0);
    if (left[p] <= m * PIVOT_TOLERANCE) {
      hideable = k < scale.filter(s => s > 0).length ? Infinity : hideable;
      break;
    }
    const [row, pivot] = [p * m, Math.sqrt(left[p])];
    y[k] = gradient[p] / scale[p];
    inverse[k * m + p] = 1;
    for (let l = 0; l < k; l++) {
      const factor = lower[row + l];
      y[k] -= factor * y[l];
      for (let j = 0; j < m; j++) {
        inverse[k * m + j] -= factor * inverse[l * m + j];
      }
    }
    y[k] /= pivot;
    let ofInverse = 0;
    for (let j = 0; j < m; j++) {
      inverse[k * m + j] /= pivot;
      ofInverse += inverse[k * m + j] ** 2;
    }
    left[p] = 0;
    let ofFactor = (pivot * scale[p] * ofParameters[p]) ** 2;
    lower[row + k] = pivot;
    for (let i = 0; i < m; i++) {
      if (left[i] <= 0) {
        continue;
      }
      let sum = matrix[i * m + p] / (scale[i] * scale[p]);
      for (let l = 0; l < k; l++) {
        sum -= lower[i * m + l] * lower[row + l];
      }
      lower[i * m + k] = sum / pivot;
      left[i] = Math.max(0, left[i] - lower[i * m + k] ** 2);
      ofFactor += (lower[i * m + k] * scale[i] * ofParameters[i]) ** 2;
    }
    if (y[k] ** 2 <= SIGNIFICANT * (ofResiduals + ofJacobian * ofInverse + ofFactor)) {
      hidden += y[k] ** 2 / 2;
      hideable += SIGNIFICANT * ofJacobian * ofInverse / 2;
    } else {
      known += y[k] ** 2 / 2;
    }
  }
  return {known, hidden, hideable};
}
