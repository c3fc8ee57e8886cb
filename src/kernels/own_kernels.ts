import {mayRunKernels} from './allowed';
import {kernelsOn, type Kernels} from './kernels';

const PAGE = 65536;

/**
 * The largest memory of a module with 32 bit pointers. It is reserved by engines, but not filled.
 */
const MAXIMUM_PAGES = 65536;

/** The kernels with a memory of their own, for typed arrays, which go in and out by copies. */
export class OwnKernels {
  /** The first byte that no area takes. */
  private top = 0;

  constructor(readonly kernels: Kernels, readonly memory: WebAssembly.Memory) {}

  /**
   * Calls f with the pointer to an area of so many bytes, a multiple of 16. The area ends with the
   * call. Calls may be nested. The memory may grow by it, and views of its buffer that were made
   * before are then empty.
   *
   * @throws RangeError if the engine gives no more memory.
   */
  withSpace<T>(bytes: number, f: (pointer: number) => T): T {
    const pointer = this.top;
    const top = pointer + 16 * Math.ceil(bytes / 16);
    const missing = top - this.memory.buffer.byteLength;
    if (missing > 0) {
      this.memory.grow(Math.ceil(missing / PAGE));
    }
    this.top = top;
    try {
      return f(pointer);
    } finally {
      this.top = pointer;
    }
  }

  /** A view of so many float32 numbers of the memory. */
  floats(pointer: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, pointer, length);
  }

  /** A view of so many float64 numbers of the memory, from a multiple of 8 bytes. */
  doubles(pointer: number, length: number): Float64Array {
    return new Float64Array(this.memory.buffer, pointer, length);
  }
}

let own: OwnKernels | null | undefined;

/**
 * The kernels with their own memory, with room for so many bytes; null if the engine takes no
 * build, or gives no more memory, or if kernels of our own may not run now.
 */
export function kernelsFor(bytes: number): OwnKernels | null {
  const found = mayRunKernels() ? ownKernels() : null;
  try {
    found?.withSpace(bytes, () => undefined);
    return found;
  } catch {
    return null;
  }
}

/** The kernels with their own memory, made at the first call. Null if the engine takes no build. */
export function ownKernels(): OwnKernels | null {
  return own ??= own === undefined ? makeOwn() : null;
}

function makeOwn(): OwnKernels | null {
  try {
    const memory = new WebAssembly.Memory({initial: 1, maximum: MAXIMUM_PAGES});
    const kernels = kernelsOn(memory);
    return kernels === null ? null : new OwnKernels(kernels, memory);
  } catch {
    return null;
  }
}
