/**
 * The program of a measuring process as one file, as quick as the published package. The loaders of TypeScript that
 * tests and scripts use name each function when it is made and read each function of tfjs by a getter; the package
 * does neither.
 */
import {readFileSync, writeFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {buildSync} from 'esbuild';

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** As deep in the repository as test/support/backends.ts, which finds tfjs-node by its own place. */
const OUTPUT = here('../../../build/speed/process.mjs');

const HEAD = "import * as nodeModule from 'node:module';\nconst require = nodeModule.createRequire(process.argv[1]);";

/** An import of all of a module, of names, or of none. */
const IMPORT = /^import (?:(?:\* as (\w+)|(\{[^}]*\})) from )?("@tensorflow\/[^"]+");$/gm;

/** Imports of tfjs as calls of require: `import {a as b}` becomes `const {a: b}`. */
export const withRequire = (text: string): string => text.replace(IMPORT,
    (_all, whole: string | undefined, names: string | undefined, from: string) => {
      const left = whole ?? names?.replaceAll(/(\w+) as (\w+)/g, '$1: $2');
      return `${left === undefined ? '' : `const ${left} = `}require(${from});`;
    });

/** Bundles and returns the path of the program. */
export function bundleProcess(): string {
  buildSync({entryPoints: [here('process.ts')], bundle: true, platform: 'node', format: 'esm', target: 'node20',
    packages: 'external', outfile: OUTPUT, banner: {js: HEAD}, logLevel: 'error'});
  writeFileSync(OUTPUT, withRequire(readFileSync(OUTPUT, 'utf8')));
  return OUTPUT;
}
