/**
 * S with H = S Sᵀ, where H = d²L/df² (n x n) is the output curvature of the batch loss, block diagonal and positive semidefinite.
 * Rows are ordered (example, component). S carries the scaling of the loss: for a mean of squares over n rows, S = sqrt(2/n) I.
 * Zero rows and columns are allowed: that is what an example of weight 0 has.
 */
export interface CurvatureRoot {
  readonly n: number;
  /** s where S = s I. */
  readonly uniform?: number;
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

/**
 * S = diag(S_0, S_1, ...): one k x k block per example (softmax cross-entropy). `blocks` (n/k · k · k) holds the blocks one after the
 * other, each row-major and not necessarily symmetric; it is kept, not copied.
 *
 * @throws RangeError if `blocks` is not a whole number of k x k blocks.
 */
export function blockDiagonalRoot(blocks: Float64Array, k: number): CurvatureRoot {
  const n = blocks.length / k;
  if (!Number.isInteger(n / k)) {
    throw new RangeError(`blockDiagonalRoot: ${blocks.length} numbers are not a whole number of ${k} x ${k} blocks.`);
  }
  return {
    n,
    apply(u) {
      const result = new Float64Array(n);
      for (let i = 0; i < n; i++) {
        const first = i - i % k;  // first row of the block of row i; blocks[i·k + c] is S_ic
        for (let c = 0; c < k; c++) {
          result[i] += blocks[i * k + c] * u[first + c];
        }
      }
      return result;
    },
    applyTranspose(u) {
      const result = new Float64Array(n);
      for (let i = 0; i < n; i++) {
        const first = i - i % k;
        for (let c = 0; c < k; c++) {
          result[first + c] += blocks[i * k + c] * u[i];
        }
      }
      return result;
    },
    addCongruence(gram, weight, out) {
      const rows = new Float64Array(k * n);  // weight · S_aᵀ G_a, where G_a are the k rows of G that belong to block a
      for (let first = 0; first < n; first += k) {
        rows.fill(0);
        for (let r = first; r < first + k; r++) {
          for (let c = 0; c < k; c++) {
            addScaledRow(weight * blocks[r * k + c], gram, r * n, rows, c * n, n);
          }
        }
        for (let c = 0; c < k; c++) {
          addRowTimesBlocks(rows, c * n, blocks, k, out, (first + c) * n, n);
        }
      }
    },
    applyToRows(rows, m) {
      const result = rows.slice().fill(0);
      for (let i = 0; i < n; i++) {
        const first = i - i % k;
        for (let c = 0; c < k; c++) {
          const sic = blocks[i * k + c];
          for (let j = 0, p = i * m, to = (first + c) * m; j < m; j++) {
            result[to++] += sic * rows[p++];
          }
        }
      }
      return result;
    },
    part: (from, to) => blockDiagonalRoot(blocks.subarray(from * k, to * k), k),
  };
}

/** out[q..q+n) += scale · a[p..p+n). */
function addScaledRow(scale: number, a: Float64Array, p: number, out: Float64Array, q: number, n: number): void {
  for (let j = 0; j < n; j++) {
    out[q + j] += scale * a[p + j];
  }
}

/** out[q..q+n) += a[p..p+n) · S, S block diagonal. */
function addRowTimesBlocks(a: Float64Array, p: number, blocks: Float64Array, k: number, out: Float64Array, q: number, n: number): void {
  for (let first = 0; first < n; first += k) {
    for (let r = first; r < first + k; r++) {
      const ar = a[p + r];
      for (let c = 0; c < k; c++) {
        out[q + first + c] += ar * blocks[r * k + c];
      }
    }
  }
}
