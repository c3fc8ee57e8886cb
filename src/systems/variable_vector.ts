import {addN, getBackend, square, sum, tensor, type Tensor, type Variable} from '@tensorflow/tfjs-core';
import {totalSize} from '../arrays/vectors';
import {isSmall, READS_ARE_CHEAP} from '../tfjs/fast_ops';
import {nativeSquares} from '../tfjs/native_squares';

/**
 * A vector of Rᵐ is one tensor for each variable, or one typed array in the order of the variables.
 */

/** The tensors of all variables as one array; zeros for null. */
export function flatten(tensors: ReadonlyArray<Tensor | null>, variables: readonly Variable[]): Float64Array {
  const flat = new Float64Array(totalSize(variables));
  let from = 0;
  variables.forEach(({size}, v) => {
    const t = tensors[v];
    if (t !== null) {
      flat.set(t.dataSync(), from);
    }
    from += size;
  });
  return flat;
}

/** The tensor of each variable, from the array of all. */
export function split(flat: Float64Array, variables: readonly Variable[]): Tensor[] {
  let from = 0;
  return variables.map(({shape, size}) => tensor(Float32Array.from(flat.subarray(from, from += size)), shape));
}

/** The number of each variable, repeated for each of its entries. */
export function spread(numbers: readonly number[], variables: readonly Variable[]): Float64Array {
  const flat = new Float64Array(totalSize(variables));
  let from = 0;
  variables.forEach(({size}, v) => flat.fill(numbers[v], from, from += size));
  return flat;
}

/**
 * Σ x². If reads are cheap, the sum is taken in JavaScript, in float64; otherwise on the device. On
 * tfjs-node that is one op for each large tensor.
 */
export function sumOfSquares(tensors: readonly Tensor[]): number {
  const isRead = READS_ARE_CHEAP.has(getBackend());
  const squares = isRead ? null : nativeSquares();
  if (!isRead && squares === null) {
    return addN(tensors.map(t => sum(square(t)))).dataSync()[0];
  }
  let total = 0;
  for (const t of tensors) {
    total += squares === null || isSmall(t.size) ? squaresOf(t.dataSync()) : squares(t);
  }
  return total;
}

function squaresOf(entries: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < entries.length; i++) {
    total += entries[i] * entries[i];
  }
  return total;
}
