import type {Tensor} from '@tensorflow/tfjs-core';
import {isObserved, nativeOps} from './internals';
import {isRehearsal} from './rehearsal';

/**
 * Σ x² of a float32 tensor by one op of TensorFlow and one read; null if the backend is not
 * tfjs-node, or if kernels are recorded or rehearsed: no record would hold the op.
 */
export function nativeSquares(): ((x: Tensor) => number) | null {
  const op = isObserved() || isRehearsal() ? null : nativeOps();
  return op === null ? null : x => {
    const half = op('L2Loss', [x]);
    const [value] = half.dataSync();
    half.dispose();
    return 2 * value;
  };
}
