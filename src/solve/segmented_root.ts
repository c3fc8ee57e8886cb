import {diagonalRoot, type CurvatureRoot} from './curvature_root';

/** One k x k block of S, on the rows first..first+k-1. */
export interface RootBlock {
  readonly first: number;
  readonly k: number;
  /** k x k, row-major, symmetric or not; kept, not copied. */
  readonly entries: Float64Array;
}

/**
 * S of several losses side by side: diagonal, but for k x k blocks of any sizes on its diagonal. So
 * an example may have rows of squares, of softmaxes and of other functions.
 *
 * @param s diagonal (n), read only in rows without a block; kept, not copied.
 * @param blocks disjoint, in ascending order of their rows.
 */
export function segmentedRoot(s: Float64Array, blocks: readonly RootBlock[]): CurvatureRoot {
  const n = s.length;
  const apply = (u: Float64Array, isTransposed: boolean): Float64Array => {
    const result = u.map((ui, i) => s[i] * ui);
    for (const {first, k, entries} of blocks) {
      for (let r = 0; r < k; r++) {
        let sum = 0;
        for (let c = 0; c < k; c++) {
          sum += entries[isTransposed ? c * k + r : r * k + c] * u[first + c];
        }
        result[first + r] = sum;
      }
    }
    return result;
  };
  return {
    n,
    isDiagonal: blocks.length === 0,
    tiles() {
      if (blocks.length === 0) {
        return {k: 1, entries: s};
      }
      const [{k}] = blocks;
      if (blocks.length * k !== n || !blocks.every((block, i) => block.k === k && block.first === i * k)) {
        return null;
      }
      const entries = new Float64Array(n * k);
      blocks.forEach((block, i) => entries.set(block.entries, i * k * k));
      return {k, entries};
    },
    apply: u => apply(u, false),
    applyTranspose: u => apply(u, true),
    preimage: q => preimage(q, s, blocks),
    addCongruence(gram, weight, out) {
      if (blocks.length === 0) {
        diagonalRoot(s).addCongruence(gram, weight, out);
        return;
      }
      // Each row of SᵀG (n) is formed by itself and then multiplied by S from the right.
      const row = new Float64Array(n);
      const finish = (i: number): void => addRowTimesRoot(row, s, blocks, out, i * n);
      let next = 0;
      for (let i = 0; i < n;) {
        const block = blocks[next] as RootBlock | undefined;
        if (block?.first !== i) {
          const scale = weight * s[i];
          for (let j = 0; j < n; j++) {
            row[j] = scale * gram[i * n + j];
          }
          finish(i++);
          continue;
        }
        const {k, entries} = block;
        for (let c = 0; c < k; c++) {
          row.fill(0);
          for (let r = 0; r < k; r++) {
            const scale = weight * entries[r * k + c];
            if (scale !== 0) {
              const p = (block.first + r) * n;
              for (let j = 0; j < n; j++) {
                row[j] += scale * gram[p + j];
              }
            }
          }
          finish(i + c);
        }
        i += k;
        next++;
      }
    },
    applyToRows(rows, m) {
      const result = diagonalRoot(s).applyToRows(rows, m);
      for (const {first, k, entries} of blocks) {
        result.fill(0, first * m, (first + k) * m);
        for (let r = 0; r < k; r++) {
          for (let c = 0; c < k; c++) {
            addRow(result, (first + c) * m, entries[r * k + c], rows, (first + r) * m, m);
          }
        }
      }
      return result;
    },
    part(from, to) {
      const inside = blocks.filter(({first, k}) => first < to && first + k > from);
      if (inside.some(({first, k}) => first < from || first + k > to)) {
        throw new RangeError(`segmentedRoot: the rows ${from} to ${to - 1} cut through a block.`);
      }
      const moved = inside.map(({first, k, entries}) => ({first: first - from, k, entries}));
      return segmentedRoot(s.subarray(from, to), moved);
    },
  };
}

/** out[to..to+m-1] += factor · rows[from..from+m-1]. */
function addRow(out: Float32Array | Float64Array, to: number, factor: number, rows: Float32Array | Float64Array,
    from: number, m: number): void {
  if (factor !== 0) {
    for (let j = 0; j < m; j++) {
      out[to + j] += factor * rows[from + j];
    }
  }
}

/** out[q..q+n-1] += row · S for a row (n). */
function addRowTimesRoot(row: Float64Array, s: Float64Array, blocks: readonly RootBlock[], out: Float64Array,
    q: number): void {
  let from = 0;
  const addDiagonal = (to: number): void => {
    for (let j = from; j < to; j++) {
      out[q + j] += row[j] * s[j];
    }
  };
  for (const {first, k, entries} of blocks) {
    addDiagonal(first);
    for (let r = 0; r < k; r++) {
      const x = row[first + r];
      if (x !== 0) {
        for (let c = 0; c < k; c++) {
          out[q + first + c] += x * entries[r * k + c];
        }
      }
    }
    from = first + k;
  }
  addDiagonal(row.length);
}

/** Cosine of two columns above which they do not count as orthogonal. */
const ORTHOGONAL = 1e-6;

/** See `CurvatureRoot.preimage`: z_c = s_cᵀq / |s_c|² for orthogonal columns s_c of a block. */
function preimage(q: Float64Array, s: Float64Array, blocks: readonly RootBlock[]): Float64Array | null {
  const z = q.map((x, i) => s[i] === 0 ? 0 : x / s[i]);
  for (const {first, k, entries} of blocks) {
    const product = (c: number, other: (r: number) => number): number => {
      let sum = 0;
      for (let r = 0; r < k; r++) {
        sum += entries[r * k + c] * other(r);
      }
      return sum;
    };
    const squares = Array.from({length: k}, (_, c) => product(c, r => entries[r * k + c]));
    for (let c = 0; c < k; c++) {
      for (let b = 0; b < c; b++) {
        if (Math.abs(product(c, r => entries[r * k + b])) > ORTHOGONAL * Math.sqrt(squares[b] * squares[c])) {
          return null;
        }
      }
      z[first + c] = squares[c] === 0 ? 0 : product(c, r => q[first + r]) / squares[c];
    }
  }
  return z;
}
