// Builds dist and build/api, unless they are those of the present sources: npm runs this on install in a clone, on pack and for a git dependency,
// and tests and docs begin with it.
import {spawnSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

const root = path.dirname(fileURLToPath(import.meta.url));
const inputs = ['src', 'build.mjs', 'rollup.config.mjs', 'tsconfig.json', 'api-extractor.json', 'package.json', 'package-lock.json'];
const outputs = ['dist', 'build/api'];
const record = path.join(root, 'build/built.json');

const at = name => path.join(root, name);
const files = name => fs.statSync(at(name)).isDirectory() ? fs.readdirSync(at(name)).sort().flatMap(entry => files(path.join(name, entry))) : [name];

/** One digest of the names and contents of files and folders; those that are missing count as such. */
function digest(names) {
  const hash = createHash('sha256');
  for (const name of names.filter(name => fs.existsSync(at(name))).flatMap(files)) {
    hash.update(`${name}\n`).update(fs.readFileSync(at(name)));
  }
  return hash.digest('hex');
}

const state = () => JSON.stringify({inputs: digest(inputs), outputs: digest(outputs)});

if (fs.existsSync(record) && fs.readFileSync(record, 'utf8') === state()) process.exit(0);

const tool = name => at(path.join('node_modules', name));
const [rollup, extractor] = [tool('rollup/dist/bin/rollup'), tool('@microsoft/api-extractor/bin/api-extractor')];
if (![rollup, extractor].every(file => fs.existsSync(file))) {
  console.error('tfjs-ggn is built with its devDependencies, which are not installed here: run "npm install" without --omit=dev first.');
  process.exit(1);
}
fs.rmSync(record, {force: true});
for (const step of [[rollup, '--config', '--silent'], [extractor, 'run', '--local']]) {
  const {status} = spawnSync(process.execPath, step, {cwd: root, stdio: ['ignore', 'inherit', 'inherit']});
  if (status !== 0) process.exit(status ?? 1);
}
fs.writeFileSync(record, state());
