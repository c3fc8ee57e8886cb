import {openEngine, shadow} from './internals';

/** Bytes of an entry, by type. */
const BYTES: Record<string, number> = {float32: 4, int32: 4, bool: 1};

/**
 * Counts the bytes of the tensor data that are made while it runs and not yet released. A buffer
 * counts once, however many tensors share it. Memory that a kernel allocates for itself is not
 * seen.
 *
 * Measured: a microsecond for each kernel.
 */
export class ByteMeter {
  private readonly sizes = new Map<object, number>();
  private restore: Array<() => void> = [];
  private alive = 0;
  private highest = 0;

  /** Bytes that are not released yet. */
  get now(): number {
    return this.alive;
  }

  /** The most bytes so far. */
  get peak(): number {
    return this.highest;
  }

  /**
   * Begins to count.
   *
   * @param check called after every kernel. It may throw: all tensors are in scopes then, which
   *   dispose of them.
   * @returns false if this version of tfjs lacks the names that the meter shadows.
   */
  start(check: () => void): boolean {
    const open = openEngine();
    const {trackTensor, removeDataId, runKernelFunc, state: {tensorInfo}} = open;
    if (typeof trackTensor !== 'function' || typeof removeDataId !== 'function' ||
        typeof tensorInfo?.has !== 'function') {
      return false;
    }
    const {sizes} = this;
    this.restore = [
      shadow(open, 'trackTensor', (t, backend) => {
        const isNew = !tensorInfo.has(t.dataId);
        trackTensor.call(open, t, backend);
        if (isNew) {
          const bytes = t.size * (BYTES[t.dtype] ?? 0);
          sizes.set(t.dataId, bytes);
          this.alive += bytes;
          if (this.alive > this.highest) {
            this.highest = this.alive;
          }
        }
      }),
      shadow(open, 'removeDataId', (dataId, backend) => {
        const bytes = sizes.get(dataId);
        if (bytes !== undefined) {
          this.alive -= bytes;
          sizes.delete(dataId);
        }
        removeDataId.call(open, dataId, backend);
      }),
      shadow(open, 'runKernelFunc', params => {
        const result = runKernelFunc.call(open, params);
        check();
        return result;
      }),
    ];
    return true;
  }

  /** Ends the count and puts the methods of the engine back. */
  stop(): void {
    this.restore.splice(0).reverse().forEach(undo => undo());
  }
}
