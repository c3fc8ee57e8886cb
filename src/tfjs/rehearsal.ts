import type {DataType, Tensor} from '@tensorflow/tfjs-core';
import {ggnError} from '../errors';
import {isObserved, openEngine, shadow, type KernelAttrs, type KernelInputs, type OpenEngine} from './internals';
import {checkMemory, isMemoryExceeded} from './memory';

/** An output of a kernel without its entries. */
export interface KernelOutput {
  readonly shape: readonly number[];
  readonly dtype: DataType;
  /** The input whose data the output has; undefined if it has data of its own. */
  readonly sharedWith?: Tensor;
}

/** The output of a kernel by shape, a list if the kernel gives a list; null if it is not known. */
type OutputsOf = (kernel: string, inputs: KernelInputs, attrs: KernelAttrs) => KernelOutput | KernelOutput[] | null;

/** Ends a rehearsal without a verdict. */
class Unknown extends Error {
  constructor(why: string) {
    super(ggnError(why).message);  // code that runs kernels lets errors with the name of the package pass
  }
}

let isRunning = false;

/** Whether the kernels that run now compute nothing. */
export const isRehearsal = (): boolean => isRunning;

/**
 * Runs f with tensors without entries: each kernel makes tensors of the shapes of its outputs, and
 * computes nothing. The memory limit of the step counts these tensors like others. So a step that
 * would exceed the limit late ends before its first kernel.
 *
 * f may read tensors. All entries of a tensor that was made here are 1, or 0 if they are integers.
 * So f takes no decision by them that lasts.
 *
 * @param outputsOf the outputs of a kernel by shape.
 * @param most kernels after which the rehearsal ends without a verdict.
 * @returns whether f came to its end. It does not if the outputs of a kernel are not known, or if
 * it throws another error than that of the memory limit.
 * @throws MemoryExceeded if the tensors of f would exceed the limit.
 */
export function rehearse(f: () => void, outputsOf: OutputsOf, most: number): boolean {
  const open = openEngine();
  if (isObserved() || open.makeTensorFromTensorInfo === undefined || open.state.tensorInfo === undefined) {
    return false;
  }
  const backend = new HollowBackend();
  let kernels = 0;
  const run = open.runKernelFunc;
  const undo = shadow(open, 'runKernelFunc', params => {
    const {kernelName, inputs, attrs} = params;
    if (kernelName == null) {
      return run.call(open, params);  // a gradient of its own, of kernels that come here one by one
    }
    const outputs = ++kernels > most ? null : outputsOf(kernelName, inputs, attrs ?? {});
    if (outputs === null) {
      throw new Unknown(`a rehearsal ends at the kernel '${kernelName}'`);
    }
    const made = Array.isArray(outputs) ? outputs.map(output => backend.make(open, output)) :
      backend.make(open, outputs);
    checkMemory('of tensors at least');
    return made;
  });
  isRunning = true;
  try {
    f();
    return true;
  } catch (error) {
    if (isMemoryExceeded(error)) {
      throw error;
    }
    return false;
  } finally {
    isRunning = false;
    undo();
  }
}

/** The data of tensors without entries, with the methods that the engine calls. */
class HollowBackend {
  private readonly sizes = new Map<object, {size: number; dtype: DataType; references: number}>();

  make(open: OpenEngine, {shape, dtype, sharedWith}: KernelOutput): Tensor {
    if (sharedWith !== undefined) {
      const {dataId} = sharedWith;
      const {backend} = open.state.tensorInfo!.get(dataId)!;
      backend.incRef(dataId);
      return open.makeTensorFromTensorInfo!({dataId, shape, dtype}, backend);
    }
    const dataId = {};
    this.sizes.set(dataId, {size: shape.reduce((a, b) => a * b, 1), dtype, references: 1});
    return open.makeTensorFromTensorInfo!({dataId, shape, dtype}, this);
  }

  incRef(dataId: object): void {
    this.sizes.get(dataId)!.references++;
  }

  refCount(dataId: object): number {
    return this.sizes.get(dataId)?.references ?? 0;
  }

  /** @returns whether the data is released. */
  disposeData(dataId: object, force = false): boolean {
    const data = this.sizes.get(dataId);
    if (data !== undefined && --data.references > 0 && !force) {
      return false;
    }
    this.sizes.delete(dataId);
    return true;
  }

  readSync(dataId: object): Float32Array | Int32Array | Uint8Array {
    const {size, dtype} = this.sizes.get(dataId)!;
    return dtype === 'float32' ? new Float32Array(size).fill(1) :
      dtype === 'bool' ? new Uint8Array(size) : new Int32Array(size);
  }
}
