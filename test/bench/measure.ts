/** One measurement in a process of its own: `tsx measure.ts time|memory|soak|layers|peak ...` prints one line of JSON. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import {ggn} from '../../src/index';
import {FAMILIES, familyBatch, familyModel} from './families';
import {LAYER_CASES} from './layers';
import {batch, handWrittenAdam, network} from './networks';
import {PeakBytes} from './peak';

interface WasmBackend {
  wasm: {HEAPU8: Uint8Array};
}

type Result = Record<string, number | string>;

const heap = (): number => (tf.backend() as unknown as WasmBackend).wasm.HEAPU8.byteLength;

const median = (times: number[]): number => [...times].sort((a, b) => a - b)[times.length >> 1];

const WARM_UP = 5;

/** Medians in milliseconds of things done in turn. One that throws at first is left out and its message given as `refused`. */
async function interleaved(steps: Record<string, () => unknown>, rounds: number, afterRound: () => void = () => undefined): Promise<Result> {
  const result: Result = {};
  const times: Record<string, number[]> = {};
  for (const [name, step] of Object.entries(steps)) {
    try {
      await step();
      times[name] = [];
    } catch (error) {
      result[`refused_${name}`] = (error as Error).message;
    }
  }
  for (let i = 0; i < WARM_UP + rounds; i++) {
    for (const [name, list] of Object.entries(times)) {
      const start = performance.now();
      await steps[name]();
      list.push(performance.now() - start);
    }
    if (i >= WARM_UP) {
      afterRound();
    }
  }
  for (const [name, list] of Object.entries(times)) {
    result[name] = median(list.slice(WARM_UP));
  }
  return result;
}

/** The parts of ggn's steps: a function to note those of the last step, and the list of medians. */
function stepParts(optimizer: ReturnType<typeof ggn>): {note: () => void; medians: () => Result} {
  const parts: Record<string, number[]> = {};
  return {
    note: () => Object.entries(optimizer.lastStep?.milliseconds ?? {}).forEach(([part, milliseconds]) => (parts[part] ??= []).push(milliseconds)),
    medians: () => Object.fromEntries(Object.entries(parts).map(([part, list]) => [part, median(list)])),
  };
}

/** Interleaved steps of ggn, adam and the hand-written adam. */
async function time(widths: number[], rounds: number): Promise<Result> {
  const {x, y} = batch(widths);
  const optimizer = ggn();
  const models = {ggn: network(widths, optimizer), adam: network(widths, tf.train.adam(1e-3))};
  const byHand = handWrittenAdam(widths);
  const parts = stepParts(optimizer);
  const result = await interleaved({
    ggn: () => models.ggn.trainOnBatch(x, y),
    adam: () => models.adam.trainOnBatch(x, y),
    handWritten: () => byHand(x, y),
  }, rounds, parts.note);
  return {parameters: models.ggn.countParams(), ...result, ...parts.medians()};
}

/** Interleaved steps of ggn and adam, and forward passes alone, of a case of the table of layers. */
async function layers(name: string, rounds: number): Promise<Result> {
  const {model, batch: draw, batches = 1} = LAYER_CASES[name];
  const drawn = Array.from({length: batches}, (_, i) => draw(i));
  const optimizer = ggn();
  const models = {ggn: model(optimizer), adam: model(tf.train.adam(1e-3))};
  const parts = stepParts(optimizer);
  let round = 0;
  const train = (trained: tf.LayersModel) => (): unknown => {
    const {x, y} = drawn[round % batches];
    return trained.trainOnBatch(x, y);
  };
  const result = await interleaved({
    ggn: train(models.ggn),
    adam: train(models.adam),
    forward: () => {
      forward(models.ggn, drawn[0].x);
      round++;
    },
  }, rounds, parts.note);
  return {parameters: models.ggn.countParams(), ...result, ...parts.medians()};
}

/** Milliseconds that this process has kept the processor busy: other processes do not count. */
function busy(): number {
  const {user, system} = process.cpuUsage();
  return (user + system) / 1000;
}

/** Steps of ggn, and after each a forward pass with the weights that it left, of a network of the table of families. */
async function family(name: string, rounds: number): Promise<Result> {
  const made = FAMILIES[name]();
  const model = familyModel(made, ggn());
  const {x, y} = familyBatch(made, name);
  const times: Record<'step' | 'forward', number[]> = {step: [], forward: []};
  for (let i = 0; i < 1 + rounds; i++) {
    const start = busy();
    await model.trainOnBatch(x, y);
    const between = busy();
    forward(model, x);
    times.step.push(between - start);
    times.forward.push(busy() - between);
  }
  // The first step checks itself.
  return {step: median(times.step.slice(1)), forward: median(times.forward.slice(1))};
}

function forward(model: tf.LayersModel, x: tf.Tensor): void {
  const prediction = model.predictOnBatch(x) as tf.Tensor;
  prediction.dataSync();
  prediction.dispose();
}

/** Peak bytes of tensors, and growth of the WASM heap, of some steps or forward passes: beyond the weights and the data. */
async function peak(name: string, what: 'ggn' | 'adam' | 'forward'): Promise<Result> {
  const {model: build, batch: draw} = LAYER_CASES[name];
  const {x, y} = draw(0);
  const model = build(what === 'adam' ? tf.train.adam(1e-3) : ggn());
  model.weights.forEach(weight => weight.read().dataSync());
  x.dataSync();
  const before = heap();
  const bytes = new PeakBytes();
  try {
    const run = (): unknown => what === 'forward' ? forward(model, x) : model.trainOnBatch(x, y);
    const first = await bytes.during(run);
    let later = 0;
    for (let i = 0; i < 4; i++) {
      later = Math.max(later, await bytes.during(run));
    }
    return {first, later, heap: heap() - before};
  } catch (error) {
    return {refused: (error as Error).message};
  }
}

/** Bytes of the WASM heap and of the process above what the data, the model and tfjs itself need, after some steps. */
async function memory(name: 'ggn' | 'adam', widths: number[]): Promise<Result> {
  const {x, y} = batch(widths);
  const model = network(widths, name === 'ggn' ? ggn() : tf.train.adam(1e-3));
  model.predict(x);
  const before = {heap: heap(), rss: process.memoryUsage().rss};
  for (let i = 0; i < 8; i++) {
    await model.trainOnBatch(x, y);
  }
  return {heap: heap() - before.heap, heapTotal: heap(), rss: process.resourceUsage().maxRSS * 1024 - before.rss};
}

/** Tensors and heap after some hundred and after `steps` steps. */
async function soak(widths: number[], steps: number): Promise<Result> {
  const {x, y} = batch(widths);
  const model = network(widths, ggn());
  const result: Result = {steps};
  for (let i = 0; i < steps; i++) {
    await model.trainOnBatch(x, y);
    if (i === 99 || i === steps - 1) {
      const when = i === 99 ? 'at100' : 'atEnd';
      result[`tensors_${when}`] = tf.memory().numTensors;
      result[`buffers_${when}`] = tf.memory().numDataBuffers;
      result[`heap_${when}`] = heap();
    }
  }
  return result;
}

const widthsOf = (text: string): number[] => text.split('-').map(Number);

const TASKS: Record<string, (...args: string[]) => Promise<Result>> = {
  time: (widths, rounds) => time(widthsOf(widths), Number(rounds)),
  memory: (name, widths) => memory(name as 'ggn' | 'adam', widthsOf(widths)),
  soak: (widths, steps) => soak(widthsOf(widths), Number(steps)),
  layers: (name, rounds) => layers(name, Number(rounds)),
  family: (name, rounds) => family(name, Number(rounds)),
  peak: (name, what) => peak(name, what as 'ggn' | 'adam' | 'forward'),
};

const [backend, task, ...args] = process.argv.slice(2);
if (backend === 'tensorflow') {
  // tfjs-node, where test/native has built it; in a clone without it the import fails and main.ts says so.
  const support = '../support/backends';
  await (await import(support) as {useBackend(name: string): Promise<void>}).useBackend(backend);
} else {
  await tf.setBackend(backend);
}
await tf.ready();
console.log(JSON.stringify(await TASKS[task](...args)));
