// The API reference, docs/api: the API report, and one page per member, both made from the built declarations (npm run build).
//   node docs/api.mjs            writes it
//   node docs/api.mjs --check    writes nothing; fails, naming the pages, when docs/api is not what would be written
import {execFileSync} from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const made = path.join(root, 'build/api');        // where api-extractor leaves the report and the doc model
const pages = path.join(root, 'build/pages');
const target = path.join(root, 'docs/api');

// api-documenter empties the folder it writes to, so it gets one of its own, and the report joins the pages there.
execFileSync(process.execPath, [path.join(root, 'node_modules/@microsoft/api-documenter/bin/api-documenter'),
  'markdown', '--input-folder', made, '--output-folder', pages], {cwd: root, stdio: ['ignore', 'ignore', 'inherit']});
fs.copyFileSync(path.join(made, 'tfjs-ggn.api.md'), path.join(pages, 'tfjs-ggn.api.md'));

const read = folder => new Map(!fs.existsSync(folder) ? [] : fs.readdirSync(folder)
  .map(name => [name, fs.readFileSync(path.join(folder, name), 'utf8')]));
const [now, then] = [read(pages), read(target)];
const stale = [...new Set([...now.keys(), ...then.keys()])].filter(name => now.get(name) !== then.get(name)).sort();

if (!process.argv.includes('--check')) {
  fs.mkdirSync(target, {recursive: true});
  for (const name of stale) {
    if (now.has(name)) fs.writeFileSync(path.join(target, name), now.get(name));
    else fs.rmSync(path.join(target, name));
  }
  console.log(`docs/api: ${now.size} files, ${stale.length} changed`);
} else if (stale.length > 0) {
  console.error(`docs/api is stale: run "npm run docs" and commit the result. Differing: ${stale.join(', ')}`);
  process.exit(1);
} else {
  console.log(`docs/api: ${now.size} files, up to date`);
}
