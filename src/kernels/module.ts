import {bytes} from './bytes';

/** The builds of the module, the fastest first. */
export const BUILDS = ['relaxed', 'simd'] as const;

export type Build = typeof BUILDS[number];

/**
 * The bytes of a build. The inlined bytes are the build with plain SIMD for shared memory, and two
 * replacements of equal length give the others, so that the bundle holds the code once.
 */
export function bytesOf(build: Build, shared: boolean): Uint8Array<ArrayBuffer> {
  const text = atob(bytes);
  const code = Uint8Array.from(text, c => c.charCodeAt(0));
  if (!shared) {
    unshare(code);
  }
  if (build === 'relaxed') {
    fuse(code);
  }
  return code;
}

/**
 * Turns the import of a shared memory of 0 to 65536 pages into that of any other memory. The limits
 * "shared with maximum, 0, 65536" and "no maximum, 0" take five bytes each, since LEB128 numbers
 * may have leading zeros.
 */
function unshare(code: Uint8Array): void {
  const name = [0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 0x02];   // "memory", a memory
  const at = code.findIndex((_, i) => name.every((byte, j) => code[i + j] === byte)) + name.length;
  code.set([0x00, 0x80, 0x80, 0x80, 0x00], at);
}

/**
 * Turns multiplications that an addition follows into fused ones. The code `a b mul, c, add` with a
 * local variable c becomes `a b nop nop nop, c, madd`: the operands lie on the stack in the order
 * that `relaxed_madd` takes. The same holds for float64.
 */
function fuse(code: Uint8Array): void {
  const [SIMD, ONE, LOCAL_GET, NOP] = [0xfd, 0x01, 0x20, 0x01];
  for (const [multiply, add, fused] of [[0xe6, 0xe4, 0x85], [0xf2, 0xf0, 0x87]]) {
    const pattern = [SIMD, multiply, ONE, LOCAL_GET, -1, SIMD, add, ONE];
    for (let i = 0; i + pattern.length <= code.length; i++) {
      if (pattern.every((byte, j) => byte === -1 || code[i + j] === byte)) {
        code.set([NOP, NOP, NOP, LOCAL_GET, code[i + 4], SIMD, fused, 0x02], i);
      }
    }
  }
}

const modules = new Map<boolean, WebAssembly.Module | null>();

/** The fastest build that the engine takes, compiled once. Null if it takes none. */
export function moduleFor(shared: boolean): WebAssembly.Module | null {
  let module = modules.get(shared);
  if (module === undefined) {
    module = compile(shared);
    modules.set(shared, module);
  }
  return module;
}

/**
 * A policy of the page may forbid compilation, and some engines have no WebAssembly or no `atob`.
 */
function compile(shared: boolean): WebAssembly.Module | null {
  try {
    const build = BUILDS.find(build => WebAssembly.validate(bytesOf(build, shared)));
    return build === undefined ? null : new WebAssembly.Module(bytesOf(build, shared));
  } catch {
    return null;
  }
}
