/**
 * `npm run bench`: a ggn step against an adam step and a forward pass, ratios taken in one run, interleaved, medians; peak memory;
 * 5,000 steps at constant memory. Writes test/bench/RESULTS.md. About ten minutes on two cores; `npm run bench -- lstm` for the groups
 * whose name has `lstm` in it, `-- outputs --backend tensorflow` for a row of its table, `-- --quick` for a first impression (none is
 * written). The table of speeds: `-- speed`, or a part of it in half a minute: `-- speed --backend wasm --networks W1,W2`, `--only
 * steps,first,kernels`; `--seconds 5` for a row, `--processes 4` for first steps, `--profile` for the hottest functions. Its figures
 * stand beside those of results.json, which `--write` overwrites row by row.
 */
import {execFileSync} from 'node:child_process';
import {existsSync, writeFileSync} from 'node:fs';
import {cpus} from 'node:os';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {EXAMPLES, FAMILIES, NAMED, OUTPUTS} from './families';
import {LAYER_CASES} from './layers';
import {BATCH, NETWORKS} from './networks';
import {mib} from './peak';
import {speed} from './speed/main';
import {speedOptions} from './speed/options';

const {values, positionals: [filter]} = parseArgs({allowPositionals: true, options:
  {quick: {type: 'boolean', default: false}, backend: {type: 'string'}, networks: {type: 'string'}, seconds: {type: 'string'},
    processes: {type: 'string'}, only: {type: 'string'}, profile: {type: 'boolean'}, write: {type: 'boolean'}}});
const {quick, backend: only} = values;
const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Where test/native/build.sh puts the addon of tfjs-node. */
const TFJS_NODE = here('../../.cache/native/node_modules/@tensorflow/tfjs-node/lib/napi-v8/tfjs_binding.node');

type Result = Record<string, number> & Record<`refused${string}`, string>;

function measure(backend: string, ...args: string[]): Result {
  const output = execFileSync(process.execPath, ['--import=tsx', here('measure.ts'), backend, ...args],
      {encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore']});
  return JSON.parse(output.trim().split('\n').at(-1)!) as Result;
}

const lines: string[] = [];
const say = (line = ''): void => {
  lines.push(line);
  console.log(line);
};

/** A number, or why there is none. */
const shown = (value: number | undefined, digits: number, refused?: string): string =>
  value !== undefined && Number.isFinite(value) ? value.toFixed(digits) : refused === undefined ? '-' : `refused: ${refused.split(/[.\n]/)[0].slice(0, 90)}`;

function dense(): void {
  say(`Dense networks, tanh, WASM. "adam, by hand" is Adam with a backward pass written by hand with explicit transposes, since tfjs's`);
  say('own backward pass is slow on WASM (products with transpose flags).');
  say();
  say('| network | parameters | ggn ms | adam ms | ggn / adam | allowed | adam, by hand, ms | ggn / by hand | capture | linearize | gram | solve | update |');
  say('|---|---|---|---|---|---|---|---|---|---|---|---|---|');
  for (const {widths, atMost} of NETWORKS) {
    const rounds = quick ? 5 : widths[1] <= 64 ? 600 : widths[1] <= 256 ? 150 : 31;
    const t = measure('wasm', 'time', widths.join('-'), String(rounds));
    say(`| ${widths.join('-')} | ${t.parameters} | ${t.ggn.toFixed(2)} | ${t.adam.toFixed(2)} | **${(t.ggn / t.adam).toFixed(2)}** | ${atMost} | ` +
        `${t.handWritten.toFixed(2)} | ${(t.ggn / t.handWritten).toFixed(2)} | ${partsOf(t)} |`);
  }
}

const partsOf = (t: Result): string => ['capture', 'linearize', 'gram', 'solve', 'update'].map(part => shown(t[part], 2)).join(' | ');

/** What the step time of a case of the table of layers is compared with, and the largest ratio that issue 4 allows. */
const TIMES = [
  {name: 'cnn', backend: 'wasm', over: 'forward', atMost: 24, rounds: 15},
  {name: 'cnn', backend: 'tensorflow', over: 'adam', atMost: 3, rounds: 31},
  {name: 'lstm', backend: 'wasm', over: 'adam', atMost: 1.5, rounds: 61},
  {name: 'lstm', backend: 'cpu', over: 'adam', atMost: 1.5, rounds: 21},
  {name: 'embedding', backend: 'cpu', over: 'adam', atMost: 1, rounds: 3},
  {name: 'embedding', backend: 'wasm', over: null, atMost: null, rounds: 61},
  {name: 'outputs', backend: 'wasm', over: 'adam', atMost: 8, rounds: 31},
  {name: 'outputs', backend: 'tensorflow', over: 'adam', atMost: 4, rounds: 31},
  {name: 'sinc', backend: 'wasm', over: 'adam', atMost: 6, rounds: 301},
  {name: 'sinc', backend: 'tensorflow', over: 'adam', atMost: null, rounds: 301},
] as const;

function layers(name: string): void {
  say(`${LAYER_CASES[name].title}. A forward pass is \`predictOnBatch\` and reading its result.`);
  say();
  say('| backend | ggn ms | adam ms | forward ms | ratio | allowed | capture | linearize | gram | solve | update |');
  say('|---|---|---|---|---|---|---|---|---|---|---|');
  for (const {backend, over, atMost, rounds} of TIMES.filter(row => row.name === name && (only === undefined || row.backend === only))) {
    if (backend === 'tensorflow' && !existsSync(TFJS_NODE)) {
      say(`| tfjs-node | NOT MEASURED: tfjs-node is not built here (test/native/build.sh) | | | | ${atMost} | | | | | |`);
      continue;
    }
    const t = measure(backend, 'layers', name, String(quick ? 5 : rounds));
    const ratio = over === null ? 'none: trains' : `**${shown(t.ggn / t[over], 2)}** of ${over}`;
    say(`| ${backend} | ${shown(t.ggn, 2, t.refused_ggn)} | ${shown(t.adam, 2, t.refused_adam)} | ${shown(t.forward, 2, t.refused_forward)} | ` +
        `${t.ggn === undefined ? '-' : ratio} | ${atMost === null ? '-' : atMost} | ${partsOf(t)} |`);
  }
}

function families(): void {
  say(`Families of layers on WASM: each in a network of ${EXAMPLES} examples and ${OUTPUTS} outputs, behind a dense layer where it has no parameters itself. Processor time`);
  say('of a step and of the forward pass after it (`predictOnBatch`), with new weights; a ratio above 2 has its reason.');
  say();
  say('| layer | step ms | forward ms | step / (forward x outputs) | |');
  say('|---|---|---|---|---|');
  for (const name of Object.keys(FAMILIES)) {
    const {step, forward} = measure('wasm', 'family', name, String(quick ? 2 : 5));
    say(`| ${name} | ${step.toFixed(1)} | ${forward.toFixed(2)} | **${(step / (forward * OUTPUTS)).toFixed(2)}** | ${NAMED[name] ?? ''} |`);
  }
}

function layerMemory(): void {
  const [step, pass] = [measure('wasm', 'peak', 'cnn', 'ggn'), measure('wasm', 'peak', 'cnn', 'forward')];
  say('Peak memory of the CNN on WASM beyond its weights and data, of a ggn step and of a forward pass alone (`predictOnBatch`): bytes of all');
  say('tensors alive at the worst moment, each buffer once; and what the WASM heap, which never shrinks, grew by.');
  say();
  say('| | ggn MiB | forward MiB | ratio | allowed |');
  say('|---|---|---|---|---|');
  for (const [what, title, atMost] of [['later', 'tensors', '4'], ['first', 'tensors in the first step, which runs the self-check', '-'],
    ['heap', 'WASM heap', '-']] as const) {
    say(`| ${title} | ${shown(step[what] / 2 ** 20, 1, step.refused)} | ${shown(pass[what] / 2 ** 20, 1)} | **${shown(step[what] / pass[what], 2)}** | ${atMost} |`);
  }
}

function memory(): void {
  const large = NETWORKS.at(-1)!.widths.join('-');
  const [g, a] = [measure('wasm', 'memory', 'ggn', large), measure('wasm', 'memory', 'adam', large)];
  say(`Peak memory of training ${large}: the WASM heap grows by ${mib(g.heap)} MiB with ggn and by ${mib(a.heap)} MiB with adam (ratio ` +
      `${(g.heap / a.heap).toFixed(2)}; to ${mib(g.heapTotal)} and ${mib(a.heapTotal)} MiB in all), the process by ${mib(g.rss)} and ${mib(a.rss)} MiB (ratio ` +
      `${(g.rss / a.rss).toFixed(2)}).`);
}

function soak(): void {
  const s = measure('wasm', 'soak', '16-64-64-1', quick ? '500' : '5000');
  say(`${s.steps} steps of 16-64-64-1: ${s.tensors_at100} tensors, ${s.buffers_at100} buffers and a WASM heap of ${mib(s.heap_at100)} MiB after 100 steps; ` +
      `${s.tensors_atEnd}, ${s.buffers_atEnd} and ${mib(s.heap_atEnd)} MiB after the last.`);
}

const GROUPS: Record<string, () => void> = {
  speed: () => speed(speedOptions({...(quick ? {seconds: '2', processes: '4'} : {}), ...values}), say), dense, 'dense-memory': memory, 'dense-soak': soak, cnn: () => layers('cnn'), 'cnn-memory': layerMemory,
  lstm: () => layers('lstm'), embedding: () => layers('embedding'), outputs: () => layers('outputs'), sinc: () => layers('sinc'), families};

say('# Time and memory of a step');
say();
say(`\`npm run bench\`: batch ${BATCH}, mean squared error, \`model.trainOnBatch\`, default options. WASM: SIMD, one thread. Steps of the optimizers`);
say('interleaved in one process for each network, medians; ratios of times in the same row.');
say();
say(`Node ${process.version}, ${cpus().length} cores of ${cpus()[0].model.trim()}, ${new Date().toISOString().slice(0, 10)}.`);
for (const [name, run] of Object.entries(GROUPS)) {
  if (filter === undefined || name.includes(filter)) {
    say();
    run();
  }
}
if (!quick && filter === undefined && only === undefined) {
  writeFileSync(here('RESULTS.md'), lines.join('\n') + '\n');
}
