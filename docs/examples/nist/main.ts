/** `npm run example:nist`: the 27 nonlinear regression problems of NIST by ggn, from both starts, beside scipy; writes docs/nist.md. */
import {readFileSync, writeFileSync} from 'node:fs';
import {relative} from 'node:path';
import {fileURLToPath} from 'node:url';
import {ggn} from 'tfjs-ggn'; // In this repository tsconfig.json points it to src/index.ts: no build needed.
import {BACKEND_NAMES, startBackend} from '../shared/backend';
import {oneOf, runExample, wholeNumber} from '../shared/command_line';
import {readDataset} from './data';
import {fit} from './fit';
import {PROBLEMS} from './problems';
import {isCertified, page, verdict} from './report';
import type {NistRun, ScipyRun} from './report';

const STEPS = 1000;

const HELP = `Usage: npm run example:nist -- [options]

Fits NIST's 27 nonlinear regression problems from both starts, and writes a table of them beside scipy's results (scipy.json, by scipy_fit.py).

  --backend NAME   cpu (default), wasm, or tensorflow: tfjs-node, after npm run native
  --steps N        steps of a run at most (default: ${STEPS})
  --out FILE       the page to write (default: docs/nist.md)
  --help           this text`;

interface Options {
  backend: 'cpu' | 'wasm' | 'tensorflow';
  steps: number;
  out: string;
}

const ours = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

await runExample(HELP, ['backend', 'steps', 'out'], (given): Options => ({
  backend: oneOf('backend', given.backend, ['cpu', 'wasm', 'tensorflow']),
  steps: wholeNumber('steps', given.steps, STEPS, 1),
  out: given.out ?? ours('../../nist.md'),
}), async ({backend, steps, out}) => {
  await startBackend(backend);
  const scipy = JSON.parse(readFileSync(ours('scipy.json'), 'utf8')) as {scipy: string; runs: Record<string, ScipyRun[]>};
  const runs: NistRun[] = [];
  for (const problem of PROBLEMS) {
    const dataset = readDataset(problem.name);
    for (const [start, parameters] of dataset.starts.entries()) {
      const run = {dataset, start, fit: fit(problem, dataset, parameters, ggn(), steps), scipy: scipy.runs[problem.name][start]};
      runs.push(run);
      console.log(`${problem.name.padEnd(9)} start ${start + 1}: ${verdict(run)} after ${run.fit.steps} steps, residual ${run.fit.residual.toPrecision(6)}, ` +
          `certified ${dataset.certified.residual.toPrecision(6)}`);
    }
  }
  const levenberg = PROBLEMS.flatMap(problem => {
    const dataset = readDataset(problem.name);
    return dataset.starts.map(parameters => isCertified(fit(problem, dataset, parameters, ggn({scaling: 'levenberg'}), steps), dataset));
  }).filter(isReached => isReached).length;
  writeFileSync(out, page(runs, levenberg, {scipy: scipy.scipy, backend: BACKEND_NAMES[backend]}));
  console.log(`\nTable: ${relative('', out)}`);
});
