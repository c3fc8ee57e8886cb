/**
 * The table itself: every case is repeatable and small, runs alike on every backend that it names, and is differentiated rightly by the
 * reference.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test, {type ExecutionContext} from 'ava';
import {type Backend, brokenLayers, type Case, cases, disposeBatch, type LayerName, residualRows, rowWeights} from '../cases/cases';
import {denseJacobian, finiteDifferenceColumn} from './dense_jacobian';
import {referenceRows} from './rows';
import {variablesOf} from '../support/models';
import {repeat} from '../support/numbers';

const backends: Backend[] = ['cpu', 'wasm'];

/** Loss that tfjs reports for the first batch, in training. */
async function firstLoss(one: Case): Promise<number> {
  const model = one.model();
  const batch = one.batch();
  let loss = NaN;
  const optimizer = tf.train.sgd(0.01);
  optimizer.minimize = f => tf.tidy(() => {
    const value = f();
    loss = value.dataSync()[0];
    return value.clone();
  });
  model.compile({optimizer, loss: one.loss});
  tf.dispose(await model.trainOnBatch(batch.x, batch.y) as never);
  disposeBatch(batch);
  model.dispose();
  return loss;
}

/** Rows of the case, its weights, and Σ w r² plus the regularizers. */
function rowsAndLoss(one: Case): {rows: Float32Array; loss: number} {
  const model = one.model();
  const batch = one.batch();
  const tensor = residualRows(model, batch);
  const rows = tensor.dataSync() as Float32Array;
  const weights = rowWeights(model, batch);
  const penalties = model.calculateLosses();
  const loss = rows.reduce((sum, r, i) => sum + weights[i] * r * r, 0) + penalties.reduce((sum, penalty) => sum + penalty.dataSync()[0], 0);
  tf.dispose([tensor, ...penalties]);
  disposeBatch(batch);
  model.dispose();
  return {rows, loss};
}

test.serial('names are unique', t => {
  t.is(new Set(cases.map(one => one.name)).size, cases.length);
});

test('every layer of tf.layers is in the table', t => {
  const aliases = ['avgPool1d', 'avgPool2d', 'avgPool3d', 'avgPooling1d', 'avgPooling2d', 'avgPooling3d', 'globalMaxPool1d', 'globalMaxPool2d', 'maxPool1d', 'maxPool2d'];
  const notLayers = ['Layer', 'RNN', 'RNNCell', 'input'];
  const proven = new Set<string>([...cases.flatMap(one => one.layers), ...brokenLayers.map(([name]) => name)]);
  t.deepEqual(Object.keys(tf.layers).filter(name => !proven.has(name)).sort(), [...aliases, ...notLayers].sort());
  t.deepEqual([...proven].filter(name => !(name in tf.layers)), []);
});

for (const [name, layer] of brokenLayers as [LayerName, () => tf.layers.Layer][]) {
  test.serial(`defect of tfjs: ${name} cannot stand in a model`, async t => {
    await tf.setBackend('cpu');
    t.throws(() => tf.sequential({layers: [layer()]}).predict(tf.zeros([2, 4, 4, 2])), undefined, `tfjs has mended ${name}: put it in the table`);
  });
}

for (const backend of backends) {
  test.serial(`${backend}: the cases run alike, with the loss of their rows`, async t => {
    for (const one of cases.filter(one => one.backends.includes(backend) && one.refusedOn?.[backend] === undefined)) {
      await tf.setBackend('cpu');
      const onCpu = rowsAndLoss(one);
      await tf.setBackend(backend);
      const loss = await firstLoss(one);
      const {rows, loss: expected} = rowsAndLoss(one);
      t.true(Math.abs(loss - expected) < 1e-6 * Math.max(1, expected), `${one.name}: ${loss}, rows give ${expected}`);
      t.true(rows.every((value, r) => Math.abs(value - onCpu.rows[r]) < 1e-5), `${one.name}: other rows than on cpu`);
    }
  });
}

test.serial('what is written out for the reference is the same network', async t => {
  await tf.setBackend('cpu');
  for (const one of cases) {
    const model = one.model();
    const batch = one.batch();
    const rows = residualRows(model, batch).dataSync();
    for (const convolutions of [false, true]) {
      const written = referenceRows(model, batch, {convolutions}).dataSync();
      t.true(written.every((value, r) => Math.abs(value - rows[r]) < 1e-5), one.name);
    }
    if (model.layers.some(layer => /Conv/.test(layer.getClassName()))) {
      const {jacobian} = denseJacobian(() => referenceRows(model, batch), variablesOf(model));
      const written = denseJacobian(() => referenceRows(model, batch, {convolutions: true}), variablesOf(model)).jacobian;
      t.true(written.every((value, i) => Math.abs(value - jacobian[i]) < 1e-5), `${one.name}: Jacobian`);
    }
    disposeBatch(batch);
    model.dispose();
  }
});

test.serial('the reference Jacobian agrees with finite differences', async t => {
  await tf.setBackend('cpu');
  for (const one of cases) {
    const model = one.model();
    const batch = one.batch();
    checkJacobian(t, one.name, () => referenceRows(model, batch), variablesOf(model));
    disposeBatch(batch);
    model.dispose();
  }
});

function checkJacobian(t: ExecutionContext, name: string, rows: () => tf.Tensor, variables: tf.Variable[]): void {
  const {jacobian, n, m} = denseJacobian(rows, variables);
  t.true(n <= 40 && m <= 400, `${name}: ${n} rows, ${m} parameters`);
  let column = 0;
  for (const variable of variables) {
    for (const index of new Set([0, Math.floor(variable.size / 2), variable.size - 1])) {
      const exact = Array.from({length: n}, (_, r) => jacobian[r * m + column + index]);
      // The best of several steps: a large one may cross the kink of a relu, a small one is noise in float32.
      let errors = repeat(n, Infinity);
      const isOff = (error: number, r: number): boolean => !(error < 1e-3 * Math.max(1, Math.abs(exact[r])));
      for (const h of [4e-3, 1e-3, 2.5e-4]) {
        if (errors.some(isOff)) {
          const differences = finiteDifferenceColumn(rows, variable, index, h);
          errors = errors.map((error, r) => Math.min(error, Math.abs(differences[r] - exact[r])));
        }
      }
      const r = errors.findIndex(isOff);
      t.is(r, -1, `${name}: row ${r}, ${variable.name}[${index}]: ${exact[r]}, off by ${errors[r]}`);
    }
    t.true(jacobian.some((value, i) => value !== 0 && i % m >= column && i % m < column + variable.size), `${name}: nothing depends on ${variable.name}`);
    column += variable.size;
  }
}

test.serial('models, batches and rows are the same on each call', async t => {
  await tf.setBackend('cpu');
  for (const one of cases) {
    const model = one.model();
    const again = one.model();
    const weights = model.getWeights().map(weight => weight.dataSync().slice());
    t.deepEqual(again.getWeights().map(weight => weight.dataSync().slice()), weights, one.name);
    const batch = one.batch();
    const other = one.batch();
    const tensors = tf.memory().numTensors;
    const [first, second, third] = [residualRows(model, batch), residualRows(model, batch), residualRows(again, other)];
    t.deepEqual(second.dataSync(), first.dataSync(), one.name);
    t.deepEqual(third.dataSync(), first.dataSync(), one.name);
    t.is(first.shape[0], one.batchSize, one.name);
    t.is(first.size, rowWeights(model, batch).length, one.name);
    t.is(tf.memory().numTensors, tensors + 3, `${one.name}: tensors left behind`);
    t.deepEqual(model.getWeights().map(weight => weight.dataSync().slice()), weights, `${one.name}: weights moved`);
    tf.dispose([first, second, third]);
    disposeBatch(batch);
    disposeBatch(other);
    model.dispose();
    again.dispose();
  }
});
