import {addN, getBackend, mul, scalar, sum, tidy, type Tensor} from '@tensorflow/tfjs-core';
import {areFinite} from '../arrays/elementwise';
import {READS_ARE_CHEAP} from './fast_ops';

/**
 * Whether all entries of float32 tensors are finite. If reads from the backend are dear, one number
 * is read: the sum of 0 · x, which is NaN for an x that is not finite.
 */
export function allFinite(tensors: readonly Tensor[]): boolean {
  if (tensors.length === 0) {
    return true;
  }
  if (READS_ARE_CHEAP.has(getBackend())) {
    return tensors.every(t => areFinite(t.dataSync() as Float32Array));
  }
  const total = tidy(() => {
    const zero = scalar(0);
    return addN(tensors.map(t => sum(mul(t, zero))));
  });
  const isZero = total.dataSync()[0] === 0;
  total.dispose();
  return isZero;
}
