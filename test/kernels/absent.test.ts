import test from 'ava';
import {kernelsOn} from '../../src/kernels/kernels';
import {ownKernels} from '../../src/kernels/own_kernels';

test('without WebAssembly, and where a policy forbids compilation, there are no kernels', t => {
  const real = globalThis.WebAssembly;
  const memories = [false, true].map(shared => new real.Memory({initial: 1, maximum: 1, shared}));
  class Module {
    constructor() {
      throw new real.CompileError('blocked by Content Security Policy');
    }
  }
  try {
    globalThis.WebAssembly = {...real, Memory: real.Memory, validate: real.validate, Module} as never;
    t.is(kernelsOn(memories[0]), null);
    globalThis.WebAssembly = undefined as never;
    t.is(kernelsOn(memories[1]), null);
    t.is(ownKernels(), null);
  } finally {
    globalThis.WebAssembly = real;
  }
  t.is(ownKernels(), null, 'the answer stays');
});
