/** The rows of some examples, linearized by themselves, against those rows of the whole batch; over all cases. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {isJoint, jointLinearize} from '../../../src/jacobian/sweep/joint_linearize';
import {linearize} from '../../../src/jacobian/sweep/linearize';
import type {Plan} from '../../../src/jacobian/plan/plan';
import {selfCheck} from '../../../src/jacobian/check/self_check';
import {SubBatches} from '../../../src/jacobian/sweep/sub_batch';
import {cases} from '../../cases/cases';
import {lookAtCases} from '../../support/case_looks';
import {Probe} from '../../support/probe';
import {relativeError} from '../../support/relative_error';

/** The same sums of the same float32 numbers, in another order where a product is of another size. */
const TOLERANCE = 2e-6;

/** The cases that must be possible in parts: people train these. Other cases may be possible. */
const EXPECTED = ['dense', 'conv', 'pool', 'lstm', 'gru', 'embedding'];

let possible = 0;
const refused: string[] = [];

for (const backend of ['cpu', 'wasm'] as const) {
  lookAtCases(backend, (t, {trace, checked: {plan, jacobian}, rows}, c) => {
    const cut = SubBatches.of(trace, plan);
    if (cut === null) {
      refused.push(c.name);
      return;
    }
    possible++;
    const m = rows.dependence.variables.reduce((sum, {size}) => sum + size, 0);
    const whole = jacobian.dense().dataSync();
    const {components, analysis} = plan;
    const middle = Math.ceil(analysis.examples / 2);
    for (const [from, to] of [[0, middle], [middle, analysis.examples], [0, 1]]) {
      const part = cut.take(from, to);
      for (const own of [linearize(part.trace, part.plan), ...(isJoint(plan) ? [jointLinearize(cut, part)] : [])]) {
        t.is(own.rows, (to - from) * components);
        const expected = Float64Array.from(whole.subarray(from * components * m, to * components * m));
        const error = relativeError(own.dense().dataSync(), expected);
        t.true(error < TOLERANCE, `rows ${from}..${to - 1}: ${error}`);
        const [gram] = own.gram(plan.analysis.variables.map(() => 0));
        t.is(selfCheck(part.trace, part.plan, own, Float64Array.from(gram.dataSync())), null);
      }
    }
  });
}

test.serial('a plan that was made from another trace of the same model', async t => {
  await tf.setBackend('cpu');
  const model = tf.sequential({layers: [tf.layers.conv2d({inputShape: [5, 5, 2], filters: 2, kernelSize: 2, activation: 'tanh'}),
    tf.layers.cropping2D({cropping: [[1, 0], [0, 1]]}), tf.layers.flatten(), tf.layers.dense({units: 1})]});
  const [x, y] = [tf.randomNormal([6, 5, 5, 2], 0, 1, 'float32', 1), tf.randomNormal([6, 1], 0, 1, 'float32', 2)];
  let first: Plan | null = null;
  let looked = 0;
  model.compile({loss: 'meanSquaredError', optimizer: new Probe(({trace, checked: {plan, jacobian}, rows}) => {
    first ??= plan;
    const m = rows.dependence.variables.reduce((sum, {size}) => sum + size, 0);
    const part = SubBatches.of(trace, first)!.take(2, 5);
    const expected = Float64Array.from(jacobian.dense().dataSync().subarray(2 * m, 5 * m));
    t.true(relativeError(linearize(part.trace, part.plan).dense().dataSync(), expected) < TOLERANCE);
    looked++;
  })});
  await model.trainOnBatch(x, y);
  await model.trainOnBatch(x, y);
  t.is(looked, 2);
  model.dispose();
  tf.dispose([x, y]);
});

test.serial('most networks can be taken in parts', t => {
  t.log(`${possible} in parts; whole only: ${[...new Set(refused)].join('; ')}`);
  t.true(possible > 4 * refused.length, `${possible} of ${possible + refused.length}`);
  for (const word of EXPECTED) {
    t.true(cases.some(({name}) => name.toLowerCase().includes(word) && !refused.includes(name)), word);
  }
});
