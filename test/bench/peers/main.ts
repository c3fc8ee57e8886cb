/**
 * `npm run bench:peers -- sinc` and `npm run bench:peers -- cnn`: ours and tf-levenberg-marquardt, installed from PyPI, on its two headline
 * tasks, in one run. Writes sinc.json or cnn.json, and RESULTS.md from both. Options: `--seeds 3`, `--epochs 100` (sinc); `--loss
 * crossEntropy`, `--batch 6000`, `--steps 100`, `--options '{"policy":"levenbergMarquardt"}'` (cnn); `--first 2` starts at that seed,
 * `--append` keeps the runs that are there, `--untimed` drops the times (on a machine that is not idle); `--skip-peer`; `--table` only
 * writes RESULTS.md again. See README.md.
 */
import {execFileSync} from 'node:child_process';
import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import {cpus} from 'node:os';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {availableBackends} from '../../support/backends';

const {values, positionals: [task]} = parseArgs({allowPositionals: true, options: {
  seeds: {type: 'string', default: '3'}, epochs: {type: 'string', default: '100'},
  loss: {type: 'string', default: 'crossEntropy'}, batch: {type: 'string', default: '6000'}, steps: {type: 'string', default: '100'},
  first: {type: 'string', default: '1'}, append: {type: 'boolean', default: false}, untimed: {type: 'boolean', default: false},
  options: {type: 'string', default: '{}'}, 'skip-peer': {type: 'boolean', default: false}, table: {type: 'boolean', default: false}}});

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** A run of one side, as its script prints it. */
interface Run {
  side: string;
  seed: number;
  steps: number;
  /** null where the machine had other work. */
  millisecondsPerStep: number | null;
}

interface SincRun extends Run {
  loss: number;
  lossAfterEpochs: Record<string, number>;
}

interface CnnRun extends Run {
  loss: string;
  batch: number;
  training: {loss: number; accuracy: number};
  test: {loss: number; accuracy: number};
  peakMiB: number;
}

interface Results<R> {
  date: string;
  machine: string;
  runs: R[];
}

const lastLine = (output: string): object => JSON.parse(output.trim().split('\n').at(-1)!) as object;

function python(script: string, ...args: string[]): object {
  const interpreter = execFileSync('bash', [here('install.sh')], {encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit']}).trim();
  return lastLine(execFileSync(interpreter, [here(script), ...args], {encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore']}));
}

const ours = (script: string, ...args: string[]): object =>
  lastLine(execFileSync(process.execPath, ['--import=tsx', here(script), ...args], {encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore']}));

const PEER = 'tf-levenberg-marquardt 1.0.3';
const LEVENBERG_MARQUARDT = '{"policy":"levenbergMarquardt"}';
const backends = availableBackends().filter(name => name !== 'cpu');
const named = (backend: string): string => backend === 'tensorflow' ? 'tfjs-node' : 'WASM';
const optimizer = (options: string): string => options === '{}' ? 'ggn()' : `ggn(${options.replace(/"(\w+)":/g, '$1: ').replaceAll('"', "'")})`;

/** What is to be run, in turn for each seed. */
function runs(): Array<{side: string; run: (seed: number) => object}> {
  if (task === 'sinc') {
    return [
      {side: PEER, run: seed => python('sinc.py', String(seed), values.epochs)},
      ...['{}', LEVENBERG_MARQUARDT].flatMap(options => backends.map(backend =>
        ({side: `${optimizer(options)}, ${named(backend)}`, run: (seed: number) => ours('sinc.ts', backend, String(seed), values.epochs, options)}))),
    ];
  }
  return [
    {side: PEER, run: seed => python('cnn.py', String(seed), values.batch, values.steps, values.loss)},
    ...['{}', values.options].filter((options, i, all) => all.indexOf(options) === i).map(options => (
      {side: `${optimizer(options)}, tfjs-node`, run: (seed: number) => ours('cnn.ts', 'tensorflow', String(seed), values.batch, values.steps, values.loss, options)})),
  ];
}

function read<R>(name: string): Results<R> | null {
  return existsSync(here(name)) ? JSON.parse(readFileSync(here(name), 'utf8')) as Results<R> : null;
}

const bySide = <R extends Run>(results: Results<R>): R[][] => [...new Set(results.runs.map(run => run.side))].map(side => results.runs.filter(run => run.side === side));

const median = (numbers: readonly number[]): number => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

const time = (group: readonly Run[], digits: number): string => {
  const times = group.map(run => run.millisecondsPerStep).filter(x => x !== null);
  return times.length === 0 ? '-' : median(times).toFixed(digits);
};

const exponential = (x: number): string => x.toExponential(1);

function sincTable(results: Results<SincRun>): string[] {
  return ['## sinc', '',
    'y = sinc(10x), 20,000 points, batches of 1,000, 1-20-1 with tanh, 61 parameters, mean squared error over all points. Medians over the seeds of the',
    `initial weights. ${results.machine}, ${results.date}.`, '',
    '| | ms a step | loss after 10 epochs | 50 | 100 | of each seed after 100 |', '|---|---|---|---|---|---|',
    ...bySide(results).map(group => {
      const at = (epochs: number): string => exponential(median(group.map(run => run.lossAfterEpochs[epochs])));
      return `| ${group[0].side} | ${time(group, 1)} | ${at(10)} | ${at(50)} | **${at(100)}** | ` +
          `${group.map(run => exponential(run.loss)).join(', ')} |`;
    }), ''];
}

function cnnTable(results: Results<CnnRun>): string[] {
  const [{batch}] = results.runs;
  return ['## CNN of 1,026 parameters', '',
    `Fashion-MNIST, 60,000 images, batches of ${batch}, in the order of the file. ${results.machine}, ${results.date}.`, '',
    '| | loss | seed | steps | ms a step | training loss | test loss | test accuracy | peak MiB of the process |', '|---|---|---|---|---|---|---|---|---|',
    ...results.runs.map(run => ({...run, time: time([run], 0)})).map(({side, loss, seed, steps, time, training, test, peakMiB}) =>
      `| ${side} | ${loss} | ${seed} | ${steps} | ${time} | ${training.loss.toFixed(4)} | **${test.loss.toFixed(4)}** | ` +
      `${(100 * test.accuracy).toFixed(1)} % | ${peakMiB.toFixed(0)} |`), ''];
}

if (!values.table) {
  if (task !== 'sinc' && task !== 'cnn') {
    throw new Error('name a task: sinc or cnn');
  }
  const found: Run[] = [];
  for (let seed = Number(values.first); seed < Number(values.first) + Number(values.seeds); seed++) {
    for (const {side, run} of runs()) {
      if (side === PEER && values['skip-peer']) {
        continue;
      }
      found.push({side, ...run(seed), ...(values.untimed ? {millisecondsPerStep: null} : {})} as Run);
      console.log(JSON.stringify(found.at(-1)));
    }
  }
  const results: Results<Run> = {date: new Date().toISOString().slice(0, 10), machine: `Node ${process.version}, ${cpus().length} cores of ${cpus()[0].model.trim()}`, runs: [...values.append ? read<Run>(`${task}.json`)?.runs ?? [] : [], ...found]};
  writeFileSync(here(`${task}.json`), JSON.stringify(results, null, 1) + '\n');
}
const [sinc, cnn] = [read<SincRun>('sinc.json'), read<CnnRun>('cnn.json')];
writeFileSync(here('RESULTS.md'), ['# Beside tf-levenberg-marquardt', '', ...sinc === null ? [] : sincTable(sinc), ...cnn === null ? [] : cnnTable(cnn)].join('\n'));
