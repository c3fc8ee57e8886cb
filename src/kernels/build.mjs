// Compiles assembly/ and writes its bytes into bytes.ts: `npm run kernels`. module.ts derives the other builds from these bytes.
import fs from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import asc from 'assemblyscript/asc';

const folder = path.dirname(fileURLToPath(import.meta.url));

/** The text of bytes.ts, from the source. */
export async function builtBytes() {
  const files = new Map();
  const {error, stderr} = await asc.main(['index.ts', '--baseDir', path.join(folder, 'assembly'), '-O3', '--noAssert', '--runtime', 'stub', '--outFile', 'kernels.wasm', '--noExportMemory',
    '--importMemory', '--sharedMemory', '--initialMemory', '0', '--maximumMemory', '65536', '--enable', 'simd', '--enable', 'threads',
    '--enable', 'bulk-memory'], {
    readFile: (name, base) => fs.existsSync(path.join(base, name)) ? fs.readFileSync(path.join(base, name), 'utf8') : null,
    writeFile: (name, contents) => void files.set(name, contents),
    listFiles: () => [],
  });
  if (error != null) {
    throw new Error(`asc: ${error.message}\n${stderr}`);
  }
  const text = Buffer.from(files.get('kernels.wasm')).toString('base64');
  return `/** The module of assembly/, written by build.mjs: \`npm run kernels\`. */\nexport const bytes =\n  ${
    text.match(/.{1,112}/g).map(line => `'${line}'`).join(' +\n  ')};\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  fs.writeFileSync(path.join(folder, 'bytes.ts'), await builtBytes());
}
