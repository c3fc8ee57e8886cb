import type {Tensor} from '@tensorflow/tfjs-core';

/** Some rows of the Jacobian, dense, [n', m] over all variables. */
export interface DenseRows {
  /** In float32; belongs to the caller's scope. Its entries may be anything. */
  tensor(): Tensor;
  /**
   * Row-major, read from the backend.
   *
   * @throws where they are not finite.
   */
  read(): Float32Array | Float64Array;
}

/** Shows the dense rows of J chunk by chunk: `count` rows from row `from` on. */
export type ForEachRows = (visit: (rows: DenseRows, from: number, count: number) => void) => void;
