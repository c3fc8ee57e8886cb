/** Losses, metrics, moving averages, states, callbacks and validation are those under sgd: only the weights differ. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn} from '../../src/index';
import {normalWeights} from '../support/models';
import {noise, numbersOf} from '../support/tensors';

const L = tf.layers;

const OPTIMIZERS = {sgd: () => tf.train.sgd(0.01), ggn: (kernels: 'auto' | 'tfjs') => ggn({kernels})};

/** The same under both optimizers. */
async function both<T>(run: (optimizer: tf.Optimizer) => T | Promise<T>, kernels: 'auto' | 'tfjs' = 'auto'): Promise<{sgd: T; ggn: T}> {
  return {sgd: await run(OPTIMIZERS.sgd()), ggn: await run(OPTIMIZERS.ggn(kernels))};
}

interface Model {
  build: () => tf.LayersModel;
  x: () => tf.Tensor;
  y: () => tf.Tensor;
}

const plain: Model = {
  build: () => tf.sequential({layers: [L.dense({units: 4, inputShape: [3], activation: 'relu', ...normalWeights(1)}), L.dense({units: 2, ...normalWeights(2)})]}),
  x: () => noise([8, 3], 3), y: () => noise([8, 2], 4)};

const models: Record<string, Model> = {
  'dense relu': plain,
  'dense elu and sigmoid': {...plain, build: () => tf.sequential({layers: [
    L.dense({units: 4, inputShape: [3], activation: 'elu', ...normalWeights(1)}), L.dense({units: 3, activation: 'sigmoid', ...normalWeights(5)}), L.dense({units: 2, ...normalWeights(2)})]})},
  'seeded dropout': {...plain, build: () => tf.sequential({layers: [
    L.dense({units: 10, inputShape: [3], activation: 'tanh', ...normalWeights(1)}), L.dropout({rate: 0.5, seed: 7}), L.dense({units: 2, ...normalWeights(2)})]})},
  'regularizers': {...plain, build: () => tf.sequential({layers: [
    L.dense({units: 4, inputShape: [3], activation: 'tanh', ...normalWeights(1), kernelRegularizer: tf.regularizers.l1l2({l1: 0.01, l2: 0.02})}),
    L.dense({units: 2, ...normalWeights(2), biasRegularizer: tf.regularizers.l2({l2: 0.1})})]})},
  'batch normalisation of raw inputs': {...plain, build: () => tf.sequential({layers: [
    L.batchNormalization({inputShape: [3], momentum: 0.9}), L.dense({units: 4, activation: 'tanh', ...normalWeights(1)}), L.dense({units: 2, ...normalWeights(2)})]})},
  'LSTM': {build: () => tf.sequential({layers: [L.lstm({units: 3, inputShape: [4, 2], ...normalWeights(1), recurrentInitializer: tf.initializers.randomNormal({stddev: 0.4, seed: 9})}),
    L.dense({units: 2, ...normalWeights(2)})]}), x: () => noise([5, 4, 2], 3), y: () => noise([5, 2], 4)},
  'stateful SimpleRNN': {build: () => tf.sequential({layers: [L.simpleRNN({units: 3, batchInputShape: [5, 4, 2], stateful: true, ...normalWeights(1),
    recurrentInitializer: tf.initializers.randomNormal({stddev: 0.4, seed: 9})}), L.dense({units: 2, ...normalWeights(2)})]}), x: () => noise([5, 4, 2], 3), y: () => noise([5, 2], 4)},
  'stateful GRU': {build: () => tf.sequential({layers: [L.gru({units: 3, batchInputShape: [5, 4, 2], stateful: true, ...normalWeights(1),
    recurrentInitializer: tf.initializers.randomNormal({stddev: 0.4, seed: 9})}), L.dense({units: 2, ...normalWeights(2)})]}), x: () => noise([5, 4, 2], 3), y: () => noise([5, 2], 4)},
};

/** States of recurrent layers. */
const statesOf = (model: tf.LayersModel): number[] => model.layers.flatMap(layer => numbersOf((layer as unknown as {states_?: tf.Tensor[] | null}).states_ ?? []));

for (const backend of ['cpu', 'wasm']) {
  for (const [name, {build, x, y}] of Object.entries(models)) {
    test.serial(`${backend}: ${name}: loss, metrics, moving averages and states of the first step, to the last bit by the kernels of tfjs, else to rounding`, async t => {
      await tf.setBackend(backend);
      const step = async (optimizer: tf.Optimizer) => {
        const model = build();
        const [xs, ys] = [x(), y()];
        model.compile({optimizer, loss: 'meanSquaredError', metrics: ['mae', tf.metrics.meanSquaredError, (a: tf.Tensor, b: tf.Tensor) => tf.max(tf.abs(tf.sub(a, b)))]});
        const frozen = (): number[] => numbersOf(model.weights.filter(weight => !weight.trainable || /moving/.test(weight.originalName)).map(weight => weight.read()));
        const before = frozen();
        const weights = numbersOf(model.trainableWeights.map(weight => weight.read()));
        const report = await model.trainOnBatch(xs, ys);
        t.notDeepEqual(numbersOf(model.trainableWeights.map(weight => weight.read())), weights, 'a step is taken');
        const result = {report, moved: frozen(), before, states: statesOf(model)};
        tf.dispose([xs, ys]);
        return result;
      };
      const seen = await both(step, 'tfjs');
      t.deepEqual(seen.ggn, seen.sgd);
      const own = await step(OPTIMIZERS.ggn('auto'));
      for (const part of ['report', 'moved', 'states'] as const) {
        const [found, expected] = [own[part], seen.sgd[part]] as number[][];
        t.is(found.length, expected.length);
        t.true(found.every((value, i) => Math.abs(value - expected[i]) <= 1e-6 * Math.max(1, Math.abs(expected[i]))), part);
      }
      t.is((seen.ggn.report as number[]).length, 4);
      if (name.includes('batch norm')) {
        t.notDeepEqual(seen.ggn.moved, seen.ggn.before);
      }
      t.is(seen.ggn.states.length > 0, name.includes('stateful'));
    });
  }
}

test.serial('moving averages move once per step, however long training goes on', async t => {
  await tf.setBackend('cpu');
  // The averages of raw inputs do not depend on the weights: they are equal under both optimizers to the end.
  const {build, x, y} = models['batch normalisation of raw inputs'];
  const seen = await both(async optimizer => {
    const model = build();
    model.compile({optimizer, loss: 'meanSquaredError'});
    await model.fit(x(), y(), {epochs: 5, batchSize: 4, shuffle: false, verbose: 0});
    return numbersOf(model.weights.filter(weight => /moving/.test(weight.originalName)).map(weight => weight.read()));
  });
  t.deepEqual(seen.ggn, seen.sgd);
  t.true(seen.ggn.every(Number.isFinite) && seen.ggn.length === 6);
});

test.serial('as many examples as features: the statistics of raw inputs are not taken for examples', async t => {
  await tf.setBackend('cpu');
  const {build, x, y} = models['batch normalisation of raw inputs'];
  const model = build();
  const optimizer = ggn();
  model.compile({optimizer, loss: 'meanSquaredError'});
  await model.trainOnBatch(x().slice(0, 3), y().slice(0, 3));
  t.is(optimizer.lastStep!.status, 'ok');
});

test.serial('states of a stateful layer advance once per step', async t => {
  await tf.setBackend('cpu');
  // With a recurrent layer that is not trained, the states are those of sgd at every step.
  const seen = await both(async optimizer => {
    const model = tf.sequential({layers: [L.simpleRNN({units: 3, batchInputShape: [5, 4, 2], stateful: true, trainable: false, ...normalWeights(1),
      recurrentInitializer: tf.initializers.randomNormal({stddev: 0.4, seed: 9})}), L.dense({units: 2, ...normalWeights(2)})]});
    model.compile({optimizer, loss: 'meanSquaredError'});
    const states: number[][] = [];
    for (let i = 0; i < 3; i++) {
      await model.trainOnBatch(noise([5, 4, 2], 10 + i), noise([5, 2], 20));
      states.push(statesOf(model));
    }
    model.resetStates();
    states.push(statesOf(model));
    return states;
  });
  t.deepEqual(seen.ggn, seen.sgd);
  t.notDeepEqual(seen.ggn[0], seen.ggn[1]);
});

// --------------------------------------------------------------------------------------------------------------------- fit around the step

test.serial('callbacks: order, arguments and keys of the logs; the values of the first batch', async t => {
  await tf.setBackend('cpu');
  const seen = await both(async optimizer => {
    const model = plain.build();
    model.compile({optimizer, loss: 'meanSquaredError', metrics: ['mae']});
    const calls: Array<[string, number | null, string[]]> = [];
    const firstBatch: Array<Record<string, number>> = [];
    const note = (name: string) => async (index?: number | object, logs?: tf.Logs): Promise<void> => {
      calls.push([name, typeof index === 'number' ? index : null, Object.keys(logs ?? {}).sort()]);
      if (name === 'onBatchEnd' && firstBatch.length === 0) {
        firstBatch.push({...logs} as Record<string, number>);
      }
    };
    const names = ['onTrainBegin', 'onTrainEnd', 'onEpochBegin', 'onEpochEnd', 'onBatchBegin', 'onBatchEnd'];
    const {history, epoch} = await model.fit(plain.x(), plain.y(), {epochs: 2, batchSize: 3, shuffle: false, verbose: 0,
      validationData: [noise([4, 3], 8), noise([4, 2], 9)], callbacks: Object.fromEntries(names.map(name => [name, note(name)]))});
    return {calls, firstBatch, keys: Object.keys(history), lengths: Object.values(history).map(values => values.length), epoch};
  });
  t.deepEqual(seen.ggn, seen.sgd);
  t.deepEqual(seen.ggn.calls.map(([name]) => name), ['onTrainBegin', ...[0, 1].flatMap(() =>
    ['onEpochBegin', ...[0, 1, 2].flatMap(() => ['onBatchBegin', 'onBatchEnd']), 'onEpochEnd']), 'onTrainEnd']);
  t.deepEqual(seen.ggn.keys, ['val_loss', 'val_mae', 'loss', 'mae']);
});

test.serial('history of a fit with one batch per epoch: the first epoch, validation after it', async t => {
  await tf.setBackend('cpu');
  const seen = await both(async optimizer => {
    const model = plain.build();
    model.compile({optimizer, loss: 'meanSquaredError', metrics: ['mae']});
    const {history} = await model.fit(plain.x(), plain.y(), {epochs: 3, batchSize: 8, verbose: 0, shuffle: false, validationSplit: 0.25});
    const evaluated = model.evaluate(plain.x().slice([6, 0]), plain.y().slice([6, 0])) as tf.Scalar[];
    return {first: [history['loss'][0], history['mae'][0]], last: [history['val_loss'][2], history['val_mae'][2]], evaluated: numbersOf(evaluated)};
  });
  t.deepEqual(seen.ggn.first, seen.sgd.first);
  for (const {last, evaluated} of Object.values(seen)) {
    t.deepEqual(last, evaluated, 'validation sees the weights after the step');
  }
});

test.serial('early stopping', async t => {
  await tf.setBackend('cpu');
  const epochs = await both(async optimizer => {
    const model = plain.build();
    model.compile({optimizer, loss: 'meanSquaredError'});
    const {epoch} = await model.fit(plain.x(), plain.y(), {epochs: 20, verbose: 0, validationData: [plain.x(), plain.y()],
      callbacks: tf.callbacks.earlyStopping({monitor: 'val_loss', minDelta: 1000, patience: 2})});
    return epoch.length;
  });
  t.deepEqual(epochs, {sgd: 3, ggn: 3});
});

test.serial('stopTraining from a callback', async t => {
  await tf.setBackend('cpu');
  const batches = await both(async optimizer => {
    const model = plain.build();
    model.compile({optimizer, loss: 'meanSquaredError'});
    let count = 0;
    await model.fit(plain.x(), plain.y(), {epochs: 5, batchSize: 2, verbose: 0, callbacks: {onBatchEnd: async () => {
      model.stopTraining = ++count === 3;
    }}});
    return count;
  });
  t.is(batches.ggn, batches.sgd);
});

test.serial('fitDataset, with validation', async t => {
  await tf.setBackend('cpu');
  const seen = await both(async optimizer => {
    const model = plain.build();
    model.compile({optimizer, loss: 'meanSquaredError', metrics: ['mae']});
    const [xs, ys] = [await plain.x().array() as number[][], await plain.y().array() as number[][]];
    const data = tf.data.zip({xs: tf.data.array(xs), ys: tf.data.array(ys)}).batch(3);
    const calls: Array<[string, string[]]> = [];
    const first: unknown[] = [];
    const {numTensors} = tf.memory();
    const {history} = await model.fitDataset(data, {epochs: 2, verbose: 0, validationData: data, callbacks: {
      onBatchEnd: async (_, logs) => {
        calls.push(['batch', Object.keys(logs!)]);
        first.push({...logs});
      },
      onEpochEnd: async (_, logs) => {
        calls.push(['epoch', Object.keys(logs!)]);
      }}});
    return {calls, first: first[0], keys: Object.keys(history), leaked: tf.memory().numTensors - numTensors};
  });
  const state = 8;  // momentum and training point of each variable
  t.is(seen.ggn.leaked - seen.sgd.leaked, state);
  t.deepEqual({...seen.ggn, leaked: 0}, {...seen.sgd, leaked: 0});
  t.is(seen.ggn.calls.length, 8);
});

test.serial('evaluate and predict between steps change nothing and are not changed', async t => {
  await tf.setBackend('cpu');
  const {build, x, y} = models['batch normalisation of raw inputs'];
  const seen = await both(async optimizer => {
    const model = build();
    model.compile({optimizer, loss: 'meanSquaredError', metrics: ['mae']});
    const [xs, ys] = [x(), y()];
    const fresh = numbersOf(model.evaluate(xs, ys) as tf.Scalar[]);
    await model.trainOnBatch(xs, ys);
    const weights = numbersOf(model.getWeights());
    const {numTensors} = tf.memory();
    const losses = [0, 1].map(() => tf.tidy(() => numbersOf(model.evaluate(xs, ys) as tf.Scalar[]) as never));
    const prediction = tf.tidy(() => numbersOf([model.predict(xs) as tf.Tensor]) as never);
    t.is(tf.memory().numTensors, numTensors);
    t.deepEqual(losses[0], losses[1]);
    t.is((prediction as number[]).length, 16);
    t.deepEqual(numbersOf(model.getWeights()), weights);
    return fresh;
  });
  t.deepEqual(seen.ggn, seen.sgd);
});

test.serial('tensors: as many as under sgd, but for momentum and training point of each variable', async t => {
  await tf.setBackend('cpu');
  for (const [name, {build, x, y}] of Object.entries(models)) {
    const counts = await both(async optimizer => {
      const model = build();
      model.compile({optimizer, loss: 'meanSquaredError', metrics: ['mae']});
      const [xs, ys] = [x(), y()];
      // The average differs from the training point from the second step on.
      await model.trainOnBatch(xs, ys);
      await model.trainOnBatch(xs, ys);
      const {numTensors} = tf.memory();
      for (let i = 0; i < 5; i++) {
        await model.trainOnBatch(xs, ys);
      }
      return tf.memory().numTensors - numTensors;
    });
    t.is(counts.ggn, counts.sgd, name);
  }
});

test.serial('tensors: as many as under sgd over many fits of recurrent layers that keep dropout masks and states', async t => {
  await tf.setBackend('cpu');
  const dropout = {units: 3, dropout: 0.3, recurrentDropout: 0.3};
  const recurrent: Record<string, () => tf.layers.Layer[]> = {
    'LSTM on GRU': () => [L.lstm({...dropout, returnSequences: true, inputShape: [4, 2]}), L.gru(dropout)],
    'stacked cells': () => [L.rnn({cell: [L.lstmCell(dropout), L.gruCell(dropout)] as never, inputShape: [4, 2]})],
    'bidirectional': () => [L.bidirectional({layer: L.lstm(dropout) as never, inputShape: [4, 2]})],
    'stateful': () => [L.lstm({...dropout, stateful: true, batchInputShape: [8, 4, 2]})],
  };
  for (const [name, layers] of Object.entries(recurrent)) {
    const counts = await both(async optimizer => {
      const model = tf.sequential({layers: [...layers(), L.dense({units: 1})]});
      model.compile({optimizer, loss: 'meanSquaredError'});
      const [x, y] = [noise([16, 4, 2], 3), noise([16, 1], 4)];
      const fit = () => model.fit(x, y, {batchSize: 8, epochs: 2, verbose: 0});
      await fit();  // from the first step that is taken on, ggn holds one tensor of momentum for each variable
      const {numTensors} = tf.memory();
      for (let i = 0; i < 3; i++) {
        await fit();
      }
      return tf.memory().numTensors - numTensors;
    });
    t.is(counts.ggn, counts.sgd, name);
  }
});
