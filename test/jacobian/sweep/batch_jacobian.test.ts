/** Rows of J, Gram matrix, J d and Jᵀu of every case against the dense reference, on every backend where the case runs. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {cases, disposeBatch, rowWeights} from '../../cases/cases';
import {denseGram, denseJacobian} from '../../reference/dense_jacobian';
import {referenceRows} from '../../reference/rows';
import {withFrozenStatistics} from '../../support/frozen_statistics';
import {variablesOf} from '../../support/models';
import {Probe} from '../../support/probe';
import {relativeError} from '../../support/relative_error';
import {refusalOf, runsOn} from '../../support/whole_step';

/** Float32 sums of a few hundred terms, in another order: 2⁻²⁴ times the square root of a few hundred, with room for cancellation. */
const TOLERANCE = 2e-5;

// With a batch of one, too: the smaller last batch of an epoch.
for (const [backend, size] of [['cpu'], ['wasm'], ['cpu', 1]] as ReadonlyArray<['cpu' | 'wasm', number?]>) {
  for (const c of cases.filter(c => runsOn(c, backend) && refusalOf(c, backend) === undefined)) {
    if (size !== undefined && c.name.includes('stateful')) {
      continue;  // built for one size of batch
    }
    test.serial(`${backend}${size === undefined ? '' : `, batch of ${size}`}: ${c.name}`, async t => {
      await tf.setBackend('cpu');
      const model = c.model();
      const batch = c.batch(size);
      const names = variablesOf(model);
      const exact = (): tf.Tensor => referenceRows(model, batch);
      // The statistics of one example are that example's own.
      const reference = denseJacobian(c.kind === 'frozen' && size !== 1 ? withFrozenStatistics(exact) : exact, names);
      const weights = rowWeights(model, batch);
      await tf.setBackend(backend);
      let looked = 0;
      model.compile({loss: c.loss, optimizer: new Probe(({checked, variables, residual, weight}) => {
        looked++;
        const {n} = reference;
        // The columns of the reference in our order of variables.
        const offsets = new Map<tf.Variable, number>();
        names.reduce((offset, variable) => (offsets.set(variable, offset), offset + variable.size), 0);
        const columns = variables.flatMap(variable => Array.from({length: variable.size}, (_, i) => offsets.get(variable)! + i));
        const m = columns.length;
        const expected = new Float64Array(n * m);
        for (let r = 0; r < n; r++) {
          columns.forEach((column, i) => expected[r * m + i] = reference.jacobian[r * reference.m + column]);
        }
        t.is(checked.jacobian.rows, n);
        t.true(relativeError(residual, reference.rows) < TOLERANCE, 'residuals');
        t.true(relativeError(weight, weights) < 1e-6, 'weights');
        t.true(relativeError(checked.jacobian.dense().dataSync(), expected) < TOLERANCE, 'rows of J');
        t.true(relativeError(checked.grams[0], denseGram(expected, n, m)) < TOLERANCE, 'Gram matrix');

        const d = Float64Array.from({length: m}, (_, i) => Math.sin(1 + i));
        const u = Float64Array.from({length: n}, (_, i) => Math.cos(1 + 2 * i));
        let offset = 0;
        const change = checked.jacobian.apply(variables.map(variable => {
          const part = tf.tensor(Float32Array.from(d.subarray(offset, offset + variable.size)), variable.shape);
          offset += variable.size;
          return part;
        }));
        const product = Float64Array.from({length: n}, (_, r) => d.reduce((sum, x, i) => sum + x * expected[r * m + i], 0));
        t.true(relativeError(change.dataSync(), product) < TOLERANCE, 'J d');
        const pulled = checked.jacobian.applyTranspose(tf.tensor(Float32Array.from(u), [n]));
        const transposed = Float64Array.from({length: m}, (_, i) => u.reduce((sum, x, r) => sum + x * expected[r * m + i], 0));
        t.deepEqual(pulled.map(part => part?.shape ?? null), variables.map((variable, v) => pulled[v] === null ? null : variable.shape));
        const flat = pulled.flatMap((part, v) => part === null ? new Array<number>(variables[v].size).fill(0) : [...part.dataSync()]);
        t.true(relativeError(flat, transposed) < TOLERANCE, 'Jᵀu');
      })});
      const tensors = tf.memory().numTensors;
      const loss = await model.trainOnBatch(batch.x, batch.y);
      t.is(looked, 1);
      t.true(Number.isFinite(Array.isArray(loss) ? loss[0] : loss));
      t.is(tf.memory().numTensors - tensors, keptByLayers(model), 'tensors');
      model.dispose();
      disposeBatch(batch);
    });
  }
}

/** Tensors that tfjs keeps in recurrent layers after one step: the states before it, and dropout masks. */
function keptByLayers(model: tf.LayersModel): number {
  interface Recurrent {
    stateful: boolean;
    cell?: {stateSize: number | number[]; dropoutMask?: tf.Tensor[] | null; recurrentDropoutMask?: tf.Tensor[] | null};
  }
  return (model.layers as unknown as Recurrent[]).reduce((count, {stateful, cell}) => count + (stateful ? [cell!.stateSize].flat().length : 0) +
    [cell?.dropoutMask, cell?.recurrentDropoutMask].flatMap(mask => mask ?? []).length, 0);
}
