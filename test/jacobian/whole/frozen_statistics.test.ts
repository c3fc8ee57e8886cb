/**
 * Batch normalisation and other statistics of the batch: J with the statistics held constant, the gradient exact, moving averages moved
 * once.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test, {type ExecutionContext} from 'ava';
import {ggn} from '../../../src/index';
import {gradientThroughStatistics} from '../../../src/jacobian/whole/statistics_gradient';
import {residualRows, rowWeights} from '../../cases/cases';
import {denseJacobian, referenceStep} from '../../reference/dense_jacobian';
import {withFrozenStatistics} from '../../support/frozen_statistics';
import {variablesOf} from '../../support/models';
import {Probe} from '../../support/probe';
import {relativeError} from '../../support/relative_error';
import {flat, noise} from '../../support/tensors';

const L = tf.layers;
const dense = (units: number, seed: number, more: object = {}): tf.layers.Layer =>
  L.dense({units, kernelInitializer: tf.initializers.glorotUniform({seed}), biasInitializer: tf.initializers.randomNormal({seed, stddev: 0.3}), ...more});
const normal = (seed: number, more: object = {}): tf.layers.Layer => L.batchNormalization({
  gammaInitializer: tf.initializers.randomUniform({minval: 0.5, maxval: 1.5, seed}), betaInitializer: tf.initializers.randomNormal({seed, stddev: 0.5}), ...more});
const movingAverages = (model: tf.LayersModel): Float64Array => flat(model.nonTrainableWeights.map(w => w.read()));

interface Problem {
  build: () => tf.LayersModel;
  x: number[];
  y: number[] | number[][];
  backends?: Array<'cpu' | 'wasm'>;
}

const problems: Record<string, Problem> = {
  'dense, normalised, tanh': {build: () => tf.sequential({layers: [dense(5, 1, {inputShape: [3]}), normal(2), L.activation({activation: 'tanh'}), dense(2, 3)]}),
    x: [7, 3], y: [7, 2]},
  'as Keras has it, behind relu': {build: () => tf.sequential({layers: [dense(6, 1, {inputShape: [3], activation: 'relu'}), normal(2), dense(1, 3)]}), x: [8, 3], y: [8, 1]},
  'twice': {build: () => tf.sequential({layers: [dense(5, 1, {inputShape: [3]}), normal(2), L.activation({activation: 'tanh'}),
    dense(4, 3), normal(4), L.activation({activation: 'sigmoid'}), dense(1, 5)]}), x: [9, 3], y: [9, 1]},
  'the last layer': {build: () => tf.sequential({layers: [dense(5, 1, {inputShape: [3], activation: 'tanh'}), dense(2, 3), normal(2)]}), x: [6, 3], y: [6, 2]},
  'sequences': {build: () => tf.sequential({layers: [dense(4, 1, {inputShape: [3, 2]}), normal(2), L.activation({activation: 'tanh'}), L.flatten(), dense(2, 3)]}),
    x: [5, 3, 2], y: [5, 2]},
  'the same weights before and after': {build: () => {
    const [shared, input] = [dense(3, 1, {activation: 'tanh'}), tf.input({shape: [3]})];
    const inner = normal(2).apply(shared.apply(input)) as tf.SymbolicTensor;
    return tf.model({inputs: input, outputs: dense(1, 3).apply(shared.apply(inner)) as tf.SymbolicTensor});
  }, x: [8, 3], y: [8, 1]},
  'one normalisation applied twice': {build: () => {
    const [shared, input] = [normal(2), tf.input({shape: [3]})];
    const inner = shared.apply(dense(3, 1, {activation: 'tanh'}).apply(input)) as tf.SymbolicTensor;
    return tf.model({inputs: input, outputs: dense(1, 3).apply(shared.apply(dense(3, 4).apply(inner))) as tf.SymbolicTensor});
  }, x: [8, 3], y: [8, 1]},
  'two heads': {build: () => {
    const input = tf.input({shape: [3]});
    const trunk = normal(2).apply(dense(5, 1).apply(input)) as tf.SymbolicTensor;
    return tf.model({inputs: input, outputs: [dense(2, 3).apply(trunk), normal(5).apply(dense(1, 4).apply(trunk))] as tf.SymbolicTensor[]});
  }, x: [6, 3], y: [[6, 2], [6, 1]]},
  'a convolution, over images': {build: () => tf.sequential({layers: [L.conv2d({filters: 2, kernelSize: 2, inputShape: [4, 4, 1],
    kernelInitializer: tf.initializers.glorotUniform({seed: 1})}), normal(2), L.activation({activation: 'relu'}), L.flatten(), dense(1, 3)]}),
  x: [5, 4, 4, 1], y: [5, 1], backends: ['cpu']},
};

/** J of the rows with the statistics constant, changed by r fᵀ / Σ 2wr² so that Jᵀq is the exact gradient. */
function corrected(rows: () => tf.Tensor, frozenRows: () => tf.Tensor, variables: tf.Variable[], weights: Float64Array) {
  const full = denseJacobian(rows, variables);
  const frozen = denseJacobian(frozenRows, variables);
  const {n, m} = full;
  const f = new Float64Array(m);
  const size = full.rows.reduce((sum, r, i) => sum + 2 * weights[i] * r * r, 0);
  full.jacobian.forEach((x, i) => f[i % m] += (x - frozen.jacobian[i]) * 2 * weights[Math.floor(i / m)] * full.rows[Math.floor(i / m)]);
  return {n, m, f, residual: full.rows, jacobian: frozen.jacobian.map((x, i) => x + full.rows[Math.floor(i / m)] / size * f[i % m])};
}

for (const backend of ['cpu', 'wasm'] as const) {
  for (const [name, {build, x: xShape, y: yShape, backends}] of Object.entries(problems)) {
    if (backends !== undefined && !backends.includes(backend)) {
      continue;
    }
    for (const way of ['fit', 'loop'] as const) {
      test.serial(`${backend}, ${way}: ${name}`, async t => {
        await tf.setBackend('cpu');
        const model = build();
        const variables = variablesOf(model);
        const x = noise(xShape, 11);
        const heads = (Array.isArray(yShape[0]) ? yShape as number[][] : [yShape as number[]]).map((shape, i) => noise(shape, 12 + i));
        const batch = {x, y: heads.length === 1 ? heads[0] : heads};
        const weights = rowWeights(model, batch);
        const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0.9});
        model.compile({optimizer, loss: heads.map(() => 'meanSquaredError')});
        const loss = (): tf.Scalar => {
          const outputs = [model.apply(x, {training: true})].flat() as tf.Tensor[];
          return tf.addN(outputs.map((output, i) => output.sub(heads[i]).square().mean())).asScalar();
        };
        let previous: Float64Array | null = null;
        for (let i = 0; i < 3; i++) {
          await tf.setBackend('cpu');
          const rows = (): tf.Tensor => residualRows(model, batch);
          const expected = corrected(rows, withFrozenStatistics(rows), variables, weights);
          const {step, gradientNorm, lambda} = referenceStep({...expected, weights, damping: 0.1, momentum: 0.9, previous, ridge: null, extraGradient: null});
          const before = flat(variables);
          await tf.setBackend(backend);
          if (way === 'fit') {
            await model.trainOnBatch(x, batch.y);
          } else {
            optimizer.minimize(loss, false, variables);
          }
          const report = optimizer.lastStep!;
          t.is(report.jacobian, 'frozenStatistics');
          t.is(report.status, 'ok');
          t.true(Math.abs(report.lambda / lambda - 1) < 1e-4, 'lambda');
          t.true(Math.abs(report.gradientNorm / gradientNorm - 1) < 1e-3, 'gradient norm');
          const change = flat(variables).map((w, j) => w - before[j]);
          t.true(relativeError(change, step) < 2e-4, `step ${i}: ${relativeError(change, step)}`);
          previous = step;
        }
        optimizer.dispose();
        model.dispose();
      });
    }
  }
}

for (const [name, {build, x: xShape, y: yShape}] of Object.entries(problems).filter(([, problem]) => !Array.isArray(problem.y[0]))) {
  test.serial(`the gradient of rows and statistics is tfjs's: ${name}`, async t => {
    await tf.setBackend('cpu');
    const model = build();
    const variables = variablesOf(model);
    const [x, y] = [noise(xShape, 11), noise(yShape as number[], 12)];
    const loss = (): tf.Scalar => (model.apply(x, {training: true}) as tf.Tensor).sub(y).square().mean();
    const {grads} = tf.variableGrads(loss, variables);
    let looked = 0;
    new Probe(({trace, rows, checked, variables: found, residual, weight}) => {
      looked++;
      const q = tf.tensor(Float32Array.from(residual, (r, i) => 2 * r * weight[i]), [residual.length]);
      const f = gradientThroughStatistics(trace, rows.dependence, checked.plans)!;
      const whole = checked.jacobian.applyTranspose(q).map((part, v) => part === null ? f[v]! : f[v] === null ? part : part.add(f[v]!));
      t.deepEqual(new Set(found), new Set(variables));
      t.true(relativeError(flat(whole), flat(found.map(v => grads[v.name]))) < 1e-5);
    }).minimize(loss, false, variables);
    t.is(looked, 1);
    model.dispose();
  });
}

// --------------------------------------------------------------------------------------------------------- what is frozen, and what is not

/** A layer [B, 4] -> [B, 4] from a function. */
class Mixing extends L.Layer {
  static className = 'TestStatistics';
  constructor(private readonly f: (x: tf.Tensor) => tf.Tensor) {
    super({});
  }
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => this.f(Array.isArray(inputs) ? inputs[0] : inputs));
  }
  override computeOutputShape(inputShape: tf.Shape): tf.Shape {
    return inputShape;
  }
}

/** Each takes its statistics by s, so that the test can hold them constant. */
const statistics: Record<string, (x: tf.Tensor, s: (t: tf.Tensor) => tf.Tensor) => tf.Tensor> = {
  'adds the mean of the batch': (x, s) => x.add(s(x.mean(0))),
  'gives all the mean of the batch': (x, s) => s(x.mean(0, true)).tile([5, 1]),
  'takes the largest of the batch': (x, s) => x.sub(s(x.max(0))),
  'divides by the norm of everything': (x, s) => x.div(s(x.square().sum()).sqrt()),
  'decorrelates by the covariance': (x, s) => tf.matMul(x, s(tf.matMul(x, x, true).div(5))),
};

for (const [name, f] of Object.entries(statistics)) {
  test.serial(`fit: a layer that ${name}`, async t => {
    await tf.setBackend('cpu');
    let frozen: Float32Array | null = null;
    let isFrozen = false;
    const s = (value: tf.Tensor): tf.Tensor => {
      frozen ??= value.dataSync().slice() as Float32Array;
      return isFrozen ? tf.tensor(frozen, value.shape) : value;
    };
    const model = tf.sequential({layers: [dense(4, 1, {inputShape: [3], activation: 'tanh'}), new Mixing(x => f(x, s)), dense(2, 2)]});
    const [x, y] = [noise([5, 3], 3), noise([5, 2], 4)];
    const variables = variablesOf(model);
    const weights = rowWeights(model, {x, y});
    const rows = (): tf.Tensor => residualRows(model, {x, y});
    const expected = corrected(rows, () => {
      isFrozen = true;
      const result = rows();
      isFrozen = false;
      return result;
    }, variables, weights);
    const {step} = referenceStep({...expected, weights, damping: 0.1, momentum: 0, previous: null, ridge: null, extraGradient: null});
    const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0});
    model.compile({optimizer, loss: 'meanSquaredError'});
    const before = flat(variables);
    await model.trainOnBatch(x, y);
    t.is(optimizer.lastStep!.jacobian, 'frozenStatistics');
    t.true(relativeError(flat(variables).map((w, i) => w - before[i]), step) < 2e-4);
  });
}

test.serial('statistics of the inputs alone change nothing', async t => {
  const model = tf.sequential({layers: [normal(1, {inputShape: [3]}), dense(2, 2)]});
  const optimizer = ggn();
  model.compile({optimizer, loss: 'meanSquaredError'});
  await model.trainOnBatch(noise([5, 3], 3), noise([5, 2], 4));
  t.is(optimizer.lastStep!.jacobian, 'batch');
});

test.serial('a batch of one is its own statistics: exact', async t => {
  const model = problems['dense, normalised, tanh'].build();
  const optimizer = ggn();
  model.compile({optimizer, loss: 'meanSquaredError'});
  await model.trainOnBatch(noise([1, 3], 3), noise([1, 2], 4));
  t.is(optimizer.lastStep!.jacobian, 'batch');
});

test.serial('in a loop, statistics in the residuals themselves: exact while rows or parameters are few, then held constant', t => {
  for (const [size, inputs, way] of [[20, 30, 'rowByRow'], [1000, 2, 'forward'], [1100, 2, 'forward'], [1100, 1030, 'frozenStatistics']] as const) {
    const w = tf.variable(noise([inputs, 1], 1).div(Math.sqrt(inputs))) as tf.Variable<tf.Rank.R2>;
    const x = noise([size, inputs], 2) as tf.Tensor2D;
    const loss = (): tf.Scalar => {
      const p = tf.matMul(x, w).sin();
      return p.sub(p.mean()).sub(x.slice([0, 1], [size, 1])).square().mean();
    };
    const optimizer = ggn();
    const {grads} = tf.variableGrads(loss, [w]);
    optimizer.minimize(loss);
    t.is(optimizer.lastStep!.jacobian, way);
    t.true(Math.abs(optimizer.lastStep!.gradientNorm / Math.hypot(...grads[w.name].dataSync()) - 1) < 1e-3);
    w.dispose();
  }
});

// ------------------------------------------------------------------------------------------------------------------- training

test.serial('moving averages move once, as under sgd; inference uses them; nothing leaks', async t => {
  await tf.setBackend('cpu');
  const [x, y] = [noise([12, 3], 3), noise([12, 2], 4)];
  const models = [ggn(), tf.train.sgd(0.01)].map(optimizer => {
    const model = problems['dense, normalised, tanh'].build();
    model.compile({optimizer, loss: 'meanSquaredError'});
    return model;
  });
  for (const model of models) {
    await model.trainOnBatch(x, y);
  }
  t.deepEqual(movingAverages(models[0]), movingAverages(models[1]));
  const {numTensors} = tf.memory();
  const averages = movingAverages(models[0]);
  const loss = await models[0].trainOnBatch(x, y);
  t.is(tf.memory().numTensors, numTensors);
  t.notDeepEqual(movingAverages(models[0]), averages);
  const [inTraining, inference] = [models[0].apply(x, {training: true}), models[0].predict(x)] as tf.Tensor[];
  t.true(Number.isFinite(loss as number) && inference.dataSync().every(Number.isFinite));
  t.true(relativeError(inference.dataSync(), inTraining.dataSync()) > 1e-2, 'moving statistics, not those of the batch');
});

/** Noise-free and smooth data, which a small network can learn; 70 examples make batches of 32, 32 and 6. */
async function trained(t: ExecutionContext, batchSize: number, learningRate: number): Promise<number[]> {
  const x = noise([70, 3], 1) as tf.Tensor2D;
  const y = tf.tidy(() => tf.sin(x.slice([0, 0], [70, 1]).mul(2)).add(x.slice([0, 1], [70, 1]).mul(x.slice([0, 2], [70, 1]))));
  const model = tf.sequential({layers: [dense(16, 1, {inputShape: [3]}), normal(2), L.activation({activation: 'relu'}),
    dense(16, 3), normal(4), L.activation({activation: 'tanh'}), dense(1, 5)]});
  const optimizer = ggn({learningRate});
  model.compile({optimizer, loss: 'meanSquaredError'});
  const {history} = await model.fit(x, y, {epochs: 15, batchSize, shuffle: false, verbose: 0});
  t.is(optimizer.lastStep!.jacobian, 'frozenStatistics');
  return history['loss'] as number[];
}

for (const [batchSize, learningRate] of [[70, 0.1], [32, 0.1], [32, 0.3]]) {
  test.serial(`fit learns through two normalisations: batches of ${batchSize}, rate ${learningRate}`, async t => {
    await tf.setBackend('wasm');
    const losses = await trained(t, batchSize, learningRate);
    t.true(losses.at(-1)! < 0.25 * losses[0], losses.join());
    t.true(losses.every((loss, i) => i === 0 || loss < 1.5 * losses[i - 1]), losses.join());
  });
}
