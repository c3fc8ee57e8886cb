/**
 * The support table, docs/support.md, from steps of every case:
 *
 *     npm run support                on the backends that can be had in Node; outcomes of the others are kept as they were recorded
 *     npm run support -- --webgl     and on WebGL in headless Chromium, which takes minutes
 *     npm run support -- --check     writes nothing; fails where a backend says otherwise than docs/support.json, or the page is stale
 */
import fs from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import {brokenLayers, cases} from '../cases/cases';
import type {Backend} from '../cases/cases';
import {availableBackends, type NodeBackend, useBackend} from './backends';
import {outcomeOf, type Outcome} from './outcome';
import {type Outcomes, supportTable} from './support_table';
import {runsOn} from './whole_step';

const RECORD = new URL('../../docs/support.json', import.meta.url);
const PAGE = new URL('../../docs/support.md', import.meta.url);

const recorded: Outcomes = fs.existsSync(RECORD) ? JSON.parse(fs.readFileSync(RECORD, 'utf8')) as Outcomes : {};
const found: Outcomes = Object.fromEntries(cases.map(c =>
  [c.name, Object.fromEntries(Object.entries(recorded[c.name] ?? {}).filter(([backend]) => runsOn(c, backend)))]));
const isCheck = process.argv.includes('--check');
const problems: string[] = [];

for (const backend of availableBackends()) {
  await takeAll(backend, c => outcomeOf(c, backend, name => useBackend(name as NodeBackend)));
}
if (process.argv.includes('--webgl')) {
  const {openPage} = await import('../browser/chromium');
  const {page, close} = await openPage('page.ts');
  await takeAll('webgl', ({name}) => page.evaluate(name => (globalThis as unknown as {casesPage: {outcome(name: string): Promise<Outcome>}}).casesPage.outcome(name), name));
  await close();
}

const record = `{\n${cases.map(c => `${JSON.stringify(c.name)}: ${JSON.stringify(found[c.name])}`).join(',\n')}\n}\n`;
const page = supportTable(cases, brokenLayers.map(([name]) => name), found, tf.version['tfjs']);
if (isCheck) {
  if (problems.length === 0 && (!fs.existsSync(PAGE) || fs.readFileSync(PAGE, 'utf8') !== page)) {
    problems.push('docs/support.md is not what the tests say: run "npm run support" and commit the result.');
  }
} else {
  fs.writeFileSync(RECORD, record);
  fs.writeFileSync(PAGE, page);
}
problems.forEach(problem => console.error(problem));
console.log(`docs/support.md: ${cases.length} cases${isCheck && problems.length === 0 ? ', up to date' : ''}`);
process.exit(problems.length === 0 ? 0 : 1);

async function takeAll(backend: Backend, take: (c: typeof cases[number]) => Promise<Outcome>): Promise<void> {
  const start = Date.now();
  const taken = cases.filter(c => runsOn(c, backend));
  for (const c of taken) {
    const outcome = await take(c);
    const before = recorded[c.name]?.[backend];
    if (isCheck && JSON.stringify(before) !== JSON.stringify(outcome)) {
      problems.push(`${backend}: ${c.name}: recorded ${JSON.stringify(before)}, found ${JSON.stringify(outcome)}`);
    }
    if (outcome.ggn === 'wrong') {
      problems.push(`${backend}: ${c.name}: the step is wrong`);
    }
    found[c.name][backend] = outcome;
  }
  console.log(`${backend}: ${taken.length} cases in ${((Date.now() - start) / 1000).toFixed(0)} s`);
}
