import {dispose, getBackend, keep, reshape, type Tensor} from '@tensorflow/tfjs-core';

/**
 * One more reference to the data of a tensor, in the scope of the caller. WASM takes Reshape:
 * Identity copies there. On tfjs-node it is Reshape that makes new data.
 */
export const aliasOf = (t: Tensor): Tensor => getBackend() === 'wasm' ? reshape(t, t.shape) : t.clone();

/** The same, kept beyond every scope. */
const handleOn = (t: Tensor): Tensor => keep(aliasOf(t));

/** References to the data of tensors, kept beyond every scope; none if an error comes between. */
export function handlesOn(tensors: readonly Tensor[]): Tensor[] {
  const handles: Tensor[] = [];
  try {
    tensors.forEach(t => handles.push(handleOn(t)));
  } catch (error) {
    dispose(handles);
    throw error;
  }
  return handles;
}
