/** The quadratic model of the loss, without damping. */
export interface UndampedModel {
  readonly m: number;
  /** JᵀHJ, m x m, symmetric. */
  readonly matrix: Float64Array;
  /** g (m). */
  readonly gradient: Float64Array;
  /** ρ by parameter (m). */
  readonly rho: Float64Array;
}

/** What float32 leaves unknown. */
export interface Rounding {
  /** Variance of an entry of z: the rounding of the residuals. */
  readonly ofResiduals: number;
  /** Variance of an entry of g over M_jj: the rounding of J, times what it is multiplied with. */
  readonly ofJacobian: number;
  /** By parameter, how far from the wanted value a float32 may be (m). */
  readonly ofParameters: ArrayLike<number>;
}

/** What a step without damping promises, as far as float32 knows it. */
export interface UndampedDecrease {
  /** The decrease of the loss. */
  readonly known: number;
  /** What the model promises besides, in directions where it may be rounding. */
  readonly hidden: number;
  /** What the rounding of J may hide in these directions; infinite where columns of J are linearly dependent. */
  readonly hideable: number;
  /** Parameters that the residuals do not depend on, or hardly any more. */
  readonly lost: number;
}

/** Where nothing is known of what is hidden. */
export const promised = (known: number): UndampedDecrease => ({known, hidden: 0, hideable: 0, lost: 0});

/** Pivots of the scaled matrix below m times this are rounding of the sums in float64. */
const PIVOT_TOLERANCE = 2 ** -50;

/** What a direction promises counts from this multiple of the variance of it on: two standard deviations. */
const SIGNIFICANT = 4;

/**
 * What the model promises that the loss decreases by,
 *
 *     ½ gᵀ M⁻¹ g = ½ Σ_k y_k²        M = JᵀHJ + 2ρ = L Lᵀ,   y = L⁻¹g
 *
 * without the y_k that float32 does not know: y_k is the component of z along one of m orthogonal directions of the rows, and has the variance
 *
 *     ofResiduals  +  ofJacobian · Σ_j (L⁻¹)_kj² M_jj  +  Σ_j L_jk² ofParameters_j²
 *
 * from the rounding of both (columns of J that are the same but for rounding make the second large), and since float32 parameters cannot be moved by less (the place of a
 * narrow peak far from 0). These are hidden. Columns are taken in the order of their pivots, each scaled to length 1, so that weak directions come last and spoil no others.
 *
 * About 2m³/3 operations. What is not finite in the model makes the known decrease NaN.
 */
export function resolvedDecrease({m, matrix, gradient, rho}: UndampedModel, {ofResiduals, ofJacobian, ofParameters}: Rounding): Omit<UndampedDecrease, 'lost'> {
  const scale = Float64Array.from({length: m}, (_, j) => Math.sqrt(matrix[j * m + j] + 2 * rho[j]));
  const left = scale.map(s => s > 0 ? 1 : s);  // pivots of what is not eliminated yet; NaN stays
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
