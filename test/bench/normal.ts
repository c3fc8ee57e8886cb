/**
 * `npm run bench:normal -- wasm` (or tensorflow, cpu): time and memory of a step from normal equations of 60,000 rows x 1,026 parameters, and of 20,000 rows x 61
 * parameters. Bytes are those of tensor data above what f() and the data hold; growth is that of the process above what a forward pass has made of it.
 */
import * as tf from '@tensorflow/tfjs';
import {ggn} from '../../src/index';
import {type NodeBackend, useBackend} from '../support/backends';
import {PeakBytes} from './peak';

const backend = (process.argv[2] ?? 'wasm') as NodeBackend;
await useBackend(backend);

const conv = (filters: number, kernelSize: number, strides = 1, more = {}): tf.layers.Layer => tf.layers.conv2d({filters, kernelSize, strides, activation: 'tanh', ...more});

const NETWORKS = [
  {name: '1-20-1 on 20,000 points', examples: 20_000, input: [1], outputs: 1,
    layers: () => [tf.layers.dense({units: 20, activation: 'tanh', inputShape: [1]}), tf.layers.dense({units: 1})]},
  {name: 'CNN on 6,000 images, 10 outputs', examples: 6000, input: [28, 28, 1], outputs: 10,
    layers: () => [conv(8, 4, 2, {inputShape: [28, 28, 1]}), conv(4, 4, 2), conv(4, 2), conv(4, 2), conv(4, 2), tf.layers.flatten(), tf.layers.dense({units: 10})]},
];

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;

for (const {name, examples, input, outputs, layers} of NETWORKS) {
  const model = tf.sequential({layers: layers()});
  const [x, y] = [tf.randomNormal([examples, ...input]), tf.randomNormal([examples, outputs])];
  const optimizer = ggn({policy: 'levenbergMarquardt', solver: 'normal'});
  model.compile({optimizer, loss: 'meanSquaredError'});
  tf.tidy(() => (model.predict(x, {batchSize: examples}) as tf.Tensor).dataSync().length);
  const [{numBytes}, {rss}] = [tf.memory(), process.memoryUsage()];
  for (let step = 1; step <= 2; step++) {
    const peak = new PeakBytes();
    const start = performance.now();
    const bytes = await peak.during(() => model.trainOnBatch(x, y));
    const {rows, parameters, status, milliseconds} = optimizer.lastStep!;
    console.log(`${backend}, ${name}: ${rows} rows x ${parameters}, step ${step} (${status}): ${((performance.now() - start) / 1000).toFixed(1)} s, of it rows and matrix ` +
        `${(milliseconds.gram / 1000).toFixed(1)} s, tensors ${mib(bytes)} at most, process + ${mib(process.resourceUsage().maxRSS * 1024 - rss)} at most (data ${mib(numBytes)})`);
  }
  model.dispose();
  tf.dispose([x, y]);
}
