// The packed tarball, installed by npm beside TensorFlow.js in an empty directory, and used as its users would.
import {execFile} from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';
import test, {type ExecutionContext} from 'ava';

interface Trained {
  tfjs: string;
  loss: number[];
  damping: number[];
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
// `npm test` tells its children which package they belong to; an npm in another directory must not hear of it.
const env = Object.fromEntries(Object.entries(process.env)
  .filter(([name]) => !/^(npm_(package|lifecycle)_|npm_config_local_prefix$|NODE_OPTIONS$)/.test(name)));
const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];

let work: string;
let tarball: string;
const projects = new Map<string, Promise<string>>();

test.before(async t => {
  await fs.access(path.join(root, 'dist/index.js')).catch(() => t.fail('no dist: run "npm run build" first'));
  work = await fs.mkdtemp(path.join(os.tmpdir(), 'tfjs-ggn-package-'));
  const {stdout} = await run('npm', ['pack', '--json', '--pack-destination', work, ...quiet], {cwd: root, env});
  const packed = (JSON.parse(stdout) as Array<{filename: string}>)[0];
  tarball = path.join(work, packed.filename);
});

test.after.always(async () => {
  if (work) await fs.rm(work, {recursive: true, force: true});
});

/** A directory with nothing in it but our scripts, this package and one version of tfjs, both asked of npm in one command. */
function project(tfjs: string): Promise<string> {
  let made = projects.get(tfjs);
  if (!made) projects.set(tfjs, made = install(tfjs));
  return made;
}

async function install(tfjs: string): Promise<string> {
  const folder = path.join(work, tfjs);
  await fs.mkdir(folder);
  await fs.writeFile(path.join(folder, 'package.json'), JSON.stringify({name: 'consumer', private: true}));
  for (const file of await fs.readdir(here)) {
    if (!file.endsWith('.test.ts')) await fs.copyFile(path.join(here, file), path.join(folder, file));
  }
  await run('npm', ['install', '--prefer-offline', '--no-package-lock', ...quiet, tarball, `@tensorflow/tfjs@${tfjs}`], {cwd: folder, env});
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
const older = '4.20.0';
const floor = '4.0.0';

test('the tarball holds the builds, the types, the sources they map to and the papers, and no more', async t => {
  const folder = path.join(await project(latest), 'node_modules/tfjs-ggn');
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
  check(t, await trained(await project(latest), 'consumer.mjs'), latest);
});

test('CommonJS: require', async t => {
  check(t, await trained(await project(latest), 'consumer.cjs'), latest);
});

for (const [tf, ours] of [['tf.min.js', 'tfjs-ggn.min.js'], ['tf.es2017.min.js', 'tfjs-ggn.js']]) {
  test(`script tags: ${tf}, then ${ours}`, async t => {
    check(t, await trained(await project(latest), 'page.cjs', `@tensorflow/tfjs/dist/${tf}`, `tfjs-ggn/dist/${ours}`), latest);
  });
}

test('types: a strict TypeScript consumer compiles', async t => {
  const folder = await project(latest);
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
  const flags = '--strict --noEmit --skipLibCheck --target es2022 --module nodenext'.split(' ');
  const {stdout} = await run(process.execPath, [tsc, ...flags, 'consumer.mts'], {cwd: folder, env})
    .catch((error: unknown) => error as {stdout: string});
  t.is(stdout, '');
});

// npm would install the newest tfjs-core for required peers, beside the one of an older tfjs, and loading would not know our class.
for (const version of [older, floor]) {
  test(`tfjs ${version} beside it: one copy of tfjs-core, and all works`, async t => {
    const folder = await project(version);
    t.deepEqual(await cores(folder), [path.join('node_modules', '@tensorflow', 'tfjs-core')]);
    check(t, await trained(folder, 'consumer.mjs'), version);
  });
}
