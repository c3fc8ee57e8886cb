/**
 * One sweep for all components, against one sweep for each; over all cases with several components that can be cut. On tfjs-node where it can be had; on cpu and WASM
 * sub_batch.test.ts tests both ways.
 */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {cases, disposeBatch} from '../cases';
import {isJoint, jointLinearize} from '../../src/jacobian/joint_linearize';
import {linearize} from '../../src/jacobian/linearize';
import {selfCheck} from '../../src/jacobian/self_check';
import {SubBatches} from '../../src/jacobian/sub_batch';
import {availableBackends, useBackend} from '../support/backends';
import {Probe, relativeError} from '../support/probe';
import {refusalOf, runsOn} from '../support/whole_step';

/** The same sums of the same float32 numbers, in another order where a product is of another size. */
const TOLERANCE = 2e-6;

/** What must go through: a case that is not here may, but these are what people train with several outputs. */
const EXPECTED = ['dense', 'conv', 'pool', 'batch'];

const joint = new Set<string>();

for (const backend of availableBackends().slice(-1)) {
  for (const c of cases.filter(c => runsOn(c, backend) && refusalOf(c, backend) === undefined)) {
    test.serial(`${backend}: ${c.name}`, async t => {
      await useBackend(backend);
      const model = c.model();
      if (model.outputs.length === 1 && model.outputs[0].shape.slice(1).every(size => size === 1)) {
        model.dispose();
        t.pass('one component');
        return;
      }
      const batch = c.batch();
      model.compile({loss: c.loss, optimizer: new Probe(({trace, checked: {plan}}) => {
        const cut = SubBatches.of(trace, plan);
        if (cut === null || !isJoint(plan)) {
          return;
        }
        joint.add(c.name);
        const {analysis} = plan;
        for (const [from, to] of [[0, analysis.batch], [1, analysis.batch], [0, 1]]) {
          const part = cut.take(from, to);
          const own = jointLinearize(cut, part);
          const expected = Float64Array.from(linearize(part.trace, part.plan).dense().dataSync());
          const error = relativeError(own.dense().dataSync(), expected);
          t.true(error < TOLERANCE, `rows ${from}..${to - 1}: ${error}`);
          const [gram] = own.gram(analysis.variables.map(() => 0));
          t.is(selfCheck(part.trace, part.plan, own, Float64Array.from(gram.dataSync())), null);
        }
      })});
      await model.trainOnBatch(batch.x, batch.y);
      t.pass();
      model.dispose();
      disposeBatch(batch);
    });
  }
}

test.serial.after('what people train goes through', t => {
  for (const part of EXPECTED) {
    t.true([...joint].some(name => name.includes(part)), part);
  }
});
