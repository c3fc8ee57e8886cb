/**
 * The structure of src/: no import goes in a circle, of files or of folders, and few files lie outside of the folders. ESLint keeps the
 * direction.
 */
import {readdirSync, readFileSync} from 'node:fs';
import path from 'node:path';
import test from 'ava';
import * as core from '@tensorflow/tfjs-core';
import {cruise} from 'dependency-cruiser';
import type {ICruiseResult, IForbiddenRuleType} from 'dependency-cruiser';

/**
 * The folder src/ itself lies below all others, by errors.ts and shown.ts. Its index.ts imports from the folders, and would make circles of
 * folders, but not of files.
 */
const FACE = '^src/index\\.ts$';

const CIRCLES = {
  files: {name: 'circle of files', severity: 'error', from: {}, to: {circular: true}},
  folders: {name: 'circle of folders', severity: 'error', scope: 'folder', from: {}, to: {circular: true}},
} as const satisfies Record<string, IForbiddenRuleType>;

/** The violations of a rule, each with its circle. */
async function violations(from: string, rule: keyof typeof CIRCLES, exclude: string): Promise<string[]> {
  const {output} = await cruise([from], {tsPreCompilationDeps: true, doNotFollow: {path: 'node_modules'}, exclude: {path: exclude},
    tsConfig: {fileName: 'tsconfig.json'}, ruleSet: {forbidden: [CIRCLES[rule]]}, validate: true});
  return (output as ICruiseResult).summary.violations.map(({rule, from, cycle}) =>
    `${rule.name}: ${from} -> ${(cycle ?? []).map(({name}) => name).join(' -> ')}`);
}

test('no import of src/ goes in a circle of files', async t => {
  t.deepEqual(await violations('src', 'files', 'none'), []);
});

test('no import of src/ goes in a circle of folders', async t => {
  t.deepEqual(await violations('src', 'folders', FACE), []);
});

test('a circle would be found', async t => {
  t.not((await violations('test/support/circle', 'files', 'none')).length, 0);
  t.not((await violations('test/support/circle', 'folders', 'none')).length, 0);
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

/**
 * The tables of kernels; the readers of formulas, which a loss writes in these very kernels; and the places that treat an alias or a view of
 * data apart from other kernels.
 */
const NAMES_KERNELS = /^(derivatives|loss\/read)\/|^trace\/(kernel_facts|recorder)\.ts$|^tfjs\/forward_kernels\.ts$/;

test('kernels are named in their tables: other files ask for facts, or run a kernel', t => {
  const kernels = new Set<unknown>(Object.values(core).filter(value => typeof value === 'string' && /^_?[A-Z]/.test(value)));
  t.true(kernels.size > 150);
  const files = readdirSync('src', {recursive: true, encoding: 'utf8'}).filter(name => name.endsWith('.ts') && !NAMES_KERNELS.test(name));
  const named = files.flatMap(name => {
    const unrun = readFileSync(path.join('src', name), 'utf8').replace(/\brun(Kernel)?\('\w+'/g, '');
    return [...unrun.matchAll(/'(_?[A-Z]\w+)'/g)].filter(([, word]) => kernels.has(word)).map(([, word]) => `${name}: ${word}`);
  });
  t.deepEqual(named, []);
});

test('ESLint knows the direction of every folder of src/', async t => {
  const {rooms, insides} = await import(path.resolve('eslint.config.mjs')) as {rooms: string[]; insides: Record<string, string[]>};
  const folders = readdirSync('src', {recursive: true, withFileTypes: true}).filter(entry => entry.isDirectory())
      .map(({parentPath, name}) => path.relative('src', path.join(parentPath, name)));
  const known = [...rooms, ...Object.entries(insides).flatMap(([room, list]) => list.filter(name => name !== '.').map(name => path.join(room, name)))];
  t.deepEqual(folders.sort(), known.sort());
});
