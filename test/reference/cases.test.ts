/** The table itself: every case is repeatable, small, trained by tfjs's own sgd where it says so, and differentiated rightly by the reference. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test, {type ExecutionContext} from 'ava';
import {type Backend, type Case, cases, disposeBatch, residualRows, rowWeights, variablesOf} from '../cases';
import {denseJacobian, finiteDifferenceColumn} from './dense_jacobian';

const backends: Backend[] = ['cpu', 'wasm'];

/** Loss that sgd reports for its first step, or the error. */
async function firstLoss(one: Case): Promise<number | Error> {
  const model = one.model();
  const batch = one.batch();
  try {
    model.compile({optimizer: tf.train.sgd(0.01), loss: one.loss});
    const losses = await model.trainOnBatch(batch.x, batch.y);
    return Array.isArray(losses) ? losses[0] : losses;
  } catch (error) {
    return error as Error;
  } finally {
    disposeBatch(batch);
    model.dispose();
  }
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

for (const backend of backends) {
  test.serial(`${backend}: tfjs itself trains the cases that say so, with the loss of their rows`, async t => {
    for (const one of cases) {
      await tf.setBackend('cpu');
      const onCpu = rowsAndLoss(one);
      await tf.setBackend(backend);
      const loss = await firstLoss(one);
      if (!one.backends.includes(backend)) {
        t.true(loss instanceof Error, one.name);
      } else if (one.refused === undefined) {
        const {rows, loss: expected} = rowsAndLoss(one);
        t.true(typeof loss === 'number' && Math.abs(loss - expected) < 1e-6 * Math.max(1, expected), `${one.name}: ${String(loss)}, rows give ${expected}`);
        t.true(rows.every((value, r) => Math.abs(value - onCpu.rows[r]) < 1e-5), `${one.name}: other rows than on cpu`);
      }
    }
  });
}

test.serial('the reference Jacobian agrees with finite differences', async t => {
  await tf.setBackend('cpu');
  for (const one of cases) {
    const model = one.model();
    const batch = one.batch();
    if (canDifferentiate(one)) {
      checkJacobian(t, one.name, () => residualRows(model, batch), variablesOf(model));
    }
    disposeBatch(batch);
    model.dispose();
  }
});

/** Convolutions that tfjs cannot differentiate are in the table for their error only. */
function canDifferentiate(one: Case): boolean {
  return one.refused === undefined;
}

function checkJacobian(t: ExecutionContext, name: string, rows: () => tf.Tensor, variables: tf.Variable[]): void {
  const {jacobian, n, m} = denseJacobian(rows, variables);
  t.true(n <= 40 && m <= 400, `${name}: ${n} rows, ${m} parameters`);
  let column = 0;
  for (const variable of variables) {
    for (const index of new Set([0, Math.floor(variable.size / 2), variable.size - 1])) {
      // The best of several steps: a large one may cross the kink of a relu, a small one is noise in float32.
      const columns = [4e-3, 1e-3, 2.5e-4].map(h => finiteDifferenceColumn(rows, variable, index, h));
      for (let r = 0; r < n; r++) {
        const exact = jacobian[r * m + column + index];
        const error = Math.min(...columns.map(differences => Math.abs(differences[r] - exact)));
        t.true(error < 1e-3 * Math.max(1, Math.abs(exact)), `${name}: row ${r}, ${variable.name}[${index}]: ${exact}, off by ${error}`);
      }
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
