import type {Tensor} from '@tensorflow/tfjs-core';
import {add} from './fast_ops';

/** A sum and one more term. A sum without terms is null or undefined. */
export const plus = (sum: Tensor | null | undefined, term: Tensor): Tensor => sum == null ? term : add(sum, term);

/** Adds a term to the sum that a map holds for this key. */
export function addTo<K>(sums: Map<K, Tensor>, key: K, term: Tensor): void {
  sums.set(key, plus(sums.get(key), term));
}
