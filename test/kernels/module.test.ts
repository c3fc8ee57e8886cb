import {readFileSync} from 'node:fs';
import path from 'node:path';
import test from 'ava';
import {MODE, kernelsOn, scratchBytes} from '../../src/kernels/kernels';
import {BUILDS, bytesOf} from '../../src/kernels/module';
import {withKernels} from '../../src/kernels/allowed';
import {kernelsFor, ownKernels} from '../../src/kernels/own_kernels';
import {KernelSpace, builds, numbers} from '../support/kernel_space';

test('the inlined bytes are those of the source', async t => {
  const {builtBytes} = await import(path.resolve('src/kernels/build.mjs')) as {builtBytes: () => Promise<string>};
  t.is(readFileSync('src/kernels/bytes.ts', 'utf8'), await builtBytes());
});

test('a module below the limit of synchronous compilation', t => {
  for (const build of BUILDS) {
    t.true(bytesOf(build, false).length < 16384);
    t.is(bytesOf(build, false).length, bytesOf(build, true).length);
  }
});

test('Node takes plain SIMD at least', t => t.true(builds.includes('simd')));

test('the fused build has as many fused multiplications as the loops need', t => {
  const code = Buffer.from(bytesOf('relaxed', false));
  let count = 0;
  for (let at = code.indexOf('fd8502', 'hex'); at >= 0; at = code.indexOf('fd8502', at + 1, 'hex')) {
    count++;
  }
  t.true(count >= 13, `${count}`);   // eight of the tile, five of inner products
});

/** A Aᵀ for a [3, 5] and a sum in float64. */
function productOn(memory: WebAssembly.Memory, at: number): {found: number[]; expected: number[]} {
  const a = numbers(15, 7);
  new Float32Array(memory.buffer).set(a, at / 4);
  kernelsOn(memory)!.product(at, 5, 1, at, 1, 5, at + 64, 3, 3, 5, 3, MODE.set, 0, 0, 0, at + 128);
  const expected = [0, 1, 2].flatMap(i => [0, 1, 2].map(j => [0, 1, 2, 3, 4].reduce((sum, p) => sum + a[5 * i + p] * a[5 * j + p], 0)));
  return {found: [...new Float32Array(memory.buffer, at + 64, 9)], expected};
}

test('memories with and without a maximum, shared and not', t => {
  for (const descriptor of [{initial: 10}, {initial: 10, maximum: 10}, {initial: 10, maximum: 65536}, {initial: 10, maximum: 32768, shared: true},
    {initial: 10, maximum: 65536, shared: true}]) {
    const memory = new WebAssembly.Memory(descriptor);
    t.is(kernelsOn(memory), kernelsOn(memory));
    const {found, expected} = productOn(memory, 256);
    found.forEach((value, i) => t.true(Math.abs(value - expected[i]) < 1e-6, JSON.stringify(descriptor)));
  }
});

test('a memory that grows between two products', t => {
  const memory = new WebAssembly.Memory({initial: 5});
  productOn(memory, 64);
  memory.grow(20);
  const {found, expected} = productOn(memory, 15 * 65536);
  found.forEach((value, i) => t.true(Math.abs(value - expected[i]) < 1e-6));
});

for (const build of builds) {
  test(`${build}: a shared memory gives the same numbers`, t => {
    const results = [false, true].map(shared => {
      const space = new KernelSpace(build, shared);
      const [a, c] = [space.put(numbers(63, 1)), space.area(4 * 81)];
      space.kernels.product(a, 7, 1, a, 1, 7, c, 9, 9, 7, 9, MODE.set, 0, 0, 0, space.scratch(9, 7, 9));
      return [...space.read(c, 81)];
    });
    t.deepEqual(results[0], results[1]);
  });
}

test('if the engine refuses an instance, there are no kernels on that memory', t => {
  const memory = new WebAssembly.Memory({initial: 1});
  const {Instance} = WebAssembly;
  try {
    WebAssembly.Instance = class { constructor() { throw new WebAssembly.CompileError('forbidden'); } } as never;
    t.is(kernelsOn(memory), null);
  } finally {
    WebAssembly.Instance = Instance;
  }
  t.is(kernelsOn(memory), null, 'the answer stays');
});

test('own kernels: areas are nested, end with their call and let the memory grow', t => {
  const own = ownKernels()!;
  t.is(ownKernels(), own);
  const first = own.withSpace(100, pointer => pointer);
  t.is(own.withSpace(4, pointer => pointer), first);
  own.withSpace(100, outer => {
    own.floats(outer, 25).fill(3);
    const inner = own.withSpace(3 * 65536, pointer => {
      own.floats(pointer, 3 * 16384).fill(4);
      return pointer;
    });
    t.true(inner >= outer + 100 && inner % 16 === 0);
    t.true(own.floats(outer, 25).every(value => value === 3));
  });
  t.throws(() => own.withSpace(8, () => { throw new Error('within'); }), {message: 'within'});
  t.is(own.withSpace(4, pointer => pointer), first);
  t.throws(() => own.withSpace(2 ** 33, () => 0), {instanceOf: RangeError});
  t.is(kernelsFor(2 ** 33), null);
  t.is(kernelsFor(2 ** 10), own);
  t.is(withKernels(false, () => kernelsFor(8)), null);
  t.is(own.withSpace(4, pointer => pointer), first);
});

test('scratch space covers the blocks', t => {
  t.true(scratchBytes(128, 784, 128) < 2 ** 20);
  t.true(scratchBytes(10000, 10000, 10000) < 2 ** 21);
});
