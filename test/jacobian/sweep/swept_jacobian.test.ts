/** Products with J by one sweep each, against the rows of cases of every kind. */
import type * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {BatchAxisLost} from '../../../src/trace/batch_axis';
import {selfCheck} from '../../../src/jacobian/check/self_check';
import {makeProductPlan} from '../../../src/jacobian/plan/forward_plan';
import type {Plan} from '../../../src/jacobian/plan/plan';
import {SweptJacobian} from '../../../src/jacobian/sweep/swept_jacobian';
import {lookAtCases} from '../../support/case_looks';
import type {Look} from '../../support/probe';
import {relativeError} from '../../support/relative_error';
import {noise} from '../../support/tensors';

const TOLERANCE = 2e-5;

/** One case of seven is looked at, which takes the time that a test may take: every kind of layer has several. */
let next = 0;

/** The names of cases of which a kernel has no tangent. */
const without = new Set<string>();

/** The product plan; null if a kernel has no tangent. */
function planOf({trace, rows: {dependence, blocks, groups}, checked: {plan}}: Look): Plan | null {
  try {
    return makeProductPlan(trace, dependence, blocks, groups[0].examples, plan);
  } catch (error) {
    if (error instanceof BatchAxisLost) {
      return null;
    }
    throw error;
  }
}

/** Some changes of the weights, and some cotangents of the rows. */
const vectors = ({variables, checked: {jacobian}}: Look) =>
  ({d: variables.map((v, i) => noise(v.shape, 5 + i)), u: noise([jacobian.rows], 3)});

const numbers = (tensors: ReadonlyArray<tf.Tensor | null>): number[] => tensors.flatMap(t => t === null ? [] : [...t.dataSync()]);

lookAtCases('cpu', (t, look, c) => {
  const plan = planOf(look);
  if (plan === null) {
    without.add(c.name);
    return;
  }
  const swept = new SweptJacobian(look.trace, plan);
  t.is(selfCheck(look.trace, plan, swept, null), null);
  if (c.kind === 'frozen') {
    return;  // these rows hold the statistics of the batch constant
  }
  const {jacobian} = look.checked;
  const {d, u} = vectors(look);
  t.true(relativeError(swept.apply(d).dataSync(), jacobian.apply(d).dataSync()) < TOLERANCE, 'J d');
  t.true(relativeError(numbers(swept.applyTranspose(u)), numbers(jacobian.applyTranspose(u))) < TOLERANCE, 'Jᵀu');
  const [first, ...others] = d;
  t.true(relativeError(swept.apply([first, ...others.map(() => null)]).dataSync(), jacobian.apply([first, ...others.map(() => null)]).dataSync()) < TOLERANCE,
      'a change of one variable');
  t.deepEqual(swept.applyTranspose(u, v => v > 0).map(part => part === null), [true, ...others.map((_, v) => jacobian.applyTranspose(u)[v + 1] === null)]);
  if (jacobian.rows <= 12) {
    t.true(relativeError(swept.dense().dataSync(), jacobian.dense().dataSync()) < TOLERANCE, 'rows');
    t.true(relativeError(swept.gram(look.variables.map(() => 0))[0].dataSync(), look.checked.grams[0]) < TOLERANCE, 'Gram matrix');
  }
}, () => next++ % 7 === 0);

test.serial.after('most kernels have a tangent', t => {
  t.log([...without].join('; '));
  t.true(without.size < 12, [...without].join('; '));
});
