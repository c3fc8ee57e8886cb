/** Steps with so many rows that the system is solved with products of the backend: the same as on cpu, which solves it without them. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn} from '../../../src/index';
import {availableBackends, useBackend} from '../../support/backends';
import {relativeError} from '../../support/relative_error';

const WIDTHS = [20, 30, 10];

/** @param distinct examples, of 48: the others repeat them. */
async function trained(backend: 'cpu' | 'wasm' | 'tensorflow', damping: number, distinct = 48): Promise<{change: Float32Array; status: string}> {
  await useBackend(backend);
  const optimizer = ggn({learningRate: 1, damping, momentum: 0});
  const model = tf.sequential({layers: WIDTHS.slice(1).map((units, l) => tf.layers.dense({units, activation: l === 0 ? 'tanh' : 'linear',
    kernelInitializer: tf.initializers.glorotUniform({seed: l + 1}), ...(l === 0 ? {inputShape: [WIDTHS[0]]} : {})}))});
  model.compile({optimizer, loss: 'meanSquaredError'});
  const repeated = (width: number, seed: number): tf.Tensor => tf.tidy(() => tf.tile(tf.randomNormal([distinct, width], 0, 1, 'float32', seed), [48 / distinct, 1]));
  const [x, y] = [repeated(WIDTHS[0], 1), repeated(WIDTHS[2], 2)];
  const flat = (): tf.Tensor => tf.tidy(() => tf.concat(model.weights.map(w => tf.reshape(w.read(), [-1]))));
  const before = flat();
  await model.trainOnBatch(x, y);
  const tensors = tf.memory().numTensors;
  const after = flat();
  const change = tf.tidy(() => tf.sub(after, before).dataSync() as Float32Array);
  tf.dispose(after);
  if (tf.memory().numTensors !== tensors) {
    throw new Error('tensors are left');
  }
  tf.dispose([x, y, before]);
  model.dispose();
  return {change, status: optimizer.lastStep!.status};
}

for (const backend of availableBackends().filter(name => name !== 'cpu')) {
  for (const [damping, tolerance] of [[1, 1e-5], [1e-2, 1e-4], [1e-4, 1e-2]] as const) {
    test.serial(`${backend}: 480 rows at damping ${damping}`, async t => {
      const [expected, got] = [await trained('cpu', damping), await trained(backend, damping)];
      t.is(expected.status, got.status);
      t.true(relativeError(got.change, expected.change) < tolerance, String(relativeError(got.change, expected.change)));
    });
  }

  test.serial(`${backend}: equal examples without damping`, async t => {
    const {change, status} = await trained(backend, 0, 16);
    t.true(status === 'raised' && change.every(Number.isFinite) && change.some(x => x !== 0), status);
  });
}
