import {cases} from '../cases/cases';
import {type NodeBackend, useBackend} from './backends';
import {testOn} from './test_on';
import {refusalOf, runCase, runsOn} from './whole_step';

/** Declares one test for each case that runs on `backend`: skipped with a loud line if the backend cannot be had. */
export function testSteps(backend: NodeBackend): void {
  for (const c of cases.filter(c => runsOn(c, backend))) {
    testOn(backend)(`${backend}: ${c.name}`, async t => {
      const {outcome, message, kind} = await runCase(c, backend, name => useBackend(name as NodeBackend));
      t.is(outcome, refusalOf(c, backend) === undefined ? 'exact' : 'refused', message);
      t.is(kind, refusalOf(c, backend) === undefined ? c.kind : null);
    });
  }
}
