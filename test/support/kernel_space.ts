import type {ExecutionContext} from 'ava';
import {scratchBytes, type Kernels} from '../../src/kernels/kernels';
import {BUILDS, bytesOf, type Build} from '../../src/kernels/module';

/** The builds that this engine takes. Node 20 has no relaxed SIMD. */
export const builds: readonly Build[] = BUILDS.filter(build => WebAssembly.validate(bytesOf(build, false)));

/** A number that no computation here gives. */
const CANARY = -7.25e30;

/** A memory for the kernels of a build, with canaries before and behind each area. */
export class KernelSpace {
  readonly memory: WebAssembly.Memory;
  readonly kernels: Kernels;
  private areas: {pointer: number; bytes: number}[] = [];
  private top = 0;

  constructor(build: Build, shared = false, pages = 128) {
    this.memory = new WebAssembly.Memory({initial: pages, maximum: 1024, shared});
    this.kernels = new WebAssembly.Instance(new WebAssembly.Module(bytesOf(build, shared)), {env: {memory: this.memory}}).exports as unknown as Kernels;
  }

  get floats(): Float32Array {
    return new Float32Array(this.memory.buffer);
  }

  /** Forgets all areas. */
  clear(): void {
    this.areas = [];
    this.top = 0;
  }

  /** An area with canaries around it. Its pointer is 4, 8 or 12 modulo 16. */
  area(bytes: number): number {
    const pointer = this.top + 64 + 4 * (1 + this.areas.length % 3);
    const end = pointer + 4 * Math.ceil(bytes / 4);
    this.top = 16 * Math.ceil((end + 64) / 16);
    if (this.top > this.memory.buffer.byteLength) {
      throw new Error(`the memory of the test is too small: ${this.top}`);
    }
    this.floats.fill(CANARY, (pointer - 64) / 4, this.top / 4);
    this.areas.push({pointer, bytes: end - pointer});
    return pointer;
  }

  /** An area that holds these numbers. */
  put(values: ArrayLike<number>): number {
    const pointer = this.area(4 * values.length);
    this.floats.set(values, pointer / 4);
    return pointer;
  }

  read(pointer: number, length: number): Float32Array {
    return this.floats.slice(pointer / 4, pointer / 4 + length);
  }

  /** An area that holds these numbers of float64. */
  put64(values: Float64Array): number {
    return this.put(new Float32Array(values.buffer.slice(values.byteOffset, values.byteOffset + values.byteLength)));
  }

  read64(pointer: number, length: number): Float64Array {
    return new Float64Array(this.memory.buffer.slice(pointer, pointer + 8 * length) as ArrayBuffer);
  }

  scratch(m: number, k: number, n: number): number {
    return this.area(scratchBytes(m, k, n));
  }

  /** Whether all that lies between the areas is as it was. */
  check(t: ExecutionContext, message: string): void {
    const floats = this.floats;
    const canary = Math.fround(CANARY);
    let broken = 0;
    let end = 0;
    for (const {pointer, bytes} of this.areas) {
      for (let i = Math.max(end, pointer - 64) / 4; i < pointer / 4; i++) {
        broken += floats[i] === canary ? 0 : 1;
      }
      end = pointer + bytes;
      for (let i = end / 4; i < end / 4 + 16; i++) {
        broken += floats[i] === canary ? 0 : 1;
      }
    }
    t.is(broken, 0, `${message}: numbers written outside of the areas`);
  }
}

/** Numbers in (-1, 1) that repeat with each run. */
export function numbers(length: number, seed: number): Float32Array {
  let state = seed * 2654435761 >>> 0;
  return Float32Array.from({length}, () => {
    state = Math.imul(state, 1664525) + 1013904223 >>> 0;
    return state / 2 ** 31 - 1;
  });
}
