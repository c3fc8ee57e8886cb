/** Whole steps of every case, momentum and regularizers included, against dense normal equations in float64. */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn} from '../src/index';
import {cases, disposeBatch, residualRows, rowWeights, variablesOf} from './cases';
import {denseJacobian, referenceStep} from './reference/dense_jacobian';
import {withFrozenStatistics} from './support/frozen_statistics';
import {relativeError} from './support/probe';

const DAMPING = 0.1;
const MOMENTUM = 0.9;

/** J is float32 and the damped system has a condition number of at most a few hundred at damping 0.1. */
const TOLERANCE = 2e-4;

interface Regularized {
  kernelRegularizer?: {l2?: tf.Scalar | number};
  biasRegularizer?: {l2?: tf.Scalar | number};
  kernel?: {val: tf.Variable};
  bias?: {val: tf.Variable};
  inboundNodes: unknown[];
}

/** ρ of every parameter: tfjs adds a layer's regularizer once for each time it is applied. */
function ridgeOf(model: tf.LayersModel, variables: tf.Variable[]): Float64Array {
  return Float64Array.from(variables.flatMap(variable => {
    let rho = 0;
    for (const layer of model.layers as unknown as Regularized[]) {
      for (const [weight, regularizer] of [[layer.kernel, layer.kernelRegularizer], [layer.bias, layer.biasRegularizer]] as const) {
        if (weight?.val === variable && regularizer?.l2 != null) {
          rho += layer.inboundNodes.length * (typeof regularizer.l2 === 'number' ? regularizer.l2 : regularizer.l2.dataSync()[0]);
        }
      }
    }
    return new Array<number>(variable.size).fill(rho);
  }));
}

/** Gradient of the regularizers. */
function extraOf(model: tf.LayersModel, variables: tf.Variable[]): Float64Array {
  const losses = model.calculateLosses();
  if (losses.length === 0) {
    return new Float64Array(variables.reduce((m, v) => m + v.size, 0));
  }
  const {grads} = tf.variableGrads(() => model.calculateLosses().reduce((a, b) => tf.add(a, b)), variables);
  return Float64Array.from(variables.flatMap(v => grads[v.name] == null ? new Array<number>(v.size).fill(0) : [...grads[v.name].dataSync()]));
}

/** J + r fᵀ / Σ 2wr² in the place of J with frozen statistics: f is what the exact gradient has beyond Jᵀq, q = 2wr. */
function throughStatistics(jacobian: Float64Array, exact: Float64Array, rows: Float64Array, weights: Float64Array): void {
  const m = jacobian.length / rows.length;
  const f = new Float64Array(m);
  exact.forEach((x, i) => f[i % m] += (x - jacobian[i]) * 2 * weights[Math.floor(i / m)] * rows[Math.floor(i / m)]);
  const size = rows.reduce((sum, r, i) => sum + 2 * weights[i] * r * r, 0);
  jacobian.forEach((_, i) => jacobian[i] += rows[Math.floor(i / m)] / size * f[i % m]);
}

const flat = (variables: tf.Variable[]): Float64Array => Float64Array.from(variables.flatMap(v => [...v.dataSync()]));

for (const backend of ['cpu', 'wasm'] as const) {
  for (const c of cases.filter(c => c.backends.includes(backend))) {
    test.serial(`${backend}: ${c.name}`, async t => {
      await tf.setBackend('cpu');
      const model = c.model();
      const batch = c.batch();
      const variables = variablesOf(model);
      const optimizer = ggn({learningRate: 1, damping: DAMPING, momentum: MOMENTUM});
      model.compile({optimizer, loss: c.loss});
      const refused = c.refused ?? (backend === 'wasm' ? c.refusedOn?.wasm : undefined);
      if (refused !== undefined) {
        await tf.setBackend(backend);
        const before = flat(variables);
        const tensors = tf.memory().numTensors;
        await t.throwsAsync(model.trainOnBatch(batch.x, batch.y), {message: refused});
        t.is(tf.memory().numTensors, tensors);
        t.deepEqual(flat(variables), before);
        t.is(optimizer.lastStep, null);
        return;
      }
      const ridge = ridgeOf(model, variables);
      const weights = rowWeights(model, batch);
      let previous: Float64Array | null = null;
      for (let i = 0; i < 2; i++) {
        await tf.setBackend('cpu');
        const exact = (): tf.Tensor => residualRows(model, batch);
        const {jacobian, rows, n, m} = denseJacobian(c.frozen ? withFrozenStatistics(exact) : exact, variables);
        if (c.frozen) {
          throughStatistics(jacobian, denseJacobian(exact, variables).jacobian, rows, weights);
        }
        if (jacobian.every(x => x === 0)) {  // dead units: no row depends on any weight
          await tf.setBackend(backend);
          const before = flat(variables);
          await model.trainOnBatch(batch.x, batch.y);
          t.is(optimizer.lastStep!.status, 'flat');
          t.deepEqual(flat(variables), before);
          break;
        }
        const expected = referenceStep({jacobian, n, m, residual: rows, weights, damping: DAMPING, momentum: MOMENTUM, previous,
          ridge, extraGradient: extraOf(model, variables)});
        const before = flat(variables);
        await tf.setBackend(backend);
        await model.trainOnBatch(batch.x, batch.y);
        const after = flat(variables);
        t.is(optimizer.lastStep!.status, 'ok');
        t.is(optimizer.lastStep!.jacobian === 'frozenStatistics', c.frozen === true);
        t.true(Math.abs(optimizer.lastStep!.lambda / expected.lambda - 1) < 1e-4, 'lambda');
        t.true(Math.abs(optimizer.lastStep!.gradientNorm / expected.gradientNorm - 1) < 1e-3, 'gradient norm');
        const step = after.map((w, j) => w - before[j]);
        t.true(relativeError(step, expected.step) < TOLERANCE, `step ${i}: ${relativeError(step, expected.step)}`);
        previous = expected.step;
      }
      optimizer.dispose();
      model.dispose();
      disposeBatch(batch);
    });
  }
}
