import {transpose, type Matrix} from './matrix';
import {ownProduct} from './own_product';

/** a b [m, n] of a [m, k] and b [k, n]; the product is row-major. */
export function matrixProduct(a: Matrix, b: Matrix): Float32Array {
  return ownProduct(a, b) ?? productByLoops(a, b);
}

/**
 * The product, summed in float64. Both factors are copied to float64 in the order in which the
 * inner loop reads them. The loop computes tiles of 2 x 4.
 *
 * Measured: three to five times as fast as the product of tfjs's cpu backend, and more accurate.
 */
function productByLoops(a: Matrix, b: Matrix): Float32Array {
  if (b.columns === 1) {
    return timesVector(a, b);
  }
  if (a.rows === 1) {
    return timesVector(transpose(b), transpose(a));
  }
  const [m, k, n] = [a.rows, a.columns, b.columns];
  const product = new Float32Array(m * n);
  const pairs = pairsOfRows(a);
  const panel = new Float64Array(4 * k);
  for (let j = 0; j < n; j += 4) {
    const count = Math.min(4, n - j);
    fillPanel(panel, b, j, count);
    for (let i = 0, x = 0; i < m; i += 2) {
      let s00 = 0, s01 = 0, s02 = 0, s03 = 0, s10 = 0, s11 = 0, s12 = 0, s13 = 0;
      for (let y = 0; y < 4 * k; y += 4, x += 2) {
        const a0 = pairs[x], a1 = pairs[x + 1], b0 = panel[y], b1 = panel[y + 1], b2 = panel[y + 2], b3 = panel[y + 3];
        s00 += a0 * b0;
        s01 += a0 * b1;
        s02 += a0 * b2;
        s03 += a0 * b3;
        s10 += a1 * b0;
        s11 += a1 * b1;
        s12 += a1 * b2;
        s13 += a1 * b3;
      }
      const sums = i * n + j;
      product[sums] = s00;
      if (count > 1) product[sums + 1] = s01;
      if (count > 2) product[sums + 2] = s02;
      if (count > 3) product[sums + 3] = s03;
      if (i + 1 < m) {
        product[sums + n] = s10;
        if (count > 1) product[sums + n + 1] = s11;
        if (count > 2) product[sums + n + 2] = s12;
        if (count > 3) product[sums + n + 3] = s13;
      }
    }
  }
  return product;
}

/**
 * The entries of rows 2i and 2i + 1 in turn, pair of rows by pair of rows, in float64. If the
 * number of rows is odd, the last row is paired with itself.
 */
function pairsOfRows({entries, rows, columns, row, column}: Matrix): Float64Array {
  const pairs = new Float64Array((rows + rows % 2) * columns);
  for (let i = 0, to = 0; i < rows; i += 2) {
    let first = i * row;
    let second = Math.min(i + 1, rows - 1) * row;
    for (let p = 0; p < columns; p++, first += column, second += column) {
      pairs[to++] = entries[first];
      pairs[to++] = entries[second];
    }
  }
  return pairs;
}

/**
 * Writes the columns j..j+3 of b [k, n] to `panel` [k, 4], row by row. If b has only `count` of
 * them, the last one is repeated.
 */
function fillPanel(panel: Float64Array, {entries, rows, row, column}: Matrix, j: number, count: number): void {
  let c0 = j * column, c1 = c0 + Math.min(1, count - 1) * column;
  let c2 = c0 + Math.min(2, count - 1) * column, c3 = c0 + Math.min(3, count - 1) * column;
  for (let to = 0; to < 4 * rows; to += 4, c0 += row, c1 += row, c2 += row, c3 += row) {
    panel[to] = entries[c0];
    panel[to + 1] = entries[c1];
    panel[to + 2] = entries[c2];
    panel[to + 3] = entries[c3];
  }
}

/**
 * a v [m] for a [m, k] and a vector v [k, 1]. The inner loop goes along the axis of a that is
 * contiguous.
 */
function timesVector({entries, rows, columns, row, column}: Matrix, v: Matrix): Float32Array {
  const sums = new Float64Array(rows);
  if (column <= row) {
    for (let i = 0; i < rows; i++) {
      let s0 = 0, s1 = 0;
      let p = 0;
      let x = i * row;
      for (; p + 1 < columns; p += 2, x += 2 * column) {
        s0 += entries[x] * v.entries[p * v.row];
        s1 += entries[x + column] * v.entries[(p + 1) * v.row];
      }
      sums[i] = p < columns ? s0 + s1 + entries[x] * v.entries[p * v.row] : s0 + s1;
    }
  } else {
    for (let p = 0; p < columns; p++) {
      const factor = v.entries[p * v.row];
      for (let i = 0, x = p * column; i < rows; i++, x += row) {
        sums[i] += entries[x] * factor;
      }
    }
  }
  return Float32Array.from(sums);
}
