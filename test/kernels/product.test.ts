import test, {type ExecutionContext} from 'ava';
import {MODE, scratchBytes} from '../../src/kernels/kernels';
import {KernelSpace, builds, numbers} from '../support/kernel_space';

type Mode = keyof typeof MODE;

/** A factor as it lies in memory: with rows or columns that are contiguous, or neither, and room between them. */
interface Layout {
  row: number;
  column: number;
}

const layouts = (rows: number, columns: number): Layout[] =>
  [{row: columns, column: 1}, {row: 1, column: rows}, {row: columns + 3, column: 1}, {row: 2, column: 2 * rows + 1}];

interface Product {
  m: number; k: number; n: number;
  left: number; right: number;
  mode: Mode;
  lower: 0 | 1;
  gap: number;
  shift?: number;
}

const span = (rows: number, columns: number, {row, column}: Layout): number => (rows - 1) * row + (columns - 1) * column + 1;

/** Runs a product and compares each entry with a sum in float64. Entries above the diagonal may be anything of the two, if `lower` is set. */
function compare(t: ExecutionContext, space: KernelSpace, {m, k, n, left, right, mode, lower, gap, shift = 0}: Product,
    poison?: (a: Float32Array, b: Float32Array) => void): void {
  const title = JSON.stringify({m, k, n, left, right, mode, lower, gap, shift});
  space.clear();
  const [aLayout, bLayout] = [layouts(m, k)[left], layouts(k, n)[right]];
  const [a, b] = [numbers(Math.max(0, span(m, k, aLayout)), 1), numbers(Math.max(0, span(k, n, bLayout)), 2)];
  poison?.(a, b);
  const cRow = n + gap;
  const [c, other] = [numbers(m * cRow, 3), numbers(m * cRow, 4)];
  const [aAt, bAt, cAt, otherAt] = [a, b, c, other].map(values => space.put(values));
  const scratch = space.scratch(m, k, n);
  space.kernels.product(aAt, aLayout.row, aLayout.column, bAt, bLayout.row, bLayout.column, cAt, cRow, m, k, n, MODE[mode], otherAt, shift, lower, scratch);
  const found = space.read(cAt, m * cRow);
  let wrong = '';
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < cRow; j++) {
      const at = i * cRow + j;
      let sum = 0, size = 0;
      for (let p = 0; p < k && j < n; p++) {
        const term = a[i * aLayout.row + p * aLayout.column] * b[p * bLayout.row + j * bLayout.column];
        sum += term;
        size += Math.abs(term);
      }
      const factor = mode.endsWith('Hadamard') ? other[at] + shift : mode === 'subtract' ? -1 : 1;
      const base = mode.startsWith('set') ? 0 : c[at];
      const expected = j >= n ? c[at] : base + factor * sum;
      const bound = 2 ** -22 * (Math.abs(base) + (Math.abs(factor) + 1) * size * Math.max(1, Math.sqrt(k) / 4) + 1e-30);
      const right = Object.is(found[at], expected) || Math.abs(found[at] - expected) <= bound || !Number.isFinite(expected) && Object.is(Math.fround(expected), found[at]);
      const untouched = lower === 1 && j > i && found[at] === c[at];
      if (!right && !untouched && wrong === '') {
        wrong = `[${i}, ${j}] is ${found[at]}, not ${expected}`;
      }
    }
  }
  t.is(wrong, '', title);
  space.check(t, title);
}

const sizes = [1, 2, 3, 4, 5, 7, 8, 9, 12, 31];

for (const build of builds) {
  test(`${build}: products of small sizes, in all layouts`, t => {
    const space = new KernelSpace(build);
    for (const m of sizes) {
      for (const k of [0, 1, 2, 5, 16]) {
        for (const n of sizes) {
          compare(t, space, {m, k, n, left: (m + k) % 4, right: (m + n) % 4, mode: 'set', lower: 0, gap: n % 3});
        }
      }
    }
    for (let left = 0; left < 4; left++) {
      for (let right = 0; right < 4; right++) {
        for (const [m, k, n] of [[5, 7, 9], [1, 9, 13], [13, 9, 1], [6, 1, 10], [1, 1, 1], [12, 8, 16], [1, 37, 1]]) {
          compare(t, space, {m, k, n, left, right, mode: 'add', lower: 0, gap: 1});
        }
      }
    }
  });

  test(`${build}: all modes, with one block and with several`, t => {
    const space = new KernelSpace(build);
    for (const mode of Object.keys(MODE) as Mode[]) {
      for (const [m, k, n] of [[5, 3, 11], [1, 5, 6], [6, 5, 1], [9, 255, 8], [3, 257, 5], [7, 600, 10], [1, 300, 9], [130, 5, 9], [131, 300, 17]]) {
        compare(t, space, {m, k, n, left: 0, right: 1, mode, lower: 0, gap: 2, shift: mode.endsWith('Hadamard') ? 1 : 0});
      }
    }
  });

  test(`${build}: odd sizes of several blocks in each direction`, t => {
    const space = new KernelSpace(build);
    compare(t, space, {m: 127, k: 129, n: 5, left: 0, right: 0, mode: 'set', lower: 0, gap: 0});
    compare(t, space, {m: 129, k: 5, n: 515, left: 1, right: 0, mode: 'set', lower: 0, gap: 1});
    compare(t, space, {m: 3, k: 515, n: 519, left: 0, right: 1, mode: 'subtract', lower: 0, gap: 0});
    compare(t, space, {m: 129, k: 259, n: 127, left: 0, right: 1, mode: 'addHadamard', lower: 1, gap: 0, shift: 1});
    compare(t, space, {m: 257, k: 3, n: 521, left: 1, right: 1, mode: 'setHadamard', lower: 0, gap: 3});
  });

  test(`${build}: the lower half, and its mirror image`, t => {
    const space = new KernelSpace(build);
    for (const n of [1, 2, 3, 4, 5, 8, 9, 11, 16, 67, 130]) {
      for (const k of [1, 9, 300]) {
        for (const mode of ['set', 'addHadamard'] as const) {
          compare(t, space, {m: n, k: n > 60 ? k % 290 : k, n, left: 0, right: 1, mode, lower: 1, gap: n % 2});
        }
      }
      space.clear();
      const [row, c] = [n + 2, numbers(n * (n + 2), n)];
      const pointer = space.put(c);
      space.kernels.mirror(pointer, n, row);
      const found = space.read(pointer, c.length);
      t.deepEqual(found, c.map((value, at) => {
        const [i, j] = [Math.floor(at / row), at % row];
        return j < n && j > i ? c[j * row + i] : value;
      }), `${n}`);
      space.check(t, `mirror of ${n}`);
    }
    compare(t, space, {m: 530, k: 2, n: 530, left: 0, right: 1, mode: 'set', lower: 1, gap: 0});
  });

  test(`${build}: tiles above the diagonal are left as they are`, t => {
    const space = new KernelSpace(build);
    const n = 24;
    const [a, c] = [space.put(numbers(n * 3, 1)), space.put(new Float32Array(n * n).fill(5))];
    space.kernels.product(a, 3, 1, a, 1, 3, c, n, n, 3, n, MODE.set, 0, 0, 1, space.scratch(n, 3, n));
    const found = space.read(c, n * n);
    t.true(found.every((value, at) => (value === 5) === (at % n >= 8 * (Math.floor(4 * Math.floor(Math.floor(at / n) / 4) / 8) + 1))));
  });

  test(`${build}: NaN and infinities go where a plain sum takes them`, t => {
    const space = new KernelSpace(build);
    for (const value of [NaN, Infinity, -Infinity]) {
      for (const [m, k, n] of [[6, 5, 11], [1, 9, 5], [7, 9, 1], [5, 270, 9], [3, 1, 3]]) {
        for (const right of [0, 1]) {
          compare(t, space, {m, k, n, left: 1 - right, right, mode: 'set', lower: 0, gap: 0}, (a, b) => {
            a[a.length >> 1] = value;
            b[b.length - 1] = value;
            b[0] = 0;
          });
        }
      }
    }
  });

  test(`${build}: what C held does not matter if it is set`, t => {
    const space = new KernelSpace(build);
    for (const mode of ['set', 'setHadamard'] as const) {
      for (const [m, k, n] of [[6, 5, 11], [8, 0, 8], [1, 9, 5], [7, 300, 9]]) {
        space.clear();
        const [a, b] = [numbers(m * k, 1), numbers(k * n, 2)];
        const [aAt, bAt, c, other] = [a, b, new Float32Array(m * n).fill(NaN), new Float32Array(m * n).fill(1)].map(values => space.put(values));
        space.kernels.product(aAt, k, 1, bAt, n, 1, c, n, m, k, n, MODE[mode], other, 0, 0, space.scratch(m, k, n));
        t.true(space.read(c, m * n).every(Number.isFinite), `${mode} ${m} ${k} ${n}`);
      }
    }
  });

  test(`${build}: sums of rows and of columns`, t => {
    const space = new KernelSpace(build);
    for (const [r, c] of [[1, 1], [3, 5], [5, 1], [1, 7], [127, 9], [6, 129]]) {
      space.clear();
      const x = numbers(r * c, r + c);
      const [pointer, rows, columns] = [space.put(x), space.area(4 * r), space.area(4 * c)];
      space.kernels.sumRows(pointer, rows, r, c, space.area(scratchBytes(r, c, 1)));
      space.kernels.sumColumns(pointer, columns, r, c, space.area(scratchBytes(1, r, c)));
      const [ofRows, ofColumns] = [new Float64Array(r), new Float64Array(c)];
      x.forEach((value, at) => {
        ofRows[Math.floor(at / c)] += value;
        ofColumns[at % c] += value;
      });
      const close = (found: Float32Array, expected: Float64Array): boolean => found.every((value, i) => Math.abs(value - expected[i]) <= 2e-6 * (r + c));
      t.true(close(space.read(rows, r), ofRows) && close(space.read(columns, c), ofColumns), `${r} ${c}`);
      space.check(t, `sums of ${r} x ${c}`);
    }
  });
}
