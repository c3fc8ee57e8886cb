import {addN, getBackend, mul, scalar, sum, tidy, type Tensor} from '@tensorflow/tfjs-core';
import {areFinite} from '../arrays/elementwise';
import {heapOf} from './heap_ops';
import {isSmall, READS_ARE_CHEAP} from './fast_ops';
import {nativeSquares} from './native_squares';

/**
 * Whether all entries of float32 tensors are finite. If reads from the backend are dear, one number
 * is read: the sum of 0 · x, which is NaN for an x that is not finite. On tfjs-node a finite sum of
 * squares, which is one op, proves the same.
 */
export function allFinite(tensors: readonly Tensor[]): boolean {
  const isRead = READS_ARE_CHEAP.has(getBackend());
  const large = isRead ? [] : tensors.filter(({size}) => !isSmall(size));
  return tensors.every(t => large.includes(t) || isFiniteHere(t)) && areLargeFinite(large);
}

function isFiniteHere(t: Tensor): boolean {
  const heap = heapOf(t);
  return heap !== null ? heap.kernels.areFinite(heap.pointer(t), t.size) === 1 :
    areFinite(t.dataSync() as Float32Array);
}

function areLargeFinite(tensors: readonly Tensor[]): boolean {
  const squares = nativeSquares();
  if (tensors.length === 0 || (squares !== null && tensors.every(t => Number.isFinite(squares(t))))) {
    return true;
  }
  const total = tidy(() => {
    const zero = scalar(0);
    return addN(tensors.map(t => sum(mul(t, zero))));
  });
  const isZero = total.dataSync()[0] === 0;
  total.dispose();
  return isZero;
}
