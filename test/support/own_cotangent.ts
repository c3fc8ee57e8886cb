/** The cotangent of x by the rule that takes the place of tfjs's gradient. */
import type * as tf from '@tensorflow/tfjs';
import {BackwardNode} from '../../src/derivatives/rules/rule';
import {trustedRule} from '../../src/derivatives/table';
import type {TraceNode} from '../../src/trace/trace';

const node = (kernel: string, attrs: object): TraceNode =>
  ({kernel, attrs: attrs as Record<string, unknown>, inputs: [['x', 0], ['indices', 1]], arrayInputs: false, outputs: [2]});

/** null if there is no such rule. */
export function ownCotangent(backend: string, {kernel, attrs}: {kernel: string; attrs: object}, inputs: tf.Tensor[], dy: tf.Tensor): (() => tf.Tensor) | null {
  const at = new BackwardNode(inputs, node(kernel, attrs), [dy], backend);
  const rule = trustedRule(at, 'x');
  return rule === null ? null : () => rule.pull(at, 'x');
}
