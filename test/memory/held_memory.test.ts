/** The memory that the optimizer holds after a step: it drops the matrix of the step if nobody can ask for it, or if it is large. */
import v8 from 'node:v8';
import vm from 'node:vm';
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn} from '../../src/index';

v8.setFlagsFromString('--expose-gc');
const collect = vm.runInNewContext('gc') as () => void;

/** MiB in array buffers, after garbage has been collected. */
async function held(): Promise<number> {
  for (let i = 0; i < 4; i++) {
    collect();
    await new Promise(resolve => setTimeout(resolve, 5));
  }
  return process.memoryUsage().arrayBuffers / 2 ** 20;
}

const ROWS = 1024;   // a matrix of 8 MiB
const x = (): tf.Tensor2D => tf.randomNormal([ROWS, 4], 0, 1, 'float32', 1);
const y = (): tf.Tensor2D => tf.randomNormal([ROWS, 1], 0, 1, 'float32', 2);

function wide(): tf.Sequential {
  const model = tf.sequential({layers: [tf.layers.dense({units: 400, inputShape: [4], activation: 'tanh'}), tf.layers.dense({units: 1})]});
  model.compile({optimizer: ggn({policy: 'fixed', solver: 'gram'}), loss: 'meanSquaredError'});
  return model;
}

test.serial('a large matrix goes at the end of fit, what is left to gain stays; in a loop without fit it goes at dispose()', async t => {
  await tf.setBackend('wasm');
  const [xs, ys, model] = [x(), y(), wide()];
  const optimizer = model.optimizer as ReturnType<typeof ggn>;
  const before = await held();
  const asked: Array<number | null> = [];
  await model.fit(xs, ys, {epochs: 1, batchSize: ROWS, verbose: 0, callbacks: {onTrainEnd: () => void asked.push(optimizer.remainingDecrease())}});
  t.true(await held() - before < 2);
  t.is(optimizer.remainingDecrease(), asked[0]!);
  t.true(asked[0]! > 0 && asked[0]! < 1);
  t.is(optimizer.effectiveDimension(), null);

  await model.trainOnBatch(xs, ys);
  t.true(await held() - before > 7, 'it can be asked for until the next step');
  optimizer.dispose();
  t.true(await held() - before < 2);
  t.is(optimizer.effectiveDimension(), null);
  t.is(optimizer.remainingDecrease(), NaN);
});

test.serial('small matrices stay after fit, so that everything can be asked', async t => {
  await tf.setBackend('wasm');
  const model = tf.sequential({layers: [tf.layers.dense({units: 1, inputShape: [4]})]});
  const optimizer = ggn();
  model.compile({optimizer, loss: 'meanSquaredError'});
  await model.fit(x(), y(), {epochs: 2, batchSize: ROWS, verbose: 0});
  t.true(Math.abs(optimizer.effectiveDimension()! - 5) < 0.5);
  t.true(optimizer.remainingDecrease() >= 0);
});
