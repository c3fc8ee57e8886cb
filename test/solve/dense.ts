/** Slow and obvious linear algebra for the tests: matrices are arrays of rows. */
export type Matrix = number[][];

/** Uniform numbers in [-1, 1), the same for the same seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6D2B79F5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 31 - 1;
  };
}

export function randomVector(length: number, random: () => number): number[] {
  return Array.from({length}, random);
}

export function randomMatrix(rows: number, columns: number, random: () => number): Matrix {
  return Array.from({length: rows}, () => randomVector(columns, random));
}

export function transpose(a: Matrix): Matrix {
  return a[0].map((_, j) => a.map(row => row[j]));
}

export function multiply(a: Matrix, b: Matrix): Matrix {
  const columns = transpose(b);
  return a.map(row => columns.map(column => inner(row, column)));
}

export function multiplyVector(a: Matrix, x: ArrayLike<number>): number[] {
  return a.map(row => inner(row, x));
}

export function inner(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    sum += a[i] * b[i];
  }
  return sum;
}

export function norm(a: ArrayLike<number>): number {
  return Math.sqrt(inner(a, a));
}

/** |a - b| / |b|. */
export function relativeDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return norm(Array.from(a, (value, i) => value - b[i])) / norm(b);
}

/** Row-major, as the sources want it. */
export function flat(a: Matrix): Float64Array {
  return Float64Array.from(a.flat());
}

/** a x = b by Gaussian elimination with row pivoting. */
export function solveDense(a: Matrix, b: ArrayLike<number>): number[] {
  const n = a.length;
  const rows = a.map((row, i) => [...row, b[i]]);
  for (let k = 0; k < n; k++) {
    let best = k;
    for (let i = k + 1; i < n; i++) {
      if (Math.abs(rows[i][k]) > Math.abs(rows[best][k])) {
        best = i;
      }
    }
    [rows[k], rows[best]] = [rows[best], rows[k]];
    for (let i = k + 1; i < n; i++) {
      const factor = rows[i][k] / rows[k][k];
      for (let j = k; j <= n; j++) {
        rows[i][j] -= factor * rows[k][j];
      }
    }
  }
  const x = new Array<number>(n).fill(0);
  for (let i = n - 1; i >= 0; i--) {
    x[i] = (rows[i][n] - inner(rows[i].slice(i + 1, n), x.slice(i + 1))) / rows[i][i];
  }
  return x;
}

/** Q diag(spectrum) Qᵀ, symmetric to the last bit, with Q a product of three random reflections. */
export function symmetricWithSpectrum(spectrum: readonly number[], random: () => number): Matrix {
  const n = spectrum.length;
  let a: Matrix = spectrum.map((value, i) => spectrum.map((_, j) => (i === j ? value : 0)));
  for (let reflection = 0; reflection < 3; reflection++) {
    const v = randomVector(n, random);
    const beta = 2 / inner(v, v);
    const av = multiplyVector(a, v);
    const gamma = beta * inner(v, av);  // (I - βvvᵀ) A (I - βvvᵀ) = A - v wᵀ - w vᵀ with w = β(Av - γ/2 v)
    const w = av.map((value, i) => beta * (value - gamma / 2 * v[i]));
    a = a.map((row, i) => row.map((value, j) => value - (v[i] * w[j] + w[i] * v[j])));
  }
  return a;
}
