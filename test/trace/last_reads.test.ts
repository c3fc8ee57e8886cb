/** The values that end with each node, and the tensors that are disposed of. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {CUSTOM_GRAD} from '../../src/trace/custom_grad';
import {endsOf, freeEnded} from '../../src/trace/last_reads';
import type {TraceNode} from '../../src/trace/trace';

const node = (inputs: number[], outputs: number[], more: Partial<TraceNode> = {}): TraceNode =>
  ({kernel: 'Add', attrs: {}, inputs: inputs.map((value, i) => [String(i), value] as const), outputs, arrayInputs: false, ...more});

test('a value ends with the last node that reads it, or with its own if none does', t => {
  const nodes = [node([0, 1], [2]), node([2, 2], [3, 4]), node([1, 3], [5])];
  t.deepEqual(endsOf(nodes, new Set([5])).map(values => [...values].sort()), [[0], [2, 4], [1, 3]]);
});

test('a customGrad op reads the result of its forward pass', t => {
  const nodes = [node([0], [1]), node([0], [2], {kernel: CUSTOM_GRAD, attrs: {inner: 1, saved: []}})];
  t.deepEqual(endsOf(nodes, new Set([2])), [[0], [1]]);
});

test('a tensor of two values is disposed of with the second; others may stay', t => {
  const [shared, kept] = [tf.ones([2]), tf.zeros([2])];
  const tensors = new Map<number, tf.Tensor>([[0, shared], [1, shared], [2, kept]]);
  freeEnded([0, 7], tensors, () => true);
  t.false(shared.isDisposed);
  freeEnded([1, 2], tensors, tensor => tensor !== kept);
  t.true(shared.isDisposed);
  t.false(kept.isDisposed);
  t.is(tensors.size, 0);
  kept.dispose();
});
