/** One measurement in a process of its own: `tsx measure.ts time|memory|soak ...` prints one line of JSON. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import {ggn} from '../../src/index';
import {batch, handWrittenAdam, network} from './networks';

interface WasmBackend {
  wasm: {HEAPU8: Uint8Array};
}

const median = (times: number[]): number => [...times].sort((a, b) => a - b)[times.length >> 1];

/** Interleaved steps of ggn, adam and the hand-written adam; medians in milliseconds. */
async function time(widths: number[], rounds: number): Promise<Record<string, number>> {
  const {x, y} = batch(widths);
  const optimizer = ggn();
  const models = {ggn: network(widths, optimizer), adam: network(widths, tf.train.adam(1e-3))};
  const byHand = handWrittenAdam(widths);
  const times: Record<string, number[]> = {ggn: [], adam: [], handWritten: []};
  const parts: Record<string, number[]> = {};
  const clock = async (name: string, step: () => unknown): Promise<void> => {
    const start = performance.now();
    await step();
    times[name].push(performance.now() - start);
  };
  const warmUp = 5;
  for (let i = 0; i < warmUp + rounds; i++) {
    await clock('ggn', () => models.ggn.trainOnBatch(x, y));
    await clock('adam', () => models.adam.trainOnBatch(x, y));
    await clock('handWritten', () => byHand(x, y));
    for (const [part, milliseconds] of Object.entries(optimizer.lastStep!.milliseconds)) {
      (parts[part] ??= []).push(milliseconds);
    }
  }
  const result: Record<string, number> = {parameters: models.ggn.countParams()};
  for (const [name, list] of [...Object.entries(times), ...Object.entries(parts)]) {
    result[name] = median(list.slice(warmUp));
  }
  return result;
}

/** Bytes of the WASM heap and of the process above what the data, the model and tfjs itself need, after some steps. */
async function memory(name: 'ggn' | 'adam', widths: number[]): Promise<Record<string, number>> {
  const {x, y} = batch(widths);
  const model = network(widths, name === 'ggn' ? ggn() : tf.train.adam(1e-3));
  model.predict(x);
  const heap = (): number => (tf.backend() as unknown as WasmBackend).wasm.HEAPU8.byteLength;
  const before = {heap: heap(), rss: process.memoryUsage().rss};
  for (let i = 0; i < 8; i++) {
    await model.trainOnBatch(x, y);
  }
  return {heap: heap() - before.heap, heapTotal: heap(), rss: process.resourceUsage().maxRSS * 1024 - before.rss};
}

/** Tensors and heap after some hundred and after `steps` steps. */
async function soak(widths: number[], steps: number): Promise<Record<string, number>> {
  const {x, y} = batch(widths);
  const model = network(widths, ggn());
  const result: Record<string, number> = {steps};
  for (let i = 0; i < steps; i++) {
    await model.trainOnBatch(x, y);
    if (i === 99 || i === steps - 1) {
      const when = i === 99 ? 'at100' : 'atEnd';
      result[`tensors_${when}`] = tf.memory().numTensors;
      result[`buffers_${when}`] = tf.memory().numDataBuffers;
      result[`heap_${when}`] = (tf.backend() as unknown as WasmBackend).wasm.HEAPU8.byteLength;
    }
  }
  return result;
}

await tf.setBackend('wasm');
await tf.ready();
const [task, ...args] = process.argv.slice(2);
const widthsOf = (text: string): number[] => text.split('-').map(Number);
const result = task === 'time' ? await time(widthsOf(args[0]), Number(args[1])) :
  task === 'memory' ? await memory(args[0] as 'ggn' | 'adam', widthsOf(args[1])) : await soak(widthsOf(args[0]), Number(args[1]));
console.log(JSON.stringify(result));
