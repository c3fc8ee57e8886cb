import {backend, engine, type Tensor} from '@tensorflow/tfjs-core';
import {ggnError} from '../errors';
import {checkMemory} from './memory';
import {kernelsOn, type Kernels} from '../kernels/kernels';

/**
 * The names of tfjs's WASM backend that are not public API, all of them checked before use:
 *
 * - `wasm.asm.memory` is the memory of its WebAssembly module, in which all tensors lie, and
 *   `wasm.HEAPU8` a view of it. The build with threads imports its memory, which is shared, and has
 *   it as `wasm.wasmMemory`. Kernels of our own run there too, in the thread that calls them.
 * - `wasm._malloc` and `wasm._free` allocate in it.
 * - `getMemoryOffset` and `incRef` (public) tell where a tensor lies, and share its data.
 * - `write(null, ..)` and `engine.makeTensorFromDataId` make a tensor without entries.
 *
 * If one of them is missing, no kernel of our own runs on the tensors of that backend.
 */
interface OpenWasm {
  readonly wasm?: {
    readonly asm?: {readonly memory?: unknown};
    readonly wasmMemory?: unknown;
    readonly HEAPU8?: Uint8Array;
    _malloc?(bytes: number): number;
    _free?(pointer: number): void;
  };
  getMemoryOffset?(dataId: object): number | null;
  incRef?(dataId: object): void;
  write(values: null, shape: readonly number[], dtype: 'float32'): object;
}

/** A float32 tensor, and where its entries begin, in bytes. */
interface Placed {
  readonly tensor: Tensor;
  readonly pointer: number;
}

/** The memory of tfjs's WASM backend, and kernels of our own that work on its tensors in place. */
export class WasmHeap {
  private area = 0;
  private size = 0;

  private constructor(private readonly open: Required<OpenWasm>, readonly kernels: Kernels) {}

  /** The heap of a backend; null if the backend hides its memory, or cannot run the kernels. */
  static of(open: OpenWasm): WasmHeap | null {
    const {wasm} = open;
    const memory = wasm?.asm?.memory ?? wasm?.wasmMemory;
    if (typeof WebAssembly === 'undefined' || !(memory instanceof WebAssembly.Memory) ||
        memory.buffer !== wasm!.HEAPU8?.buffer ||
        ![wasm!._malloc, wasm!._free, open.getMemoryOffset, open.incRef, engine().makeTensorFromDataId]
            .every(name => typeof name === 'function')) {
      return null;
    }
    const kernels = kernelsOn(memory);
    return kernels === null ? null : new WasmHeap(open as Required<OpenWasm>, kernels);
  }

  /** Where the entries of a tensor begin, in bytes. */
  pointer(x: Tensor): number {
    return this.open.getMemoryOffset(x.dataId)!;
  }

  /** A new float32 tensor, whose entries are to be written. */
  make(shape: readonly number[]): Placed {
    const {open} = this;
    const dataId = open.write(null, shape, 'float32');
    const tensor = engine().makeTensorFromDataId(dataId, shape as number[], 'float32', open as never);
    checkMemory();  // no kernel of tfjs runs, after which the bytes would be counted
    return {tensor, pointer: there(open.getMemoryOffset(dataId)!)};
  }

  /** A new float32 tensor of zeros. */
  zeros(shape: readonly number[]): Placed {
    const placed = this.make(shape);
    this.open.wasm.HEAPU8!.fill(0, placed.pointer, placed.pointer + 4 * placed.tensor.size);
    return placed;
  }

  /** The data of x in another shape of the same size. */
  view(x: Tensor, shape: readonly number[]): Tensor {
    this.open.incRef(x.dataId);
    return engine().makeTensorFromDataId(x.dataId, shape as number[], x.dtype, this.open as never);
  }

  /**
   * An area of this many bytes at least, for one call of a kernel. It grows, and stays allocated.
   */
  scratch(bytes: number): number {
    if (bytes > this.size) {
      const {_malloc, _free} = this.open.wasm as Required<OpenWasm['wasm'] & object>;
      if (this.size > 0) {
        this.size = 0;
        _free(this.area);
      }
      this.area = there(_malloc(bytes) >>> 0);  // signed above 2 GiB
      this.size = bytes;
    }
    return this.area;
  }
}

/** @throws if an allocation has failed: a kernel would write over the first bytes of the memory. */
function there(pointer: number): number {
  if (!(pointer > 0)) {
    throw ggnError("the memory of tfjs's WASM backend is full (4 GiB at most). Use a smaller batchSize or a smaller " +
        'network, or dispose of tensors.');
  }
  return pointer;
}

const heaps = new WeakMap<object, WasmHeap | null>();

/** The heap of the current backend, which is tfjs's WASM backend; null if no kernel runs there. */
export function wasmHeap(): WasmHeap | null {
  const open = backend() as unknown as OpenWasm;
  let heap = heaps.get(open);
  if (heap === undefined) {
    heaps.set(open, heap = WasmHeap.of(open));
  }
  return heap;
}
