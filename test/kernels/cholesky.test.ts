import test from 'ava';
import {cholesky} from '../../src/arrays/cholesky';
import {choleskyScratchBytes} from '../../src/kernels/kernels';
import {KernelSpace, builds, numbers} from '../support/kernel_space';

/** S Sᵀ / n + diagonal·I, whose entries above the diagonal are replaced by NaN. */
function positive(n: number, diagonal: number): Float64Array {
  const s = numbers(n * n, n);
  const a = new Float64Array(n * n).fill(NaN);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = i === j ? diagonal : 0;
      for (let k = 0; k < n; k++) {
        sum += s[i * n + k] * s[j * n + k] / n;
      }
      a[i * n + j] = sum;
    }
  }
  return a;
}

/** The largest error of the lower triangle of L Lᵀ. */
function residual(a: ArrayLike<number>, l: ArrayLike<number>, n: number): number {
  let worst = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = -a[i * n + j];
      for (let k = 0; k <= j; k++) {
        sum += l[i * n + k] * l[j * n + k];
      }
      worst = !(Math.abs(sum) <= worst) ? Math.abs(sum) : worst;
    }
  }
  return worst;
}

const largestDifference = (x: ArrayLike<number>, y: ArrayLike<number>): number =>
  Array.from(x).reduce((worst, value, i) => !(Math.abs(value - y[i]) <= worst) ? Math.abs(value - y[i]) : worst, 0);

const sizes = [1, 2, 3, 4, 5, 7, 8, 47, 48, 49, 50, 51, 97, 127, 128, 129];

for (const build of builds) {
  test(`${build}: factors and solutions in float64`, t => {
    const space = new KernelSpace(build);
    for (const n of sizes) {
      space.clear();
      const a = positive(n, 0.1);
      const b = Float64Array.from(numbers(n, 5));
      const [at, x] = [space.put64(a), space.put64(b)];
      t.is(space.kernels.cholesky64(at, n), -1);
      const l = space.read64(at, n * n);
      t.true(residual(a, l, n) < 1e-14, `${n}: ${residual(a, l, n)}`);
      t.true(l.every((value, p) => p % n <= Math.floor(p / n) || Number.isNaN(value)), `${n}: above the diagonal`);
      space.kernels.solve64(at, n, x);
      const reference = cholesky(a.slice(), n);
      t.true(reference.ok && largestDifference(space.read64(x, n), reference.solve(b)) < 1e-11, `solution of ${n}`);
      space.check(t, `${n}`);
    }
  });

  test(`${build}: factors and solutions in float32`, t => {
    const space = new KernelSpace(build);
    for (const n of [...sizes, 300]) {
      space.clear();
      const a = Float32Array.from(positive(n, 1));
      const b = Float64Array.from(numbers(n, 5));
      const [at, x] = [space.put(a), space.put64(b)];
      t.is(space.kernels.cholesky32(at, n, space.area(choleskyScratchBytes(n))), -1);
      const l = space.read(at, n * n);
      t.true(residual(a, l, n) < 1e-6, `${n}: ${residual(a, l, n)}`);
      space.kernels.solve32(at, n, x);
      const reference = cholesky(Float64Array.from(a), n);
      t.true(reference.ok && largestDifference(space.read64(x, n), reference.solve(b)) < 1e-5, `solution of ${n}`);
      space.check(t, `${n}`);
    }
  });

  test(`${build}: the pivot of a breakdown is that of the reference`, t => {
    const space = new KernelSpace(build);
    for (const n of [1, 2, 5, 6, 49, 51, 130]) {
      for (const at of new Set([0, 1, n >> 1, n - 2, n - 1].filter(i => i >= 0 && i < n))) {
        for (const value of [-1, 0, NaN, Infinity, -Infinity]) {
          space.clear();
          const a = positive(n, 0.1);
          a[at * n + at] = value;
          const expected = cholesky(a.slice(), n);
          t.false(expected.ok);
          t.is(space.kernels.cholesky64(space.put64(a), n), expected.ok ? -1 : expected.pivot, `${n}: ${value} at ${at}`);
          t.is(space.kernels.cholesky32(space.put(a), n, space.area(choleskyScratchBytes(n))), expected.ok ? -1 : expected.pivot, `float32, ${n}: ${value} at ${at}`);
          space.check(t, `${n}`);
        }
      }
    }
  });

  test(`${build}: a NaN or an infinity beside the diagonal breaks the factor down`, t => {
    const space = new KernelSpace(build);
    for (const n of [2, 5, 9, 50, 101]) {
      for (const value of [NaN, Infinity]) {
        for (const row of [1, n >> 1, n - 1]) {
          space.clear();
          const a = positive(n, 0.1);
          a[row * n] = value;
          t.is(space.kernels.cholesky64(space.put64(a), n), row);
          t.true(space.kernels.cholesky32(space.put(a), n, space.area(choleskyScratchBytes(n))) >= 0);
        }
      }
    }
  });

  test(`${build}: singular matrices of any scale are told from those of full rank`, t => {
    const space = new KernelSpace(build);
    for (const scale of [1e-200, 1, 1e200]) {
      for (const n of [3, 6, 70]) {
        space.clear();
        const ones = new Float64Array(n * n).fill(scale);
        t.is(space.kernels.cholesky64(space.put64(ones), n), 1);
        const a = positive(n, 0.1).map(value => value * scale);
        t.is(space.kernels.cholesky64(space.put64(a), n), -1);
      }
    }
  });
}
