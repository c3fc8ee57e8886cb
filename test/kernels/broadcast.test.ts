import test from 'ava';
import {COMBINED} from '../../src/kernels/kernels';
import {KernelSpace, builds, numbers} from '../support/kernel_space';

const functions: Record<keyof typeof COMBINED, (a: number, b: number) => number> = {
  sum: (a, b) => a + b,
  difference: (a, b) => a - b,
  product: (a, b) => a * b,
};

/** By name: the distances of two rows and of two columns of an operand in an output of c columns. */
const operands = {whole: (c: number) => [c, 1], row: () => [0, 1], column: () => [1, 0], number: () => [0, 0]} as const;

for (const build of builds) {
  test(`${build}: functions of two operands that broadcast, with NaN and infinities`, t => {
    const space = new KernelSpace(build);
    for (const [r, c] of [[0, 3], [1, 1], [3, 5], [5, 8], [127, 3], [2, 129]]) {
      for (const kind of Object.keys(COMBINED) as (keyof typeof COMBINED)[]) {
        for (const strides of Object.values(operands)) {
          for (const [left, right] of [[operands.whole, strides], [strides, operands.whole]]) {
            space.clear();
            const [a, b] = [numbers(r * c, 1), numbers(r * c, 2)];
            [a[0], b[r * c - 1]] = [NaN, Infinity];
            const [aAt, bAt, out] = [space.put(a), space.put(b), space.area(4 * r * c)];
            const [[aRow, aColumn], [bRow, bColumn]] = [left(c), right(c)];
            space.kernels.combined(COMBINED[kind], aAt, aRow, aColumn, bAt, bRow, bColumn, out, r, c);
            t.deepEqual(space.read(out, r * c), Float32Array.from({length: r * c}, (_, at) => {
              const [i, j] = [Math.floor(at / c), at % c];
              return functions[kind](a[i * aRow + j * aColumn], b[i * bRow + j * bColumn]);
            }), `${kind} ${r} x ${c}`);
            space.check(t, kind);
          }
        }
      }
    }
  });

  test(`${build}: a + factor b, also in place`, t => {
    const space = new KernelSpace(build);
    for (const n of [0, 1, 3, 4, 5, 127, 129]) {
      for (const inPlace of [false, true]) {
        space.clear();
        const [a, b] = [numbers(n, 1), numbers(n, 2)];
        const [aAt, bAt] = [space.put(a), space.put(b)];
        const out = inPlace ? aAt : space.area(4 * n);
        space.kernels.addScaled(aAt, 0.3, bAt, out, n);
        t.deepEqual(space.read(out, n), a.map((value, i) => value + Math.fround(Math.fround(0.3) * b[i])));
        space.check(t, String(n));
      }
    }
  });
}
