/**
 * `npm run bench:normal -- wasm cnn` (or tensorflow, cpu; or curve): time and memory of a step from normal equations of 60,000 rows x 1,026
 * parameters, or of 20,000 rows x 61 parameters, each in a process of its own, whose memory never shrinks. Growth is the largest size of
 * the process so far, above its size
 *
 * - with the model and the data in it: what training takes, f() and its activations included;
 * - after a forward pass of all examples: what a step takes beside f(). Backends keep the memory of that pass, which the trace of f() then
 *   fills again.
 *
 * Tensors are the bytes of tensor data that are alive at the worst moment of a step, the activations that the trace of f() holds included,
 * model and data not.
 */
import * as tf from '@tensorflow/tfjs';
import {ggn} from '../../src/index';
import {type NodeBackend, useBackend} from '../support/backends';
import {mib, PeakBytes} from './peak';

const backend = (process.argv[2] ?? 'wasm') as NodeBackend;
await useBackend(backend);

const conv = (filters: number, kernelSize: number, strides = 1, more = {}): tf.layers.Layer => tf.layers.conv2d({filters, kernelSize, strides, activation: 'tanh', ...more});

const NETWORKS = [
  {key: 'curve', name: '1-20-1 on 20,000 points', examples: 20_000, input: [1], outputs: 1,
    layers: () => [tf.layers.dense({units: 20, activation: 'tanh', inputShape: [1]}), tf.layers.dense({units: 1})]},
  {key: 'cnn', name: 'CNN on 6,000 images, 10 outputs', examples: 6000, input: [28, 28, 1], outputs: 10,
    layers: () => [conv(8, 4, 2, {inputShape: [28, 28, 1]}), conv(4, 4, 2), conv(4, 2), conv(4, 2), conv(4, 2), tf.layers.flatten(), tf.layers.dense({units: 10})]},
];

const rss = (): number => process.memoryUsage().rss;

for (const {name, examples, input, outputs, layers} of NETWORKS.filter(({key}) => key === (process.argv[3] ?? 'cnn'))) {
  const model = tf.sequential({layers: layers()});
  const [x, y] = [tf.randomNormal([examples, ...input]), tf.randomNormal([examples, outputs])];
  const optimizer = ggn({policy: 'levenbergMarquardt', solver: 'normal'});
  model.compile({optimizer, loss: 'meanSquaredError'});
  const {numBytes} = tf.memory();
  [x, y].forEach(t => t.dataSync());
  const withData = rss();
  tf.tidy(() => (model.predict(x, {batchSize: examples}) as tf.Tensor).dataSync().length);
  const withForward = rss();
  console.log('| network | backend | rows x parameters | data MiB | step | status | s | of it rows and matrix, s | tensors MiB | process MiB above data | above a forward pass |');
  console.log('|---|---|---|---|---|---|---|---|---|---|---|');
  for (let step = 1; step <= 2; step++) {
    const peak = new PeakBytes();
    const start = performance.now();
    const bytes = await peak.during(() => model.trainOnBatch(x, y));
    const seconds = (performance.now() - start) / 1000;
    const {rows, parameters, status, milliseconds} = optimizer.lastStep!;
    const most = process.resourceUsage().maxRSS * 1024;
    console.log(`| ${name} | ${backend} | ${rows} x ${parameters} | ${mib(numBytes)} | ${step} | ${status} | ${seconds.toFixed(1)} | ${(milliseconds.gram / 1000).toFixed(1)} | ${mib(bytes)} | ` +
        `${mib(most - withData)} | **${mib(most - withForward)}** |`);
  }
  model.dispose();
  tf.dispose([x, y]);
}
