/**
 * out += scale · A u for a square row-major A, float64. Four sums run side by side: one alone would wait for each
 * addition to finish before it starts the next.
 */
export function addProduct(scale: number, matrix: Float64Array, u: Float64Array, out: Float64Array): void {
  const n = u.length;
  const whole = n - n % 4;
  for (let i = 0; i < n; i++) {
    const row = i * n;
    let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (let j = 0; j < whole; j += 4) {
      s0 += matrix[row + j] * u[j];
      s1 += matrix[row + j + 1] * u[j + 1];
      s2 += matrix[row + j + 2] * u[j + 2];
      s3 += matrix[row + j + 3] * u[j + 3];
    }
    for (let j = whole; j < n; j++) {
      s0 += matrix[row + j] * u[j];
    }
    out[i] += scale * (s0 + s1 + (s2 + s3));
  }
}
