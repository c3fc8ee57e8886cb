/**
 * `npm run bench`: a ggn step against an adam step on WASM, ratios taken in one run, interleaved, medians; peak memory; 5,000 steps at
 * constant memory. Writes test/bench/RESULTS.md. About five minutes on two cores; `-- --quick` for a first impression (not written).
 */
import {execFileSync} from 'node:child_process';
import {writeFileSync} from 'node:fs';
import {cpus} from 'node:os';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {BATCH, NETWORKS} from './networks';

const {values: {quick}} = parseArgs({options: {quick: {type: 'boolean', default: false}}});
const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

function measure(...args: string[]): Record<string, number> {
  const output = execFileSync(process.execPath, ['--import=tsx', here('measure.ts'), ...args], {encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore']});
  return JSON.parse(output.trim().split('\n').at(-1)!) as Record<string, number>;
}

const lines: string[] = [];
const say = (line: string): void => {
  lines.push(line);
  console.log(line);
};

say('# Time and memory of a step');
say('');
say(`\`npm run bench\`: WASM backend (SIMD, one thread), batch ${BATCH}, tanh, mean squared error, \`model.trainOnBatch\`, default options. Steps of the`);
say('optimizers interleaved in one process for each network, medians; ratios of times in the same row. "adam, by hand" is Adam with a backward pass');
say('written by hand with explicit transposes, since tfjs\'s own backward pass is slow on WASM (products with transpose flags).');
say('');
say(`Node ${process.version}, ${cpus().length} cores of ${cpus()[0].model.trim()}, ${new Date().toISOString().slice(0, 10)}.`);
say('');
say('| network | parameters | ggn ms | adam ms | ggn / adam | allowed | adam, by hand, ms | ggn / by hand | capture | linearize | gram | solve | update |');
say('|---|---|---|---|---|---|---|---|---|---|---|---|---|');
for (const {widths, atMost} of NETWORKS) {
  const rounds = quick ? 5 : widths[1] <= 64 ? 600 : widths[1] <= 256 ? 150 : 31;
  const t = measure('time', widths.join('-'), String(rounds));
  say(`| ${widths.join('-')} | ${t.parameters} | ${t.ggn.toFixed(2)} | ${t.adam.toFixed(2)} | **${(t.ggn / t.adam).toFixed(2)}** | ${atMost} | ` +
      `${t.handWritten.toFixed(2)} | ${(t.ggn / t.handWritten).toFixed(2)} | ` +
      ['capture', 'linearize', 'gram', 'solve', 'update'].map(part => t[part].toFixed(2)).join(' | ') + ' |');
}
say('');
const large = NETWORKS.at(-1)!.widths.join('-');
const [g, a] = [measure('memory', 'ggn', large), measure('memory', 'adam', large)];
const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);
say(`Peak memory of training ${large}: the WASM heap grows by ${mib(g.heap)} MiB with ggn and by ${mib(a.heap)} MiB with adam (ratio ` +
    `${(g.heap / a.heap).toFixed(2)}; to ${mib(g.heapTotal)} and ${mib(a.heapTotal)} MiB in all), the process by ${mib(g.rss)} and ${mib(a.rss)} MiB (ratio ` +
    `${(g.rss / a.rss).toFixed(2)}).`);
say('');
const s = measure('soak', '16-64-64-1', quick ? '500' : '5000');
say(`${s.steps} steps of 16-64-64-1: ${s.tensors_at100} tensors, ${s.buffers_at100} buffers and a WASM heap of ${mib(s.heap_at100)} MiB after 100 steps; ` +
    `${s.tensors_atEnd}, ${s.buffers_atEnd} and ${mib(s.heap_atEnd)} MiB after the last.`);
if (!quick) {
  writeFileSync(here('RESULTS.md'), lines.join('\n') + '\n');
}
