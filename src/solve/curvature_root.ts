/**
 * S with H = S Sᵀ, where H = d²L/df² (n x n) is the output curvature of the batch loss, block diagonal and positive semidefinite.
 * Rows are ordered (example, component). S carries the scaling of the loss: for a mean of squares over n rows, S = sqrt(2/n) I.
 * Zero rows and columns are allowed: that is what an example of weight 0 has.
 */
export interface CurvatureRoot {
  readonly n: number;
  /** s where S = s I. */
  readonly uniform?: number;
  /** S as blocks of one size k side by side, [n/k, k, k], row-major; null where it is not of this form. A new array, or one that is not to be written to. */
  tiles(): {readonly k: number; readonly entries: Float64Array} | null;
  /** S u, a new array (n). */
  apply(u: Float64Array): Float64Array;
  /** Sᵀ u, a new array (n). */
  applyTranspose(u: Float64Array): Float64Array;
  /** out += weight · Sᵀ G S, all three matrices n x n, `gram` and `out` row-major. */
  addCongruence(gram: Float64Array, weight: number, out: Float64Array): void;
  /** Sᵀ A for rows A [n, m], row-major, in the same order and precision. */
  applyToRows(rows: Float32Array | Float64Array, m: number): Float32Array | Float64Array;
  /** The root of the rows from..to-1, both between examples. */
  part(from: number, to: number): CurvatureRoot;
}

/** S = diag(s): losses without coupling between components. `s` (n) is kept, not copied. */
export function diagonalRoot(s: Float64Array): CurvatureRoot {
  const n = s.length;
  const scale = (u: Float64Array) => u.map((ui, i) => s[i] * ui);
  const isUniform = n > 0 && s[0] > 0 && s.every(value => value === s[0]);
  return {
    n,
    ...(isUniform ? {uniform: s[0]} : {}),
    tiles: () => ({k: 1, entries: s}),
    apply: scale,
    applyTranspose: scale,
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
