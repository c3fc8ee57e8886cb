/**
 * The support table, docs/support.md: its promises, and that it agrees with the tests of the steps. `npm run support -- --check` takes all
 * steps again.
 */
import fs from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {brokenLayers, type Case, cases} from '../cases/cases';
import {type NodeBackend, useBackend} from './backends';
import {testOn} from './test_on';
import type {Outcome} from './outcome';
import {BACKENDS, type Outcomes, supportTable} from './support_table';
import {tfjsTrains} from './tfjs_gradient';
import {refusalOf, runsOn} from './whole_step';

const read = (name: string): string => fs.readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
const recorded = JSON.parse(read('support.json')) as Outcomes;

test('the page is made of the record, and the record of the cases', t => {
  t.is(read('support.md'), supportTable(cases, brokenLayers.map(([name]) => name), recorded, tf.version['tfjs']), 'run "npm run support" and commit the result');
  t.deepEqual(Object.keys(recorded), cases.map(({name}) => name));
  for (const c of cases) {
    t.deepEqual(Object.keys(recorded[c.name]).sort(), BACKENDS.filter(backend => runsOn(c, backend)).sort(), c.name);
  }
});

test('what ggn does is what the tests of the steps ask of it on every backend', t => {
  for (const c of cases) {
    for (const [backend, {ggn}] of outcomesOf(c)) {
      t.is(ggn, refusalOf(c, backend) === undefined ? c.kind : 'refused', `${backend}: ${c.name}`);
    }
  }
});

test("nothing that tfjs's own optimizers can train is refused", t => {
  for (const c of cases) {
    const refused = outcomesOf(c).filter(([, {ggn, tfjs}]) => tfjs === 'yes' && (ggn === 'refused' || ggn === 'wrong'));
    t.deepEqual(refused, [], c.name);
  }
  t.true(cases.some(c => outcomesOf(c).some(([, {tfjs}]) => tfjs === 'yes')));
});

/** One case for each of the other things that the column says, and some layers that tfjs trains. */
function told(backend: NodeBackend): Case[] {
  const first = new Map<string, Case>();
  for (const c of cases.filter(c => runsOn(c, backend))) {
    const {tfjs} = recorded[c.name][backend]!;
    const key = tfjs === 'yes' ? c.layers[0] : tfjs;
    if (!first.has(key)) {
      first.set(key, c);
    }
  }
  return [...first.values()];
}

for (const backend of ['cpu', 'wasm', 'tensorflow'] as const) {
  testOn(backend)(`${backend}: the column of tfjs's own optimizers, a case of each kind`, async t => {
    for (const c of told(backend)) {
      t.is(await tfjsTrains(c, backend, name => useBackend(name as NodeBackend)), recorded[c.name][backend]!.tfjs, c.name);
    }
  });
}

function outcomesOf(c: Case): Array<[string, Outcome]> {
  return Object.entries(recorded[c.name]);
}
