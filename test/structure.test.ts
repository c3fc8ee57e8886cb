/**
 * The structure of src/: no import goes in a circle, of files or of folders, and few files lie outside of the folders. ESLint keeps the
 * direction.
 */
import {readdirSync, readFileSync} from 'node:fs';
import path from 'node:path';
import test from 'ava';
import {cruise} from 'dependency-cruiser';
import type {ICruiseResult, IForbiddenRuleType} from 'dependency-cruiser';

/** index.ts and errors.ts stand at the top of src/ and below all folders: they belong to no folder. */
const OUTSIDE = '^src/[a-z_]+\\.ts$';

const FORBIDDEN: IForbiddenRuleType[] = [
  {name: 'circle of files', severity: 'error', from: {}, to: {circular: true}},
  {name: 'circle of folders', severity: 'error', scope: 'folder', from: {}, to: {circular: true}},
];

/** The violations of the rules, each with its circle. Tests exclude the files outside of the folders. */
async function violations(from: string, exclude: string): Promise<string[]> {
  const {output} = await cruise([from], {tsPreCompilationDeps: true, doNotFollow: {path: 'node_modules'}, exclude: {path: exclude},
    tsConfig: {fileName: 'tsconfig.json'}, ruleSet: {forbidden: FORBIDDEN}, validate: true});
  return (output as ICruiseResult).summary.violations.map(({rule, from, cycle}) =>
    `${rule.name}: ${from} -> ${(cycle ?? []).map(({name}) => name).join(' -> ')}`);
}

test('no import of src/ goes in a circle', async t => {
  t.deepEqual(await violations('src', OUTSIDE), []);
});

test('a circle would be found', async t => {
  const found = await violations('test/support/circle', 'none');
  t.deepEqual([...new Set(found.map(violation => violation.split(':')[0]))].sort(), ['circle of files', 'circle of folders']);
});

test('at most three files lie loose in src/', t => {
  const loose = readdirSync('src', {withFileTypes: true}).filter(entry => entry.isFile());
  t.true(loose.length <= 3, loose.map(({name}) => name).join());
});

test('no file of src/ has more than 300 lines', t => {
  const files = readdirSync('src', {recursive: true, encoding: 'utf8'}).filter(name => name.endsWith('.ts'));
  const long = files.map(name => [name, readFileSync(path.join('src', name), 'utf8').split('\n').length - 1] as const).filter(([, lines]) => lines > 300);
  t.true(files.length > 100);
  t.deepEqual(long, []);
});
