import {withKernels} from '../../src/kernels/allowed';
import test from 'ava';
import {cholesky} from '../../src/arrays/cholesky';
import {blockedCholesky} from '../../src/solve/blocked_cholesky';
import type {Multiply} from '../../src/solve/blocked_cholesky';
import {doublePrecision, mixedPrecision} from '../../src/solve/mixed_precision';
import type {Factorize} from '../../src/solve/mixed_precision';
import {addProduct} from '../../src/arrays/symmetric';
import {norm, randomNumbers, randomVector, relativeDistance} from './dense';

/** Sizes around whole blocks of 96 columns; from 384 on the float64 factorization is not alone. */
const SIZES = [384, 483];

/** A product in float32, as backends compute it. */
function product(a: Float32Array, b: Float32Array, m: number, k: number, n: number): Float32Array {
  const out = new Float32Array(m * n);
  const row = new Float32Array(n);
  for (let i = 0; i < m; i++) {
    row.fill(0);
    for (let l = 0; l < k; l++) {
      const factor = a[i * k + l];
      for (let j = 0; j < n; j++) {
        row[j] += factor * b[l * n + j];
      }
    }
    out.set(row, i * n);
  }
  return out;
}

const mixed = (multiply: Multiply): Factorize => mixedPrecision(blockedCholesky(multiply));

/** A matrix of eigenvalues f(i / (n - 1)), turned by a few reflections x - 2v vᵀx. */
function withSpectrum(n: number, f: (t: number) => number, seed: number): Float64Array {
  const random = randomNumbers(seed);
  const a = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    a[i * n + i] = f(i / (n - 1));
  }
  for (let reflection = 0; reflection < 3; reflection++) {
    const raw = randomVector(n, random);
    const v = Float64Array.from(raw, x => x / norm(raw));
    const image = new Float64Array(n);
    addProduct(1, a, v, image);
    const along = v.reduce((sum, x, i) => sum + x * image[i], 0);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j <= i; j++) {
        a[i * n + j] = a[j * n + i] = a[i * n + j] - 2 * (v[i] * image[j] + image[i] * v[j]) + 4 * along * v[i] * v[j];
      }
    }
  }
  return a;
}

const falling = (condition: number, scale = 1) => (t: number): number => scale * condition ** -t;

const right = (n: number): Float64Array => Float64Array.from(randomVector(n, randomNumbers(n)));

function solved(factored: ReturnType<typeof doublePrecision>, b: Float64Array): Float64Array {
  const x = factored.ok ? factored.solve(b) : factored;
  if ('ok' in x) {
    throw new Error(`breakdown at pivot ${x.pivot}`);
  }
  return x;
}

function defect(a: Float64Array, shift: number, x: Float64Array, b: Float64Array): number {
  const r = b.map((value, i) => value - shift * x[i]);
  addProduct(-1, a, x, r);
  return norm(r) / norm(b);
}

test('the solution of the float64 factorization, at every condition number', t => {
  let products = 0;
  const counted: typeof product = (...args) => {
    products++;
    return product(...args);
  };
  for (const n of SIZES) {
    for (const condition of [1, 1e3, 1e6, 1e9]) {
      const a = withSpectrum(n, falling(condition), n);
      const copy = a.slice();
      const b = right(n);
      for (const shift of [0, 1e-3]) {
        products = 0;
        const x = solved(mixed(counted)(a, n, shift), b);
        withKernels(false, () => solved(mixed(counted)(a, n, shift), b));
        const exact = solved(doublePrecision(a, n, shift), b);
        const worst = Math.min(condition, shift === 0 ? Infinity : 1 / shift);
        t.true(products > 0);
        t.true(defect(a, shift, x, b) <= Math.max(1e-10, worst * n * 2 ** -53), `n ${n}, condition ${condition}, shift ${shift}: ${defect(a, shift, x, b)}`);
        t.true(relativeDistance(x, exact) <= 1e-10 * worst, `n ${n}, condition ${condition}, shift ${shift}: ${relativeDistance(x, exact)}`);
      }
      t.deepEqual(a, copy);
    }
  }
});

test('the scale of the matrix and of its rows does not matter, where float32 would overflow too', t => {
  const n = 400;
  const random = randomNumbers(5);
  const b = right(n);
  for (const scale of [1e-60, 1e60]) {
    const a = withSpectrum(n, falling(1e3, scale), 3);
    t.true(relativeDistance(solved(mixed(product)(a, n, 0), b), solved(doublePrecision(a, n, 0), b)) < 1e-7);
  }
  const a = withSpectrum(n, falling(1e3), 3);
  const s = Float64Array.from({length: n}, () => 10 ** (20 * random()));
  const scaled = a.map((value, p) => s[Math.floor(p / n)] * value * s[p % n]);
  const image = new Float64Array(n);
  addProduct(1, scaled, b.map((value, i) => value / s[i]), image);
  const x = solved(mixed(product)(scaled, n, 0), image);
  t.true(relativeDistance(x.map((value, i) => value * s[i]), b) < 1e-6);
});

test('two steps of refinement with some damping; conjugate gradients where refinement is slow or diverges', t => {
  const n = 400;
  const a = withSpectrum(n, falling(1e3), 23);
  const b = right(n);
  const exact = solved(doublePrecision(a, n, 0.01), b);
  for (const [scale, atMost] of [[1, 2], [0.5, 6], [3, 6], [-1, 6]]) {
    let steps = 0;
    const factored = mixedPrecision((...args) => {
      const precondition = blockedCholesky(product)(...args)!;
      return r => {
        steps++;
        return precondition(r).map(x => scale * x);
      };
    })(a, n, 0.01);
    t.true(relativeDistance(solved(factored, b), exact) < 1e-8);
    t.true(steps > 0 && steps <= atMost, `${scale}: ${steps}`);
  }
});

test('a product that is wrong costs time only', t => {
  const n = 400;
  const b = right(n);
  const a = withSpectrum(n, falling(100), 7);
  const exact = solved(doublePrecision(a, n, 0.01), b);
  const wrong: Array<typeof product> = [
    (...args) => product(...args).map(x => x * 1.01), (...args) => product(...args).map((x, i) => x + Math.sin(i)),
    (...args) => product(...args).fill(0), (...args) => product(...args).fill(NaN), (...args) => product(...args).fill(Infinity),
  ];
  for (const multiply of wrong) {
    t.true(relativeDistance(solved(mixed(multiply)(a, n, 0.01), b), exact) < 1e-8);
  }
});

test('where float32 breaks down the result is that of the float64 factorization, to the last bit', t => {
  const n = 400;
  const b = right(n);
  const a = withSpectrum(n, t => (t < 0.5 ? 1 : 1e-11), 11);
  t.deepEqual(solved(mixed(product)(a, n, 0), b), solved(doublePrecision(a, n, 0), b));
});

test('what is no positive definite matrix breaks down as in float64', t => {
  const n = 400;
  const b = right(n);
  const bad = (change: (a: Float64Array) => void): Float64Array => {
    const a = withSpectrum(n, falling(10), 13);
    change(a);
    return a;
  };
  const matrices = [
    withSpectrum(n, t => t - 0.1, 13), withSpectrum(n, t => (t < 0.9 ? 1 : 0), 13), withSpectrum(n, t => (t === 1 ? -1e-9 : 1), 13), new Float64Array(n * n),
    bad(a => a[7 * n + 7] = -1), bad(a => a[300 * n + 200] = a[200 * n + 300] = NaN), bad(a => a[300 * n + 200] = a[200 * n + 300] = Infinity),
    bad(a => a[9 * n + 9] = NaN),
  ];
  for (const [i, a] of matrices.entries()) {
    const expected = cholesky(a.slice(), n);
    t.false(expected.ok);
    const factored = mixed(product)(a, n, 0);
    t.deepEqual(factored.ok ? factored.solve(b) : factored, expected, String(i));
  }
});

test('many right-hand sides, zero among them', t => {
  const n = 400;
  const a = withSpectrum(n, falling(1e3), 17);
  const factored = mixed(product)(a, n, 0.01);
  t.deepEqual(solved(factored, new Float64Array(n)), new Float64Array(n));
  for (const scale of [1, 1e-150, 1e150]) {
    const b = right(n).map(x => scale * x);
    const before = b.slice();
    t.true(relativeDistance(solved(factored, b).map(x => x / scale), solved(doublePrecision(a, n, 0.01), before).map(x => x / scale)) < 1e-7);
    t.deepEqual(b, before);
  }
});

test('small matrices are factored in float64', t => {
  const n = 383;
  const a = withSpectrum(n, falling(10), 19);
  const never = (): Float32Array => {
    throw new Error('multiplied');
  };
  t.deepEqual(solved(mixed(never)(a, n, 0.1), right(n)), solved(doublePrecision(a, n, 0.1), right(n)));
});
