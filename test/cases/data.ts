/** Numbers of the cases: made here from seeds, as typed arrays, so that they are the same on each call and on each backend. */
import * as tf from '@tensorflow/tfjs';

/** Uniform numbers in [0, 1) from a string: FNV-1a for the seed, mulberry32 from there. */
export function uniforms(seed: string): () => number {
  let state = 0x811c9dc5;
  for (const character of seed) {
    state = Math.imul(state ^ character.codePointAt(0)!, 0x01000193);
  }
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Normal numbers, by Box and Muller. */
export function normals(seed: string, size: number, scale: number): Float32Array {
  const uniform = uniforms(seed);
  return Float32Array.from({length: size}, () => scale * Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()));
}

export function product(shape: number[]): number {
  return shape.reduce((total, size) => total * size, 1);
}

/** Makes the tensor of one input or target for a whole batch. */
export type Data = (seed: string, batchSize: number) => tf.Tensor;

/** Standard normal, of this shape per example. */
export function real(...shape: number[]): Data {
  return (seed, batchSize) => tf.tensor(normals(seed, batchSize * product(shape), 1), [batchSize, ...shape]);
}

/** Integers below `vocabulary`, of this shape per example; small vocabularies repeat within an example and between examples. */
export function integers(vocabulary: number, ...shape: number[]): Data {
  return (seed, batchSize) => {
    const uniform = uniforms(seed);
    const values = Int32Array.from({length: batchSize * product(shape)}, () => Math.floor(vocabulary * uniform()));
    return tf.tensor(values, [batchSize, ...shape], 'int32');
  };
}

/**
 * As `data` makes it ([batch, time, ...]), but example b ends with b % time steps of zeros: padding for Masking, or for id 0 of an
 * Embedding.
 */
export function padded(data: Data): Data {
  return (seed, batchSize) => tf.tidy(() => {
    const full = data(seed, batchSize);
    const [, time, ...rest] = full.shape;
    const step = product(rest);
    const values = full.dataSync().slice();
    for (let b = 0; b < batchSize; b++) {
      values.fill(0, (b * time + time - b % time) * step, (b + 1) * time * step);
    }
    return tf.tensor(values, full.shape, full.dtype);
  });
}
