/** The table of speeds: steps, first steps and numbers of kernels, each measured in processes of their own. */
import {execFileSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {cpus, loadavg} from 'node:os';
import {fileURLToPath} from 'node:url';
import {availableBackends} from '../../support/backends';
import type {NodeBackend} from '../../support/backends';
import {bundleProcess} from './bundle';
import type {SpeedOptions} from './options';
import type {Hot} from './profile';
import {emptyResults, merged, readResults, writeResults} from './results';
import type {Environment, FirstRow, KernelsRow, Origin, StepsRow} from './results';
import {ACTIVATIONS, COUNTED, FIRST} from './rows';
import type {NetworkName} from './rows';
import {median, type Counted, type FirstSteps, type StepTimes} from './steps';
import {firstHead, firstLine, kernelsHead, kernelsLine, stepsHead, stepsLine} from './table';

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

let program: string | undefined;

function measured<T>(backend: NodeBackend, task: string, network: NetworkName, ...args: string[]): T {
  const output = execFileSync(process.execPath,
      [program ??= bundleProcess(), backend, task, network, ...args],
      {encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore']});
  return JSON.parse(output.trim().split('\n').at(-1)!) as T;
}

function environment(): Environment {
  const tfjs = createRequire(import.meta.url)('@tensorflow/tfjs/package.json') as {version: string};
  const tensorflow = /^TENSORFLOW=(\S+)/m.exec(readFileSync(here('../../native/build.sh'), 'utf8'))![1];
  return {machine: `${cpus().length} cores of ${cpus()[0].model.trim()}`, node: process.version,
    tfjs: `${tfjs.version}, tfjs-node with TensorFlow ${tensorflow}`};
}

const git = (...args: string[]): string => execFileSync('git', args, {encoding: 'utf8', cwd: here('.')}).trim();

/** A commit with a plus has changes in src/ that are not committed. */
function commit(): string {
  return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--', here('../../../src')) === '' ? '' : '+');
}

const origin = (): Origin => ({commit: commit(), date: new Date().toISOString().slice(0, 10), load: loadavg()[0]});

function stepsRows(backend: NodeBackend, network: NetworkName, {seconds}: SpeedOptions): StepsRow[] {
  const from = origin();
  const times = measured<Record<string, StepTimes>>(backend, 'steps', network, String(seconds));
  return ACTIVATIONS.map(activation => ({backend, network, activation, ...times[activation], ...from}));
}

/** Fresh processes in turn with ggn's and with Adam's step first, with one activation and with the other. */
function firstRow(backend: NodeBackend, network: NetworkName, {processes}: SpeedOptions): FirstRow {
  const from = origin();
  const runs = Array.from({length: processes}, (_, i) =>
    measured<FirstSteps>(backend, 'first', network, ACTIVATIONS[(i >> 1) % 2], i % 2 === 0 ? 'ggn' : 'adam'));
  const medianOf = (read: (run: FirstSteps) => number): number => median(runs.map(read));
  const medians = (Object.keys(runs[0]) as (keyof FirstSteps)[]).map(key => [key, medianOf(run => run[key])]);
  return {backend, network, processes, ratio: medianOf(({ggn, beside}) => ggn / beside),
    busyRatio: medianOf(({busyGgn, busyBeside}) => busyGgn / busyBeside),
    ...Object.fromEntries(medians) as unknown as FirstSteps, ...from};
}

function kernelsRow(backend: NodeBackend, network: NetworkName): KernelsRow {
  return {backend, network, ...origin(),
    ...measured<{kernels: Counted; addon: Counted | null}>(backend, 'kernels', network)};
}

function sayProfile(backend: NodeBackend, network: NetworkName, say: (line?: string) => void): void {
  const {steps, milliseconds, hottest} =
    measured<{steps: number; milliseconds: number; hottest: Hot[]}>(backend, 'profile', network);
  say(`${backend} ${network}, profile of ${steps} steps of ${milliseconds.toFixed(2)} ms; ms of a step in the function itself:`);
  hottest.forEach(({name, self}) => say(`  ${self.toFixed(3)}  ${name}`));
}

/** Prints the tables. With `write` their rows take the place of those in results.json. */
export function speed(options: SpeedOptions, say: (line?: string) => void): void {
  const pairs = (among: {backends: readonly NodeBackend[]; networks: readonly NetworkName[]}) =>
    options.backends.flatMap(backend => options.networks.map(network => ({backend, network})))
        .filter(({backend, network}) => among.backends.includes(backend) && among.networks.includes(network));
  const usable = availableBackends();
  options.backends.filter(backend => !usable.includes(backend))
      .forEach(backend => say(`NOT MEASURED: ${backend} is not built here (npm run native)\n`));
  const all = pairs({backends: usable, networks: options.networks});
  if (options.profile) {
    all.forEach(({backend, network}) => sayProfile(backend, network, say));
    return;
  }
  const old = readResults();
  const added = {...emptyResults(environment()), steps: [] as StepsRow[], first: [] as FirstRow[], kernels: [] as KernelsRow[]};
  const usablePairs = (among: Parameters<typeof pairs>[0]) => pairs(among).filter(({backend}) => usable.includes(backend));
  const table = <R>(title: string, lines: readonly string[], rows: R[], make: Iterable<() => R[]>,
    lineOf: (row: R, committed: typeof old) => string): void => {
    say(title);
    say();
    lines.forEach(line => say(line));
    for (const measure of make) {
      const next = measure();
      rows.push(...next);
      next.forEach(row => say(lineOf(row, old)));
    }
    say();
  };
  if (options.kinds.includes('steps')) {
    table('Steps of ggn() and Adam, interleaved, with both activations in one process for each network; 16 batches in turn, medians.',
        stepsHead, added.steps, all.map(({backend, network}) => () => stepsRows(backend, network, options)), stepsLine);
  }
  if (options.kinds.includes('first')) {
    table(`The first ${FIRST.steps} steps of ${options.processes} fresh processes, ggn and Adam in turn, medians of the processes.`,
        firstHead, added.first, usablePairs(FIRST).map(({backend, network}) => () => [firstRow(backend, network, options)]), firstLine);
  }
  if (options.kinds.includes('kernels')) {
    table('Kernels of a later step, relu. The addon of tfjs-node is called to run, make, read and release.',
        kernelsHead, added.kernels, usablePairs(COUNTED).map(({backend, network}) => () => [kernelsRow(backend, network)]), kernelsLine);
  }
  if (options.write) {
    writeResults(merged(old, added));
  }
}
