/** One look at a step of each case that runs on a backend and is not refused there. */
import type * as tf from '@tensorflow/tfjs';
import test, {type ExecutionContext} from 'ava';
import {type Case, cases, disposeBatch} from '../cases/cases';
import {type NodeBackend, useBackend} from './backends';
import {type Look, Probe} from './probe';
import {refusalOf, runsOn} from './whole_step';

/**
 * Declares a test for each case; `look` sees one step of it.
 *
 * @param isWanted leaves out models before they train.
 */
export function lookAtCases(backend: NodeBackend, look: (t: ExecutionContext, seen: Look, c: Case) => void, isWanted: (model: tf.LayersModel) => boolean = () => true): void {
  for (const c of cases.filter(c => runsOn(c, backend) && refusalOf(c, backend) === undefined)) {
    test.serial(`${backend}: ${c.name}`, async t => {
      await useBackend(backend);
      const model = c.model();
      const expected = isWanted(model) ? 1 : 0;
      let looks = 0;
      if (expected > 0) {
        const batch = c.batch();
        model.compile({loss: c.loss, optimizer: new Probe(seen => {
          looks++;
          look(t, seen, c);
        })});
        await model.trainOnBatch(batch.x, batch.y);
        disposeBatch(batch);
      }
      t.is(looks, expected);
      model.dispose();
    });
  }
}
