import {openEngine, shadow} from './internals';

const BYTES: Record<string, number> = {float32: 4, int32: 4, bool: 1};

/**
 * Counts the bytes of the tensor data that are made while it runs and not yet released, each buffer once however many tensors share
 * it. What a kernel allocates inside is not seen.
 *
 * It takes a microsecond for each kernel.
 */
export class ByteMeter {
  private readonly sizes = new Map<object, number>();
  private restore: Array<() => void> = [];
  private alive = 0;
  private highest = 0;

  /** Bytes alive. */
  get now(): number {
    return this.alive;
  }

  /** Most bytes that were alive at once. */
  get peak(): number {
    return this.highest;
  }

  /**
   * Follows the engine from now on.
   *
   * @param check called after every kernel, where an error leaves nothing behind: the tensors are in the scopes by then.
   * @returns false where this version of tfjs has no names to follow it by.
   */
  start(check: () => void): boolean {
    const open = openEngine();
    const {trackTensor, removeDataId, runKernelFunc, state: {tensorInfo}} = open;
    if (typeof trackTensor !== 'function' || typeof removeDataId !== 'function' || typeof tensorInfo?.has !== 'function') {
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

  stop(): void {
    this.restore.splice(0).reverse().forEach(undo => undo());
  }
}
