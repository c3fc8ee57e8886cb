/**
 * Ours on the peer's curve: `tsx sinc.ts BACKEND SEED EPOCHS [OPTIONS]`, OPTIONS of ggn() as JSON, prints one line of JSON.
 *
 * y = sinc(10x) with numpy's sinc, sin(πx)/(πx), at 20,000 points from -1 to 1, batches of 1,000, 1-20-1 with tanh.
 */
import * as tf from '@tensorflow/tfjs';
import {withSeed} from '../../../docs/examples/shared/random';
import {ggn} from '../../../src/index';
import type {GgnOptions} from '../../../src/index';
import {useBackend} from '../../support/backends';
import type {NodeBackend} from '../../support/backends';

const POINTS = 20000;
const BATCH = 1000;

const sinc = (x: number): number => x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);

async function main(backend: NodeBackend, seed: number, epochs: number, options: GgnOptions): Promise<void> {
  await useBackend(backend);
  await tf.ready();
  const points = Array.from({length: POINTS}, (_, i) => -1 + 2 * i / (POINTS - 1));
  const [x, y] = [points, points.map(p => sinc(10 * p))].map(values => tf.tensor2d(values, [POINTS, 1]));
  const kernel = (l: number): ReturnType<typeof tf.initializers.glorotUniform> => tf.initializers.glorotUniform({seed: 100 * seed + l});
  const model = tf.sequential({layers: [
    tf.layers.dense({units: 20, activation: 'tanh', inputShape: [1], kernelInitializer: kernel(1)}),
    tf.layers.dense({units: 1, kernelInitializer: kernel(2)}),
  ]});
  model.compile({optimizer: ggn(options), loss: 'meanSquaredError'});
  const lossOverAll = (): number => tf.tidy(() => tf.losses.meanSquaredError(y, model.predict(x, {batchSize: POINTS}) as tf.Tensor).dataSync()[0]);
  const losses: Record<number, number> = {};
  const start = performance.now();
  await withSeed(seed, () => model.fit(x, y, {epochs, batchSize: BATCH, verbose: 0, yieldEvery: 'never', callbacks: {
    onEpochEnd: epoch => {
      if ([10, 50, 100].includes(epoch + 1)) {
        losses[epoch + 1] = lossOverAll();
      }
    }}}));
  const seconds = (performance.now() - start) / 1000;
  const steps = epochs * POINTS / BATCH;
  console.log(JSON.stringify({backend, seed, options, steps, parameters: model.countParams(), loss: lossOverAll(), lossAfterEpochs: losses,
    seconds, millisecondsPerStep: 1000 * seconds / steps}));
}

const [backend, seed, epochs, options = '{}'] = process.argv.slice(2);
await main(backend as NodeBackend, Number(seed), Number(epochs), JSON.parse(options) as GgnOptions);
