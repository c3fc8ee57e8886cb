import test from 'ava';
import {cases} from '../cases';
import {availableBackends, type NodeBackend, useBackend} from './backends';
import {refusalOf, runCase, runsOn} from './whole_step';

/** Declares one test for each case that runs on `backend`: skipped, and loudly so, where the backend cannot be had. */
export function testSteps(backend: NodeBackend): void {
  const available = availableBackends().includes(backend);
  if (!available) {
    console.log(`\n=== ${backend}: tests SKIPPED. "npm run native" builds tfjs-node for them, once. ===\n`);
  }
  for (const c of cases.filter(c => runsOn(c, backend))) {
    (available ? test.serial : test.skip)(`${backend}: ${c.name}`, async t => {
      const {outcome, message, kind} = await runCase(c, backend, name => useBackend(name as NodeBackend));
      t.is(outcome, refusalOf(c, backend) === undefined ? 'exact' : 'refused', message);
      t.is(kind, refusalOf(c, backend) === undefined ? c.kind : null);
    });
  }
}
