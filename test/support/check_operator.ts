/** The Jacobian of a loop's rows as an operator, against the dense reference. */
import * as tf from '@tensorflow/tfjs';
import type {ExecutionContext} from 'ava';
import type {Plan} from '../../src/jacobian/plan/plan';
import {denseGram, denseJacobian} from '../reference/dense_jacobian';
import {Probe} from './probe';
import {relativeError} from './relative_error';

/**
 * Checks rows of J, Gram matrix, Jᵀu and J d for `variables` in the order of their first use, and returns the plan (of the first group).
 *
 * @param rows the residuals in the order of the rows of a step.
 * @param reference the same rows, written in a way that tfjs can differentiate.
 */
export function checkOperator(t: ExecutionContext, rows: () => tf.Tensor, variables: tf.Variable[], tolerance: number,
    {reference = rows, loss = () => rows().square().mean()}: {reference?: () => tf.Tensor; loss?: () => tf.Tensor} = {}): Plan {
  const {jacobian: expected, n, m} = denseJacobian(reference, variables);
  let seen: Plan | null = null;
  new Probe(({checked: {plan, jacobian, grams}, variables: found}) => {
    seen = plan;
    t.deepEqual(found, variables);
    t.true(relativeError(jacobian.dense().dataSync(), expected) < tolerance, 'rows of J');
    t.true(relativeError(grams[0], denseGram(expected, n, m)) < tolerance, 'Gram matrix');
    const u = Float64Array.from({length: n}, (_, i) => Math.cos(1 + 2 * i));
    const pulled = jacobian.applyTranspose(tf.tensor(Float32Array.from(u), [n])).flatMap(part => [...part!.dataSync()]);
    t.true(relativeError(pulled, Float64Array.from({length: m}, (_, j) => u.reduce((sum, x, r) => sum + x * expected[r * m + j], 0))) < tolerance, 'Jᵀu');
    const d = Float64Array.from({length: m}, (_, i) => Math.sin(1 + i));
    let offset = 0;
    const parts = variables.map(v => tf.tensor(Float32Array.from(d.subarray(offset, offset += v.size)), v.shape));
    t.true(relativeError(jacobian.apply(parts).dataSync(), Float64Array.from({length: n}, (_, r) => d.reduce((sum, x, j) => sum + x * expected[r * m + j], 0))) < tolerance, 'J d');
  }).minimize(loss as () => tf.Scalar);
  t.not(seen, null);
  return seen!;
}
