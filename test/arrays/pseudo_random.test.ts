import test from 'ava';
import {pseudoRandom} from '../../src/arrays/pseudo_random';
import {norm} from '../../src/arrays/vectors';

test('the same on each call, uniform in [-1, 1], another sequence for another seed', t => {
  const x = pseudoRandom(200000);
  t.deepEqual(pseudoRandom(200000), x);
  t.deepEqual(pseudoRandom(5), x.slice(0, 5));
  t.notDeepEqual(pseudoRandom(5, 2), x.slice(0, 5));
  t.true(x.every(value => value >= -1 && value <= 1));
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  t.true(Math.abs(mean) < 0.01 && Math.abs(norm(x) ** 2 / x.length - 1 / 3) < 0.01);
});

test('no two rows of a tensor of usual sizes are equal', t => {
  const x = pseudoRandom(1024 * 1024);
  for (const width of [2 ** 8, 2 ** 10, 784, 28 * 28 * 16]) {
    const starts = new Set<string>();
    for (let from = 0; from + width <= x.length; from += width) {
      starts.add(x.subarray(from, from + 4).join());
    }
    t.is(starts.size, Math.floor(x.length / width));
  }
});
