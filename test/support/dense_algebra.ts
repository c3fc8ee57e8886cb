/** Plain elimination for references: small matrices as lists of rows. */

/** The inverse of a matrix, by Gauss and Jordan with pivots. */
export function inverse(matrix: readonly number[][]): number[][] {
  const n = matrix.length;
  const a = matrix.map((row, i) => [...row, ...row.map((_, j) => i === j ? 1 : 0)]);
  for (let k = 0; k < n; k++) {
    const p = a.reduce((best, row, i) => i >= k && Math.abs(row[k]) > Math.abs(a[best][k]) ? i : best, k);
    [a[k], a[p]] = [a[p], a[k]];
    const pivot = a[k][k];
    a[k] = a[k].map(x => x / pivot);
    a.forEach((row, i) => {
      const factor = row[k];
      if (i !== k && factor !== 0) {
        a[i] = row.map((x, j) => x - factor * a[k][j]);
      }
    });
  }
  return a.map(row => row.slice(n));
}

/** ln det of a symmetric positive definite matrix. */
export function logDeterminant(matrix: readonly number[][]): number {
  const a = matrix.map(row => [...row]);
  let sum = 0;
  for (let k = 0; k < a.length; k++) {
    sum += Math.log(a[k][k]);
    for (let i = k + 1; i < a.length; i++) {
      const factor = a[i][k] / a[k][k];
      a[i] = a[i].map((x, j) => x - factor * a[k][j]);
    }
  }
  return sum;
}
