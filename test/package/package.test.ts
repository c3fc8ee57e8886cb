// The tarball that `npm pack` makes in a clone, installed by npm beside TensorFlow.js in an empty directory, and used as its users would.
import {execFile, spawnSync} from 'node:child_process';
import {mkdtempSync, writeFileSync} from 'node:fs';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';
import test, {type ExecutionContext} from 'ava';
import {build} from 'esbuild';

interface Trained {
  tfjs: string;
  loss: number[];
  damping: number[];
  drawn: number[];
  weights: number[];
  lastStepLoss: number;
  saved: string;
  loaded: string;
  ours: boolean;
  continued: number[];
  continuedAfterLoading: number[];
}

const run = promisify(execFile);
const here = fileURLToPath(new URL('.', import.meta.url));
const root = path.join(here, '../..');
// `npm test` tells its children their package; an npm in another directory must not hear of it.
const env = Object.fromEntries(Object.entries(process.env)
  .filter(([name]) => !/^(npm_(package|lifecycle)_|npm_config_local_prefix$|NODE_OPTIONS$)/.test(name)));
const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
const noScripts = ['--ignore-scripts', ...quiet];

let work: string;
let tarball: string;
const projects = new Map<string, Promise<string>>();

/** Puts the files of the working tree into a folder, as a clone has them: without dist and without node_modules. */
async function copyTree(folder: string): Promise<void> {
  const {stdout: tracked} = await run('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {cwd: root});
  for (const file of tracked.split('\0').filter(name => name !== '')) {
    await fs.mkdir(path.dirname(path.join(folder, file)), {recursive: true});
    await fs.copyFile(path.join(root, file), path.join(folder, file)).catch(ignoreMissing);
  }
}

// The tarball comes from a clone with the devDependencies and the build that are here. If the build is of other sources, npm makes another.
test.before(async () => {
  work = await fs.mkdtemp(path.join(os.tmpdir(), 'tfjs-ggn-package-'));
  const clone = path.join(work, 'clone');
  await copyTree(clone);
  await fs.symlink(path.join(root, 'node_modules'), path.join(clone, 'node_modules'));
  await Promise.all(['dist', 'build'].map(name =>
    fs.cp(path.join(root, name), path.join(clone, name), {recursive: true}).catch(ignoreMissing)));
  await run('npm', ['pack', '--loglevel=error', '--pack-destination', work], {cwd: clone, env});
  tarball = path.join(work, (await fs.readdir(work)).find(name => name.endsWith('.tgz'))!);
});

/** A file that git knows and the working tree has no more. */
function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') {
    throw error;
  }
}

test.after.always(async () => {
  if (work) await fs.rm(work, {recursive: true, force: true});
});

/** A directory of our scripts, this package and packages of tfjs alone, which one command asks of npm without a lock file. */
function project(...packages: string[]): Promise<string> {
  const key = packages.join(' ');
  let made = projects.get(key);
  if (!made) projects.set(key, made = install(packages));
  return made;
}

async function emptyProject(): Promise<string> {
  const folder = await fs.mkdtemp(path.join(work, 'project-'));
  await fs.writeFile(path.join(folder, 'package.json'), JSON.stringify({name: 'consumer', private: true}));
  return folder;
}

/** @param source of this package. */
async function install(packages: readonly string[], source = tarball, flags = noScripts): Promise<string> {
  const folder = await emptyProject();
  for (const file of await fs.readdir(here)) {
    if (!file.endsWith('.test.ts')) await fs.copyFile(path.join(here, file), path.join(folder, file));
  }
  await run('npm', ['install', '--prefer-offline', '--no-package-lock', ...flags, source, ...packages.map(name => `@tensorflow/${name}`)],
    {cwd: folder, env});
  return folder;
}

async function trained(folder: string, ...script: string[]): Promise<Trained> {
  const {stdout} = await run(process.execPath, script, {cwd: folder, env});
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Trained;
}

function check(t: ExecutionContext, result: Trained, tfjs: string): void {
  t.is(result.tfjs, tfjs);
  t.true(result.loss[4] < 0.5 * result.loss[0], `the loss fell too little: ${result.loss.join(', ')}`);
  t.true(Number.isFinite(result.lastStepLoss));
  t.is(result.damping.length, 5);
  t.deepEqual(result.drawn, result.damping);
  t.is(result.saved, 'GramGaussNewton');
  t.is(result.loaded, 'GramGaussNewton');
  t.true(result.ours);
  t.deepEqual(result.continuedAfterLoading, result.continued);
}

/** The folders of all copies of tfjs-core, at any depth. */
async function cores(folder: string): Promise<string[]> {
  const all = await fs.readdir(folder, {recursive: true});
  return all.filter(name => name.endsWith(path.join('@tensorflow', 'tfjs-core')) && name.startsWith('node_modules'));
}

const latest = '4.22.0';
const withTfjs = (): Promise<string> => project(`tfjs@${latest}`);

test('the tarball holds the builds, the types, the sources they map to and the papers, and no more', async t => {
  const folder = path.join(await withTfjs(), 'node_modules/tfjs-ggn');
  const builds = ['index.js', 'index.cjs', 'tfjs-ggn.js', 'tfjs-ggn.min.js'];
  t.deepEqual((await fs.readdir(path.join(folder, 'dist'))).sort(), [...builds, ...builds.map(name => `${name}.map`), 'index.d.ts', 'index.d.cts'].sort());
  const papers = ['CHANGELOG.md', 'LICENSE', 'README.md', 'dist', 'package.json', 'src'];
  t.deepEqual((await fs.readdir(folder)).filter(name => !papers.includes(name)), []);
  for (const build of builds) {
    const map = JSON.parse(await fs.readFile(path.join(folder, 'dist', `${build}.map`), 'utf8')) as {sources: string[]};
    await Promise.all(map.sources.map(source => t.notThrowsAsync(fs.access(path.join(folder, 'dist', source)))));
  }
});

test('ESM: import', async t => {
  check(t, await trained(await withTfjs(), 'consumer.mjs'), latest);
});

test('CommonJS: require', async t => {
  check(t, await trained(await withTfjs(), 'consumer.cjs'), latest);
});

for (const [tf, ours] of [['tf.min.js', 'tfjs-ggn.min.js'], ['tf.es2017.min.js', 'tfjs-ggn.js']]) {
  test(`script tags: ${tf}, then ${ours}`, async t => {
    check(t, await trained(await withTfjs(), 'page.cjs', 'train.cjs', `@tensorflow/tfjs/dist/${tf}`, `tfjs-ggn/dist/${ours}`), latest);
  });
}

/** The errors of TypeScript for a strict consumer; without `--skipLibCheck` those in the types of its libraries too. */
async function typeErrors(folder: string, file: string, ...more: string[]): Promise<string> {
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
  const flags = '--strict --noEmit --target es2022 --module nodenext'.split(' ');
  const {stdout} = await run(process.execPath, [tsc, ...flags, ...more, file], {cwd: folder, env})
    .catch((error: unknown) => error as {stdout: string});
  return stdout;
}

test('types: a strict TypeScript consumer compiles', async t => {
  t.is(await typeErrors(await withTfjs(), 'consumer.mts', '--skipLibCheck'), '');
});

// ------------------------------------------------------------------------------------------------------------------- a git dependency

/** The devDependencies of the build. npm installs all of a git dependency's; those of tests and docs would double the time. */
const BUILD = ['@microsoft/api-extractor', '@rollup/plugin-terser', '@rollup/plugin-typescript', '@tensorflow/tfjs-core', 'rollup', 'tslib', 'typescript'];

test('a git dependency: npm builds it, and a model trains', async t => {
  const repository = path.join(work, 'repository');
  await copyTree(repository);
  const file = path.join(repository, 'package.json');
  const {devDependencies, ...rest} = JSON.parse(await fs.readFile(file, 'utf8')) as {devDependencies: Record<string, string>};
  await fs.writeFile(file, JSON.stringify({...rest, devDependencies: Object.fromEntries(BUILD.map(name => [name, devDependencies[name]]))}));
  const git = (...commands: string[]): Promise<unknown> => run('git', ['-c', 'user.name=test', '-c', 'user.email=test@localhost', ...commands], {cwd: repository});
  await git('init', '--quiet');
  await git('add', '--all');
  await git('commit', '--quiet', '--message', 'The working tree');
  const folder = await install([`tfjs@${latest}`], `git+file://${repository}`, quiet);
  check(t, await trained(folder, 'consumer.mjs'), latest);
});

// ------------------------------------------------------------------------------------------------------------------- versions of tfjs

// The tfjs-core of 4.23.0-rc.0 has no wasm backend of its version.
const BESIDE: Array<[version: string, ...backends: string[]]> = [
  ['4.0.0', 'tfjs-backend-wasm'], ['4.10.0', 'tfjs-backend-wasm'], ['4.21.0', 'tfjs-backend-wasm', 'tfjs-backend-webgl'], ['4.23.0-rc.0', 'tfjs-backend-webgl'],
];

for (const [version, ...backends] of BESIDE) {
  test(`tfjs ${version} beside it, ${backends.join(' and ')} pinned alike: one copy of tfjs-core, and all works`, async t => {
    const folder = await project(`tfjs@${version}`, ...backends.map(name => `${name}@${version}`));
    t.deepEqual(await cores(folder), [path.join('node_modules', '@tensorflow', 'tfjs-core')]);
    check(t, await trained(folder, 'consumer.mjs'), version);
  });
}

/** Further sets of packages that npm must be able to place, without a conflict and with one tfjs-core. */
const PLACED: string[][] = [
  ['tfjs@4.21.0', 'tfjs-backend-webgpu@4.21.0'],
  ['tfjs-node-gpu@4.20.0', 'tfjs@4.20.0', 'tfjs-backend-wasm@4.20.0'],
];

for (const packages of PLACED) {
  test(`npm places ${packages.join(', ')}`, async t => {
    const folder = await emptyProject();
    await run('npm', ['install', '--prefer-offline', '--package-lock-only', ...noScripts, tarball, ...packages.map(name => `@tensorflow/${name}`)], {cwd: folder, env});
    const lock = JSON.parse(await fs.readFile(path.join(folder, 'package-lock.json'), 'utf8')) as {packages: Record<string, {version: string}>};
    const version = packages[0].split('@')[1];
    t.deepEqual(Object.entries(lock.packages).filter(([name]) => name.endsWith('/tfjs-core')).map(([, found]) => found.version), [version]);
  });
}

// ------------------------------------------------------------------------------------------------------------------- tfjs-core alone

interface Looped {
  version: string;
  fitted: number[];
  steps: number;
  callback: string;
}

const core = (): Promise<string> => project(`tfjs-core@${latest}`, `tfjs-backend-cpu@${latest}`);

function isFitted(t: ExecutionContext, {version, fitted: [a, b], steps, callback}: Looped): void {
  t.deepEqual([version, steps, callback], [latest, 15, 'function']);
  t.true(Math.abs(a - 3) < 1e-4 && Math.abs(b + 1.5) < 1e-4, `${a}, ${b}`);
}

async function looped(folder: string, ...script: string[]): Promise<Looped> {
  const {stdout} = await run(process.execPath, script, {cwd: folder, env});
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Looped;
}

test('tfjs-core alone, bundled with its gradients: a custom loop', async t => {
  const folder = await core();
  await t.throwsAsync(fs.access(path.join(folder, 'node_modules/@tensorflow/tfjs-layers')));
  await build({entryPoints: [path.join(folder, 'bundled.mjs')], outfile: path.join(folder, 'node_modules/bundle.js'), bundle: true, format: 'iife', logLevel: 'error'});
  isFitted(t, await looped(folder, 'page.cjs', 'loop.cjs', 'bundle.js'));
});

// The builds of tfjs-core come without gradients: those of this package serve.
for (const [how, ...script] of [['import', 'core.mjs'], ['require', 'core.cjs'],
  ['script tags', 'page.cjs', 'loop.cjs', '@tensorflow/tfjs-core/dist/tf-core.min.js', '@tensorflow/tfjs-backend-cpu/dist/tf-backend-cpu.min.js', 'tfjs-ggn/dist/tfjs-ggn.min.js']]) {
  test(`tfjs-core alone, by ${how}: a custom loop`, async t => {
    isFitted(t, await looped(await core(), ...script));
  });
}

test('tfjs-core alone: the types need no tfjs-layers', async t => {
  t.notRegex(await typeErrors(await core(), 'core.mts'), /tfjs-ggn|tfjs-layers|^core\.mts/m);
});

// ------------------------------------------------------------------------------------------------------------------- other runtimes

/** Runtimes whose program comes inside a package of the npm registry. */
const RUNTIMES: Array<[name: string, version: string, package_: string, program: string, ...arguments_: string[]]> = [
  ['Bun', '1.4.5', '@oven/bun-linux-x64', 'bin/bun'],
  ['Deno', '2.9.6', '@deno/linux-x64-glibc', 'deno', 'run', '--allow-all', '--no-lock', '--node-modules-dir=manual'],
];

const programs = mkdtempSync(path.join(os.tmpdir(), 'tfjs-ggn-runtimes-'));
test.after.always(() => fs.rm(programs, {recursive: true, force: true}));

/** null if the program cannot be had here. Synchronous, since ava wants tests declared at once. */
function program(version: string, package_: string, file: string): string | null {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return null;
  }
  const folder = mkdtempSync(path.join(programs, 'runtime-'));
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({name: 'runtime', private: true}));
  const {status} = spawnSync('npm', ['install', '--prefer-offline', '--no-save', '--no-package-lock', ...noScripts, `${package_}@${version}`], {cwd: folder, env, timeout: 60_000});
  return status === 0 ? path.join(folder, 'node_modules', package_, file) : null;
}

for (const [name, version, package_, file, ...arguments_] of RUNTIMES) {
  const binary = program(version, package_, file);
  if (binary === null) {
    console.log(`\n=== ${name} test SKIPPED: ${package_}@${version} could not be installed here. ===\n`);
  }
  // Engines with relaxed SIMD fuse multiplications and additions, which rounds less often than Node 20 does.
  (binary === null ? test.skip : test)(`${name} ${version}: the same weights as in Node, to rounding`, async t => {
    const folder = await withTfjs();
    const {stdout} = await run(binary!, [...arguments_, 'consumer.mjs'], {cwd: folder, env});
    const result = JSON.parse(stdout.trim().split('\n').at(-1)!) as Trained;
    check(t, result, latest);
    const {weights} = await trained(folder, 'consumer.mjs');
    t.is(result.weights.length, weights.length);
    const difference = Math.max(...result.weights.map((weight, i) => Math.abs(weight - weights[i])));
    t.true(difference < 1e-5, String(difference));
  });
}
