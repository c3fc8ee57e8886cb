import test from 'ava';
import {KernelSpace, builds, numbers} from '../support/kernel_space';

for (const build of builds) {
  test(`${build}: products of rows`, t => {
    const space = new KernelSpace(build);
    for (const [r, c] of [[0, 3], [1, 1], [3, 5], [5, 8], [127, 3], [2, 129], [3, 4096]]) {
      space.clear();
      const [x, y] = [numbers(r * c, 1), numbers(r * c, 2)];
      const [xAt, yAt, out] = [space.put(x), space.put(y), space.area(4 * r)];
      space.kernels.rowDots(xAt, yAt, out, r, c);
      space.read(out, r).forEach((value, i) => {
        const [row, other] = [x.subarray(i * c, (i + 1) * c), y.subarray(i * c, (i + 1) * c)];
        const size = row.reduce((sum, entry, j) => sum + Math.abs(entry * other[j]), 0);
        const expected = row.reduce((sum, entry, j) => sum + entry * other[j], 0);
        t.true(Math.abs(value - expected) <= 2 ** -20 * size, `${r} x ${c}`);
      });
      space.check(t, `${r} x ${c}`);
    }
  });

  test(`${build}: whether all entries are finite`, t => {
    const space = new KernelSpace(build);
    for (const n of [1, 3, 4, 5, 127, 129]) {
      for (const bad of [null, NaN, Infinity, -Infinity]) {
        for (const at of [0, n >> 1, n - 1]) {
          space.clear();
          const x = numbers(n, n).map(value => value * 3e38);
          x[at] = bad ?? x[at];
          t.is(space.kernels.areFinite(space.put(x), n), bad === null ? 1 : 0, `${bad} at ${at} of ${n}`);
        }
      }
    }
    space.clear();
    t.is(space.kernels.areFinite(space.area(4), 0), 1);
  });
}
