/** stepMetrics: what the optimizer did, in the logs of fit. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn, stepMetrics, type GramGaussNewton} from '../../src/index';
import {compiled, smallData} from '../support/small_model';

await tf.setBackend('cpu');

const KEYS = ['iteration', 'rows', 'parameters', 'damping', 'lambda', 'gradientNorm', 'stepNorm', 'stepMilliseconds', 'learningRate', 'gainRatio'];
/** Metrics that are numbers in every step. The gain ratio is NaN if the step was not judged. */
const FINITE = KEYS.filter(key => key !== 'gainRatio');

const {x, y} = smallData();

test.serial('alone: history gets the values of the last step of every epoch', async t => {
  const {model, optimizer} = compiled({damping: 0.2});
  const {history} = await model.fit(x, y, {epochs: 3, batchSize: 4, verbose: 0, callbacks: stepMetrics(optimizer)});
  t.deepEqual(Object.keys(history).sort(), ['loss', ...KEYS].sort());
  for (const key of KEYS) {
    t.is(history[key].length, 3, key);
    t.true(history[key].every(value => typeof value === 'number' && (value >= 0 || key === 'gainRatio')), key);
  }
  t.deepEqual(history.damping, [0.2, 0.2, 0.2]);
  const {lambda, gradientNorm, stepNorm, milliseconds, iteration} = optimizer.lastStep!;
  t.is(iteration, 6);
  t.deepEqual([history.lambda[2], history.gradientNorm[2], history.stepNorm[2]], [lambda, gradientNorm, stepNorm]);
  t.is(history.stepMilliseconds[2], Object.values(milliseconds).reduce((a, b) => a + b));
  t.true(lambda > 0 && gradientNorm > 0 && stepNorm > 0);
});

test.serial('in a list, first: callbacks behind it see the values of each batch and epoch', async t => {
  const {model, optimizer} = compiled();
  const batches: tf.Logs[] = [];
  const epochs: tf.Logs[] = [];
  const steps: number[] = [];
  const seen = new tf.CustomCallback({
    onBatchEnd: async (_, logs) => {
      batches.push({...logs});
      steps.push(optimizer.lastStep!.stepNorm);
    },
    onEpochEnd: async (_, logs) => void epochs.push({...logs}),
  });
  await model.fit(x, y, {epochs: 2, batchSize: 4, verbose: 0, callbacks: [stepMetrics(optimizer), seen]});
  t.is(batches.length, 4);
  t.is(epochs.length, 2);
  for (const logs of [...batches, ...epochs]) {
    t.true(FINITE.every(key => Number.isFinite(logs[key])));
  }
  t.deepEqual(batches.map(logs => logs['stepNorm']), steps);
  t.is(new Set(steps).size, 4, 'every batch has its own');
  t.deepEqual(epochs.map(logs => logs['stepNorm']), [steps[1], steps[3]]);
});

test.serial('with early stopping on one of its values', async t => {
  const {model, optimizer} = compiled();
  optimizer.policy = 'fixed';
  // The damping never falls, so one epoch without improvement is the second.
  const {history, epoch} = await model.fit(x, y, {epochs: 10, verbose: 0,
    callbacks: [stepMetrics(optimizer), tf.callbacks.earlyStopping({monitor: 'damping', patience: 1})]});
  t.deepEqual(epoch, [0, 1]);
  t.deepEqual(history.damping, [0.1, 0.1]);
});

test.serial('fitDataset', async t => {
  const {model, optimizer} = compiled();
  const dataset = tf.data.zip({xs: tf.data.array(x.arraySync()), ys: tf.data.array(y.arraySync())}).batch(4);
  const batches: number[] = [];
  const seen = new tf.CustomCallback({onBatchEnd: async (_, logs) => void batches.push(logs!['gradientNorm'])});
  const {history} = await model.fitDataset(dataset, {epochs: 2, verbose: 0,
    callbacks: [stepMetrics(optimizer), seen]});
  t.is(batches.length, 4);
  t.deepEqual(history.gradientNorm, [batches[1], batches[3]]);
  t.deepEqual(Object.keys(history).sort(), ['loss', ...KEYS].sort());
});

test.serial('validation, its own callbacks and metrics stay as they are', async t => {
  const {model, optimizer} = compiled();
  model.compile({optimizer, loss: 'meanSquaredError', metrics: ['mae']});
  const {history} = await model.fit(x, y, {epochs: 2, verbose: 0, validationData: [x, y], callbacks: stepMetrics(optimizer)});
  t.deepEqual(Object.keys(history).sort(), ['loss', 'mae', 'val_loss', 'val_mae', ...KEYS].sort());
});

test.serial('an optimizer that the model is not trained by is an error: before training, with nothing left behind', async t => {
  const {model} = compiled();
  const adam = compiled();
  adam.model.compile({optimizer: 'adam', loss: 'meanSquaredError'});
  const {numTensors} = tf.memory();
  const other = ggn();
  for (const trained of [model, adam.model]) {
    for (const callbacks of [stepMetrics(other), [tf.callbacks.earlyStopping({monitor: 'loss'}), stepMetrics(other)], [{onEpochEnd: () => {}}, stepMetrics(other)]]) {
      await t.throwsAsync(trained.fit(x, y, {epochs: 1, verbose: 0, callbacks: callbacks as tf.CustomCallbackArgs[]}),
          {message: /^tfjs-ggn: stepMetrics\(\) was given an optimizer that this model is not trained by: the model was compiled with another/});
    }
  }
  t.is(tf.memory().numTensors, numTensors);
  t.is(other.lastStep, null);
});

test.serial('an epoch whose last step was not judged has NaN for its gain ratio, so that every epoch has an entry', async t => {
  const {model, optimizer} = compiled();
  const judged: boolean[] = [];
  const callbacks = [stepMetrics(optimizer), {
    onEpochEnd: (epoch: number) => {
      judged.push(optimizer.lastStep!.gainRatio !== null);
      optimizer.policy = epoch % 2 === 0 ? 'fixed' : 'levenbergMarquardt';
    },
  }];
  const {history} = await model.fit(x, y, {epochs: 8, batchSize: 8, verbose: 0, callbacks});
  t.deepEqual(judged, [true, false, true, false, true, false, true, false]);
  t.deepEqual(history.gainRatio.map(value => !Number.isNaN(value)), judged);
  for (const key of KEYS) {
    t.is(history[key].length, 8, key);
  }
});

test.serial('it changes neither the trajectory nor the number of tensors', async t => {
  const plain = compiled();
  const watched = compiled();
  const options = {epochs: 3, batchSize: 4, shuffle: false, verbose: 0 as const};
  await plain.model.fit(x, y, options);
  await watched.model.fit(x, y, {...options, epochs: 1, callbacks: stepMetrics(watched.optimizer)});
  const tensors = tf.memory().numTensors;
  await watched.model.fit(x, y, {...options, epochs: 2, callbacks: stepMetrics(watched.optimizer)});
  t.is(tf.memory().numTensors, tensors);
  t.deepEqual(watched.model.getWeights().map(w => w.dataSync()), plain.model.getWeights().map(w => w.dataSync()));
});

test.serial('another optimizer is refused', t => {
  for (const other of [tf.train.adam(), undefined, null, {}]) {
    t.throws(() => stepMetrics(other as GramGaussNewton), {message: /^tfjs-ggn: stepMetrics\(\) takes the optimizer that ggn\(\) returned/});
  }
});
