/** Loops over the entries of typed arrays: the kernels of tfjs's cpu backend call a function for each entry, at ten times the price. */

/** x + y. */
export function sum(x: Float32Array, y: Float32Array): Float32Array {
  const out = new Float32Array(x.length);
  for (let i = 0; i < out.length; i++) {
    out[i] = x[i] + y[i];
  }
  return out;
}

/** x - y. */
export function difference(x: Float32Array, y: Float32Array): Float32Array {
  const out = new Float32Array(x.length);
  for (let i = 0; i < out.length; i++) {
    out[i] = x[i] - y[i];
  }
  return out;
}

/** x ∘ y, where each entry of y counts for as many entries of x in a row as there are more of them. */
export function product(x: Float32Array, y: Float32Array): Float32Array {
  const out = new Float32Array(x.length);
  const each = x.length / y.length;
  for (let k = 0, i = 0; k < y.length; k++) {
    const factor = y[k];
    for (let end = i + each; i < end; i++) {
      out[i] = x[i] * factor;
    }
  }
  return out;
}

/** xᵀ of a row-major x [rows, columns]. */
export function transposedEntries(x: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(x.length);
  for (let j = 0, to = 0; j < columns; j++) {
    for (let i = 0, from = j; i < rows; i++, from += columns) {
      out[to++] = x[from];
    }
  }
  return out;
}

/** Sums of the rows of a row-major x [rows, columns], added up in float64. */
export function rowSums(x: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(rows);
  for (let i = 0, from = 0; i < rows; i++) {
    let total = 0;
    for (const end = from + columns; from < end; from++) {
      total += x[from];
    }
    out[i] = total;
  }
  return out;
}
