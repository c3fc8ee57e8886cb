/**
 * S (n x n) with H = S Sᵀ. H = d²L/df² (n x n) is the curvature of the batch loss in its outputs,
 * block diagonal and positive semidefinite. Rows are ordered (example, component).
 *
 * S has the scale of the loss: S = sqrt(2/n) I for a mean of squares over n rows. Rows and columns
 * may be zero, as those of an example of weight 0 are.
 */
export interface CurvatureRoot {
  readonly n: number;
  /** Whether S is diagonal: the loss does not couple rows. */
  readonly isDiagonal: boolean;
  /** s > 0 if S is known to be s I. */
  readonly uniform?: number;
  /**
   * S as n/k blocks of one size, [n/k, k, k], row-major, not to be written into; null if S has not
   * this form.
   */
  tiles(): {readonly k: number; readonly entries: Float64Array} | null;
  /** S u, a new array (n). */
  apply(u: Float64Array): Float64Array;
  /** Sᵀ u, a new array (n). */
  applyTranspose(u: Float64Array): Float64Array;
  /**
   * z with S z = q, without the part of q that S does not reach, a new array (n); null if the
   * columns of a block of S are not orthogonal.
   */
  preimage(q: Float64Array): Float64Array | null;
  /**
   * out += weight · Sᵀ G S. `gram` and `out` are n x n, row-major; all entries of `gram` are read.
   */
  addCongruence(gram: Float64Array, weight: number, out: Float64Array): void;
  /** Sᵀ A for rows A [n, m], row-major: a new array of the same type. */
  applyToRows(rows: Float32Array | Float64Array, m: number): Float32Array | Float64Array;
  /**
   * The root of the rows from..to-1.
   *
   * @throws RangeError if `from` or `to` is inside of a block.
   */
  part(from: number, to: number): CurvatureRoot;
}

/**
 * S = diag(s), for losses that do not couple the components of an example.
 *
 * @param s diagonal (n); kept, not copied.
 */
export function diagonalRoot(s: Float64Array): CurvatureRoot {
  const n = s.length;
  const scale = (u: Float64Array) => u.map((ui, i) => s[i] * ui);
  const isUniform = n > 0 && s[0] > 0 && s.every(value => value === s[0]);
  return {
    n,
    isDiagonal: true,
    ...(isUniform ? {uniform: s[0]} : {}),
    tiles: () => ({k: 1, entries: s}),
    apply: scale,
    applyTranspose: scale,
    preimage: q => q.map((x, i) => s[i] === 0 ? 0 : x / s[i]),
    addCongruence(gram, weight, out) {
      for (let i = 0; i < n; i++) {
        const rowScale = weight * s[i];
        const p = i * n;
        for (let j = 0; j < n; j++) {
          out[p + j] += rowScale * gram[p + j] * s[j];
        }
      }
    },
    applyToRows(rows, m) {
      const result = rows.slice();
      for (let i = 0, p = 0; i < n; i++) {
        const si = s[i];
        for (const end = p + m; p < end; p++) {
          result[p] *= si;
        }
      }
      return result;
    },
    part: (from, to) => diagonalRoot(s.subarray(from, to)),
  };
}
