/** Steps by conjugate gradients of many rows: the same whether linearizations are held or not, within the limit of memory. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn, type GgnOptions} from '../../src/index';
import {PeakBytes} from '../bench/peak';
import {variablesOf} from '../support/models';
import {relativeError} from '../support/relative_error';
import {flat, noise} from '../support/tensors';

/** Two steps of a classifier: 1,200 rows that couple ten by ten. */
async function train(options: GgnOptions): Promise<{change: Float64Array; bytes: number}> {
  const {numTensors} = tf.memory();
  const model = tf.sequential({layers: [
    tf.layers.dense({units: 24, activation: 'tanh', inputShape: [16], kernelInitializer: tf.initializers.glorotUniform({seed: 1})}),
    tf.layers.dense({units: 10, activation: 'softmax', kernelInitializer: tf.initializers.glorotUniform({seed: 2})}),
  ]});
  const variables = variablesOf(model);
  const x = noise([120, 16], 1);
  const y = tf.tidy(() => tf.oneHot(tf.argMax(tf.slice(x, [0, 0], [120, 10]), 1), 10));
  const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0.5, ...options});
  model.compile({optimizer, loss: 'categoricalCrossentropy'});
  const before = flat(variables);
  await model.trainOnBatch(x, y);
  const after = tf.memory().numTensors;
  const peak = new PeakBytes();
  const bytes = await peak.during(() => model.trainOnBatch(x, y));
  const change = flat(variables).map((w, i) => w - before[i]);
  if (tf.memory().numTensors !== after) {
    throw new Error(`a step leaves ${tf.memory().numTensors - after} tensors`);
  }
  model.dispose();
  optimizer.dispose();
  tf.dispose([x, y]);
  if (tf.memory().numTensors !== numTensors) {
    throw new Error(`${tf.memory().numTensors - numTensors} tensors are left over`);
  }
  return {change, bytes};
}

for (const backend of ['cpu', 'wasm']) {
  test.serial(`${backend}: with little memory, some of the linearizations are taken for each product`, async t => {
    await tf.setBackend(backend);
    const gram = await train({solver: 'gram'});
    const plenty = await train({solver: 'cg'});
    t.true(relativeError(plenty.change, gram.change) < 1e-4, `${relativeError(plenty.change, gram.change)}`);
    const limit = 2 ** 22;
    const thrifty = await train({solver: 'cg', memoryLimit: limit});
    // Both end at a residual of 1e-6, on their own ways.
    t.true(relativeError(thrifty.change, gram.change) < 1e-4, `${relativeError(thrifty.change, gram.change)}`);
    t.log(`${(plenty.bytes / 2 ** 20).toFixed(1)} MiB, with a limit ${(thrifty.bytes / 2 ** 20).toFixed(1)} MiB`);
    t.true(thrifty.bytes < limit + 2 ** 20, 'the limit, and what f() holds');
  });
}

/** x, by an op whose gradient is written out: it has no tangent in forward sweeps, so that the rows are formed. */
class Rowwise extends tf.layers.Layer {
  static className = 'Rowwise';

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.customGrad(x => ({value: tf.mul(x as tf.Tensor, 1), gradFunc: (dy: tf.Tensor) => dy}))([inputs].flat()[0]);
  }
}

/** The change of the weights by a step on examples of many outputs. */
async function manyOutputs(examples: number, outputs: number, options: GgnOptions): Promise<Float64Array> {
  const model = tf.sequential({layers: [
    tf.layers.dense({units: 8, activation: 'tanh', inputShape: [3], kernelInitializer: tf.initializers.glorotUniform({seed: 1})}),
    tf.layers.dense({units: outputs, kernelInitializer: tf.initializers.glorotUniform({seed: 2})}),
    new Rowwise(),
  ]});
  const variables = variablesOf(model);
  const optimizer = ggn({learningRate: 1, damping: 0.1, ...options});
  model.compile({optimizer, loss: 'meanSquaredError'});
  const before = flat(variables);
  const [x, y] = [noise([examples, 3], 1), noise([examples, outputs], 2)];
  const {numTensors} = tf.memory();
  try {
    const loss = await model.trainOnBatch(x, y) as number;
    if (!Number.isFinite(loss)) {
      throw new Error(`loss ${loss}`);
    }
    return flat(variables).map((w, i) => w - before[i]);
  } finally {
    optimizer.dispose();
    const left = tf.memory().numTensors - numTensors;
    model.dispose();
    tf.dispose([x, y]);
    if (left > 0) {
      throw new Error(`${left} tensors are left over`);
    }
  }
}

for (const examples of [1, 2]) {
  test.serial(`the sample has some rows of each example if an example has more than 1024: ${examples} of 1100`, async t => {
    await tf.setBackend('wasm');
    const [gram, cg] = [await manyOutputs(examples, 1100, {solver: 'gram'}), await manyOutputs(examples, 1100, {solver: 'cg'})];
    const error = relativeError(cg, gram);
    t.true(error < 1e-4, `${error}`);
  });
}
