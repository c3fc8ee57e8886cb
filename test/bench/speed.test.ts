/** The plain parts of the table of speeds. No time is measured here. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {withRequire} from './speed/bundle';
import {byName, KernelCounts, total} from './speed/kernel_counts';
import {speedOptions} from './speed/options';
import {hottest} from './speed/profile';
import {emptyResults, fileText, merged} from './speed/results';
import type {StepsRow} from './speed/results';
import {median} from './speed/steps';
import {stepsHead, stepsLine} from './speed/table';

const stepsRow = (network: 'W1' | 'W2', ggn: number, commit: string): StepsRow => ({
  backend: 'wasm', network, activation: 'relu', ggn, beside: 2, busyGgn: ggn, busyBeside: 4, parts: {capture: ggn / 3},
  rounds: 7, commit, date: '2026-12-01', load: 1});

const speeds = (machine: string, ...steps: StepsRow[]) => ({...emptyResults({machine, node: 'v20', tfjs: '4.22.0'}), steps});

test('new rows take the place of committed ones of the same backend, network and activation, and no others', t => {
  const old = speeds('a', stepsRow('W1', 3, 'old'), stepsRow('W2', 5, 'old'));
  const rows = merged(old, speeds('a', stepsRow('W2', 4, 'new'))).steps;
  t.deepEqual(rows.map(({network, ggn, commit}) => [network, ggn, commit]), [['W1', 3, 'old'], ['W2', 4, 'new']]);
});

test('figures of two machines are not mixed, and a whole table of another machine takes the place of all', t => {
  const old = speeds('a', stepsRow('W1', 3, 'old'), stepsRow('W2', 5, 'old'));
  t.throws(() => merged(old, speeds('b', stepsRow('W1', 1, 'new'))), {message: /figures of a, Node v20.*table of b.*--write/s});
  const whole = speeds('b', stepsRow('W1', 1, 'new'), stepsRow('W2', 2, 'new'));
  [old, null].forEach(before => t.deepEqual(merged(before, whole), whole));
});

test('the file has a row in a line, four digits of a number, and reads back', t => {
  const text = fileText(speeds('a', stepsRow('W1', 1.23456, 'c')));
  t.regex(text, /^ {4}\{"backend":"wasm","network":"W1".*\}$/m);
  const {machine, steps: [{ggn, parts}]} = JSON.parse(text) as ReturnType<typeof speeds>;
  t.deepEqual([machine, ggn, parts], ['a', 1.235, {capture: 0.4115}]);
});

test('a line has the committed ratio beside the new one, and as many cells as its head', t => {
  const old = speeds('a', stepsRow('W1', 3, 'old'));
  const cells = (text: string): string[] => text.split('|').slice(1, -1).map(cell => cell.trim());
  const [names, line] = [cells(stepsHead[0]), cells(stepsLine(stepsRow('W1', 1, 'new'), old))];
  t.is(line.length, names.length);
  t.deepEqual(['ggn ms', 'ratio', 'committed', 'goal', 'committed ggn ms', 'capture', 'solve'].map(name => line[names.indexOf(name)]),
      ['1.00', '**0.50**', '1.50', '0.6', '3.00', '0.33', '-']);
  t.is(cells(stepsLine(stepsRow('W1', 1, 'new'), null))[names.indexOf('committed')], '-');
});

test('a part of the table is quick, and a name that is not there is refused', t => {
  const {backends, networks, kinds, seconds, write} = speedOptions({backend: 'wasm', networks: 'W1,W2'});
  t.deepEqual([backends, networks, kinds, seconds, write], [['wasm'], ['W1', 'W2'], ['steps', 'first', 'kernels'], 5, false]);
  t.deepEqual(speedOptions({}).backends, ['wasm', 'cpu', 'tensorflow']);
  t.throws(() => speedOptions({networks: 'W1,W9'}), {message: /--networks W9.*W1,W2,W3,W4,W5,CNN/});
  t.throws(() => speedOptions({backend: 'webgl'}), {message: /--backend webgl/});
  t.throws(() => speedOptions({processes: '6'}), {message: /--processes 6/});
  t.throws(() => speedOptions({seconds: 'x'}), {message: /--seconds x/});
});

test('kernels are counted where they are registered, by name, and no method of the engine is shadowed', async t => {
  await tf.setBackend('cpu');
  const counts = new KernelCounts('cpu');
  tf.tidy(() => tf.add(tf.mul(tf.scalar(2), 3), 1));
  t.deepEqual(counts.taken(), {kernels: {Multiply: 1, Add: 1}, addon: null});
  t.false(Object.hasOwn(tf.engine(), 'runKernel'));
  counts.reset();
  t.deepEqual([total(counts.taken().kernels), total({Add: 3, Cast: 4})], [0, 7]);
  t.is(byName({Add: 3, Reshape: 9, Cast: 3}), 'Reshape 9, Add 3, Cast 3');
});

test('a profile gives each function the time between its samples; an even median is the mean of the middle', t => {
  const node = (id: number, functionName: string) => ({id, callFrame: {functionName, url: 'a/b.js', lineNumber: 4, scriptId: '1', columnNumber: 0}});
  const profile = {nodes: [node(1, 'f'), node(2, ''), node(3, 'f')], startTime: 0, endTime: 9000,
    samples: [1, 2, 3, 2], timeDeltas: [1000, 500, 2000, 700]};
  t.deepEqual(hottest(profile, 2).map(({name, self}) => [name, self.toFixed(1)]), [['f b.js:5', '3.0'], ['(anonymous) b.js:5', '1.2']]);
  t.deepEqual([median([4, 1, 2, 9]), median([3, 1, 2])], [3, 2]);
});

test('imports of tfjs become calls of require, and no others', t => {
  const text = ['import * as tf2 from "@tensorflow/tfjs";', 'import {\n  add as add2,\n  div\n} from "@tensorflow/tfjs-core";',
    'import "@tensorflow/tfjs-backend-wasm";', 'import util from "node:util";'].join('\n');
  t.is(withRequire(text), ['const tf2 = require("@tensorflow/tfjs");', 'const {\n  add: add2,\n  div\n} = require("@tensorflow/tfjs-core");',
    'require("@tensorflow/tfjs-backend-wasm");', 'import util from "node:util";'].join('\n'));
});
