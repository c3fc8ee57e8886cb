/**
 * Ours on the peer's classification: `tsx cnn.ts BACKEND SEED BATCH STEPS LOSS [OPTIONS]`, LOSS `crossEntropy` or `meanSquaredError`,
 * OPTIONS of ggn() as JSON, prints one line of JSON. Fashion-MNIST, all 60,000 images in the order of the file, epoch after epoch; the
 * 1,026-parameter network.
 */
import * as tf from '@tensorflow/tfjs';
import {ggn} from '../../../src/index';
import type {GgnOptions} from '../../../src/index';
import {useBackend} from '../../support/backends';
import type {NodeBackend} from '../../support/backends';
import {readImages} from './fashion_mnist';
import type {Images} from './fashion_mnist';

type Loss = 'crossEntropy' | 'meanSquaredError';

function network(loss: Loss, seed: number, optimizer: tf.Optimizer): tf.LayersModel {
  const kernelInitializer = (l: number): ReturnType<typeof tf.initializers.glorotUniform> => tf.initializers.glorotUniform({seed: 100 * seed + l});
  const convolution = (filters: number, kernelSize: number, strides: number, l: number): tf.layers.Layer => tf.layers.conv2d({filters, kernelSize, strides,
    activation: 'tanh', kernelInitializer: kernelInitializer(l), ...(l === 1 ? {inputShape: [28, 28, 1]} : {})});
  const model = tf.sequential({layers: [
    convolution(8, 4, 2, 1), convolution(4, 4, 2, 2), convolution(4, 2, 1, 3), convolution(4, 2, 1, 4), convolution(4, 2, 1, 5),
    tf.layers.flatten(),
    tf.layers.dense({units: 10, activation: loss === 'crossEntropy' ? 'softmax' : 'linear', kernelInitializer: kernelInitializer(6)}),
  ]});
  model.compile({optimizer, loss: loss === 'crossEntropy' ? 'categoricalCrossentropy' : loss});
  return model;
}

const batchOf = ({pixels, labels}: Images, from: number, to: number): {x: tf.Tensor4D; y: tf.Tensor2D} => ({
  x: tf.tensor4d(pixels.subarray(from * 784, to * 784), [to - from, 28, 28, 1]),
  y: tf.tidy(() => tf.cast(tf.oneHot(tf.tensor1d(Array.from(labels.subarray(from, to)), 'int32'), 10), 'float32')) as tf.Tensor2D,
});

/** Mean loss and share of right answers, a thousand images at a time. */
function evaluate(model: tf.LayersModel, images: Images, loss: Loss): {loss: number; accuracy: number} {
  const sums = {total: 0, right: 0};
  for (let from = 0; from < images.count; from += 1000) {
    const to = Math.min(images.count, from + 1000);
    tf.tidy(() => {
      const {x, y} = batchOf(images, from, to);
      const p = model.predictOnBatch(x) as tf.Tensor2D;
      const each = loss === 'crossEntropy' ? tf.neg(tf.sum(tf.mul(y, tf.log(tf.maximum(p, 1e-30))), 1)) : tf.mean(tf.squaredDifference(y, p), 1);
      sums.total += tf.sum(each).dataSync()[0];
      sums.right += tf.sum(tf.cast(tf.equal(tf.argMax(p, 1), tf.argMax(y, 1)), 'float32')).dataSync()[0];
    });
  }
  return {loss: sums.total / images.count, accuracy: sums.right / images.count};
}

async function main(backend: NodeBackend, seed: number, size: number, steps: number, loss: Loss, options: GgnOptions): Promise<void> {
  await useBackend(backend);
  await tf.ready();
  const [training, test] = [readImages('train'), readImages('t10k')];
  const optimizer = ggn(options);
  const model = network(loss, seed, optimizer);
  const milliseconds: number[] = [];
  const perEpoch = Math.floor(training.count / size);
  for (let step = 0; step < steps; step++) {
    const from = step % perEpoch * size;
    const {x, y} = batchOf(training, from, from + size);
    const start = performance.now();
    await model.trainOnBatch(x, y);
    milliseconds.push(performance.now() - start);
    tf.dispose([x, y]);
  }
  milliseconds.shift();  // the first step checks the Jacobian
  const total = milliseconds.reduce((a, b) => a + b, 0);
  console.log(JSON.stringify({backend, seed, options, loss, batch: size, steps, parameters: model.countParams(),
    training: evaluate(model, training, loss), test: evaluate(model, test, loss), seconds: total / 1000,
    millisecondsPerStep: [...milliseconds].sort((a, b) => a - b)[milliseconds.length >> 1], peakMiB: process.resourceUsage().maxRSS / 1024, parts: optimizer.lastStep?.milliseconds}));
}

const [backend, seed, batch, steps, loss, options = '{}'] = process.argv.slice(2);
await main(backend as NodeBackend, Number(seed), Number(batch), Number(steps), loss as Loss, JSON.parse(options) as GgnOptions);
