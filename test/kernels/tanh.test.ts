import test from 'ava';
import {KernelSpace, builds} from '../support/kernel_space';

/** The distance of two neighbouring float32 numbers at x. */
const spacing = (x: number): number => 2 ** Math.max(-149, Math.floor(Math.log2(Math.abs(x))) - 23);

const SPECIAL = [0, -0, 1e-45, -1e-45, 1.17549435e-38, 0.625, 0.6249999, -0.625, 9.01, 9.02, 10, 3.4e38, Infinity, -Infinity, NaN];

for (const build of builds) {
  test(`${build}: tanh is right to 2 units in the last place over all float32 numbers, odd, and at most 1`, t => {
    const space = new KernelSpace(build);
    const each = 8009;   // a prime number of bits between two numbers of the sweep
    const bits = Uint32Array.from({length: Math.floor(0x7f800000 / each)}, (_, i) => i * each);
    const dense = Float32Array.from({length: 50_000}, (_, i) => i * 2e-4);
    const x = Float32Array.from([...new Float32Array(bits.buffer), ...dense]);
    const [at, out] = [space.put(x), space.area(4 * x.length)];
    space.kernels.tanh(at, out, x.length);
    const found = space.read(out, x.length);
    let worst = 0;
    found.forEach((value, i) => {
      const expected = Math.tanh(x[i]);
      const error = expected === 0 ? Math.abs(value) : Math.abs(value - expected) / spacing(Math.fround(expected));
      worst = Math.max(worst, value <= 1 ? error : Infinity);
    });
    t.log(`largest error: ${worst.toFixed(2)} units`);
    t.true(worst <= 2, `${worst} units`);
    space.check(t, 'sweep');
    space.clear();
    const [negative, mirrored] = [space.put(x.map(value => -value)), space.area(4 * x.length)];
    space.kernels.tanh(negative, mirrored, x.length);
    t.true(space.read(mirrored, x.length).every((value, i) => Object.is(value, -found[i])));
  });

  test(`${build}: tanh of special numbers, of all lengths, also in place`, t => {
    const space = new KernelSpace(build);
    for (let n = 0; n <= SPECIAL.length; n++) {
      for (const inPlace of [false, true]) {
        space.clear();
        const x = Float32Array.from(SPECIAL.slice(SPECIAL.length - n));
        const at = space.put(x);
        const out = inPlace ? at : space.area(4 * n);
        space.kernels.tanh(at, out, n);
        space.read(out, n).forEach((value, i) => {
          const expected = Math.fround(Math.tanh(x[i]));
          t.true(Object.is(value, expected) || Math.abs(value - expected) <= 2 * spacing(expected), `tanh(${x[i]}) is ${value}`);
        });
        space.check(t, `${n}`);
      }
    }
  });
}
