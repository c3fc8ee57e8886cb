/** Bytes of tensor data alive at the worst moment. */
import * as tf from '@tensorflow/tfjs';

interface OpenEngine {
  trackTensor(t: tf.Tensor, backend: unknown): void;
  removeDataId(dataId: object, backend: unknown): void;
}

/** Bytes as a text in MiB. */
export const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);

const BYTES: Record<string, number> = {float32: 4, int32: 4, bool: 1};

/**
 * Counts the bytes of all tensor data made from now on and not yet released, each buffer once however many tensors share it
 * (`tf.memory().numBytes` counts the handles). What a kernel allocates inside is not seen: the WASM heap shows that.
 */
export class PeakBytes {
  private readonly sizes = new Map<object, number>();
  private alive = 0;
  private highest = 0;

  constructor() {
    const engine = tf.engine() as unknown as OpenEngine;
    const {trackTensor, removeDataId} = engine;
    engine.trackTensor = (t, backend) => {
      trackTensor.call(engine, t, backend);
      if (!this.sizes.has(t.dataId)) {
        const bytes = t.size * (BYTES[t.dtype] ?? 0);
        this.sizes.set(t.dataId, bytes);
        this.alive += bytes;
        this.highest = Math.max(this.highest, this.alive);
      }
    };
    engine.removeDataId = (dataId, backend) => {
      this.alive -= this.sizes.get(dataId) ?? 0;
      this.sizes.delete(dataId);
      removeDataId.call(engine, dataId, backend);
    };
  }

  /** Most bytes alive during f(). */
  async during(f: () => unknown): Promise<number> {
    this.highest = this.alive;
    await f();
    return this.highest;
  }
}
