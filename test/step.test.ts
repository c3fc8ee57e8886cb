/** Whole steps of every case, momentum and regularizers included, against dense normal equations in float64. */
import test from 'ava';
import {cases} from './cases';
import {availableBackends, useBackend} from './support/backends';
import type {NodeBackend} from './support/backends';
import {refusalOf, runCase, runsOn} from './support/whole_step';

for (const backend of availableBackends()) {
  for (const c of cases.filter(c => runsOn(c, backend))) {
    test.serial(`${backend}: ${c.name}`, async t => {
      const {outcome, message, kind} = await runCase(c, backend, name => useBackend(name as NodeBackend));
      const refusal = refusalOf(c, backend);
      t.is(outcome === 'flat' ? 'exact' : outcome, refusal === undefined ? 'exact' : 'refused', message);
      if (refusal !== undefined) {
        t.regex(message, refusal);
      } else {
        t.is(kind, c.kind);
      }
    });
  }
}
