import type {Tensor} from '@tensorflow/tfjs-core';
import {ggnError} from '../errors';
import type {Backward} from '../tfjs/internals';
import type {TraceNode} from './trace';

/**
 * The kernel name of a node that stands for one `tf.customGrad` op. Its attributes are value
 * indices: `inner` of the result of its forward pass, and `saved` of the tensors that it handed to
 * its gradient.
 */
export const CUSTOM_GRAD = 'CustomGrad';

/**
 * The user's gradients, by the handle of the op's output. They are not in the node, as a plan made
 * on one trace serves all traces of its signature and the gradient function differs from step to
 * step.
 */
const backwards = new WeakMap<Tensor, Backward>();

export const setBackward = (output: Tensor, backward: Backward): void => void backwards.set(output, backward);

/** Gives an output at other weights, which is another tensor, the same gradient. */
export const keepBackward = (from: Tensor, to: Tensor): void => setBackward(to, backwards.get(from)!);

/** Indices of the values that a node handed to its gradient beside its inputs and outputs. */
export const savedBy = ({kernel, attrs}: TraceNode): readonly number[] =>
  kernel === CUSTOM_GRAD ? attrs['saved'] as number[] : [];

/**
 * The values that a node is made from. A customGrad op is made from the result of its forward pass.
 */
export const sourcesOf = ({kernel, inputs, attrs}: TraceNode): number[] =>
  kernel === CUSTOM_GRAD ? [attrs['inner'] as number] : inputs.map(([, value]) => value);

/** Input cotangents of a customGrad node by the user's gradient, by input name. */
export function customCotangents(values: readonly Tensor[], node: TraceNode, dy: Tensor): Record<string, () => Tensor> {
  const saved = (node.attrs['saved'] as number[]).map(value => values[value]);
  try {
    return backwards.get(values[node.outputs[0]])!(dy, saved);
  } catch (error) {
    if ((error as Error).message?.startsWith('tfjs-ggn')) {
      throw error;
    }
    throw ggnError(`the gradient function of a tf.customGrad op with output [${dy.shape.join()}] failed: ` +
        `${(error as Error).message} ` +
        'The op must hand over the tensors that the function needs by save([...]): others may be disposed of by then.');
  }
}
