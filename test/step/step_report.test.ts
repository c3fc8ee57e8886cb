/** optimizer.lastStep against the step itself. */
import * as tf from '@tensorflow/tfjs';
import test, {type ExecutionContext} from 'ava';
import {ggn, type GgnOptions, type GramGaussNewton, type StepReport} from '../../src/index';
import {isClose} from '../support/numbers';
import {numbersOf} from '../support/tensors';

await tf.setBackend('cpu');

const x = tf.tensor2d(Array.from({length: 18}, (_, i) => Math.sin(1 + i)), [6, 3]);
const y = tf.tensor2d(Array.from({length: 12}, (_, i) => Math.cos(2 * i)), [6, 2]);

function net(l2 = 0): tf.Sequential {
  const dense = (units: number, seed: number, more: object): tf.layers.Layer =>
    tf.layers.dense({units, kernelInitializer: tf.initializers.glorotUniform({seed}), biasInitializer: 'ones',
      ...(l2 > 0 ? {kernelRegularizer: tf.regularizers.l2({l2})} : {}), ...more});
  return tf.sequential({layers: [dense(4, 1, {inputShape: [3], activation: 'tanh'}), dense(2, 2, {})]});
}

const norm = (v: readonly number[]): number => Math.sqrt(v.reduce((sum, a) => sum + a * a, 0));

/** Relative difference that is rounding in float32 of a norm over a few dozen numbers, weights near 1 that move by 0.1. */
test.serial('fields, counts and types', async t => {
  const model = net();
  const optimizer = ggn({damping: 0.3});
  model.compile({optimizer, loss: 'meanSquaredError'});
  t.is(optimizer.lastStep, null);
  await model.trainOnBatch(x, y);
  const report: StepReport = optimizer.lastStep!;
  t.deepEqual(Object.keys(report).sort(), ['actualDecrease', 'agreement', 'attempts', 'curvature', 'damping', 'evidence', 'gainRatio', 'gradientNorm', 'iteration', 'jacobian', 'lambda',
    'learningRate', 'loss', 'milliseconds', 'momentum', 'parameters', 'policy', 'predictedDecrease', 'rows', 'scaling', 'solver', 'status', 'stepNorm']);
  t.is(report.rows, 12);
  t.is(report.parameters, 3 * 4 + 4 + 4 * 2 + 2);
  t.is(report.damping, 0.3);
  t.is(report.status, 'ok');
  t.is(report.jacobian, 'batch');
  t.deepEqual(Object.keys(report.milliseconds), ['capture', 'linearize', 'gram', 'solve', 'trial', 'update']);
  t.true(Object.values(report.milliseconds).every(ms => ms >= 0 && ms < 60_000));
  t.true(Object.values(report.milliseconds).some(ms => ms > 0));
});

test.serial('frozen, and a new object for every step', async t => {
  const model = net();
  const optimizer = ggn();
  model.compile({optimizer, loss: 'meanSquaredError'});
  await model.trainOnBatch(x, y);
  const first = optimizer.lastStep!;
  const {loss} = first;
  t.true(Object.isFrozen(first));
  t.throws(() => {
    (first as {loss: number}).loss = 0;
  }, {instanceOf: TypeError});
  await model.trainOnBatch(x, y);
  t.not(optimizer.lastStep, first);
  t.is(first.loss, loss);
  t.is(first.iteration, 1);
  t.is(optimizer.lastStep!.iteration, 2);
  t.true(optimizer.lastStep!.loss < loss);
});

test.serial('the iteration counts every step, over fits', async t => {
  const model = net();
  const optimizer = ggn();
  model.compile({optimizer, loss: 'meanSquaredError'});
  const seen: number[] = [];
  const callbacks = {onBatchEnd: async () => void seen.push(optimizer.lastStep!.iteration)};
  await model.fit(x, y, {epochs: 2, batchSize: 4, verbose: 0, callbacks});
  await model.fit(x, y, {epochs: 1, batchSize: 6, verbose: 0, callbacks});
  t.deepEqual(seen, [1, 2, 3, 4, 5]);
  t.is(optimizer.iterations, 5);
});

test.serial('the loss is what fit, trainOnBatch and minimize report', async t => {
  const model = net(0.01);
  const optimizer = ggn();
  model.compile({optimizer, loss: 'meanSquaredError'});
  t.is(await model.trainOnBatch(x, y), optimizer.lastStep!.loss);
  const losses: number[] = [];
  const {history} = await model.fit(x, y, {epochs: 3, batchSize: 6, shuffle: false, verbose: 0,
    callbacks: {onBatchEnd: async () => void losses.push(optimizer.lastStep!.loss)}});
  // fit multiplies the loss by the batch size and divides it again, in float32
  history.loss.forEach((loss, i) => t.true(Math.abs(loss as number / losses[i] - 1) < 1e-6));
  t.is(losses.length, 3);
  const cost = optimizer.minimize(() => tf.losses.meanSquaredError(y, model.predict(x) as tf.Tensor), true)!;
  t.is(cost.dataSync()[0], optimizer.lastStep!.loss);
});

/** The squared error of the model and its regularizers. */
function lossOf(model: tf.LayersModel): tf.Scalar {
  const data = tf.losses.meanSquaredError(y, model.apply(x, {training: true}) as tf.Tensor);
  return tf.addN([data, ...model.calculateLosses()]).asScalar();
}

for (const [title, l2] of [['without', 0], ['with', 0.03]] as const) {
  test.serial(`${title} regularizers, gradientNorm is the norm of tf.variableGrads and stepNorm that of the change`, async t => {
    const model = net(l2);
    const optimizer = ggn({learningRate: 0.4, damping: 0.2, momentum: 0.8});
    model.compile({optimizer, loss: 'meanSquaredError'});
    for (let step = 0; step < 3; step++) {
      const {value, grads} = tf.variableGrads(() => lossOf(model));
      const before = numbersOf(model.getWeights());
      await model.trainOnBatch(x, y);
      const {loss, gradientNorm, stepNorm} = optimizer.lastStep!;
      t.true(isClose(loss, value.dataSync()[0]));
      t.true(isClose(gradientNorm, norm(numbersOf(model.trainableWeights.map(w => grads[(w.read() as tf.Variable).name])))), `${gradientNorm}`);
      t.true(isClose(stepNorm, norm(numbersOf(model.getWeights()).map((w, i) => w - before[i]))), `${stepNorm}`);
    }
    // Those of other tests' models count too in tf.variableGrads: dispose of this one.
    model.dispose();
    optimizer.dispose();
  });
}

test.serial('one row: n = 1', async t => {
  const model = tf.sequential({layers: [tf.layers.dense({units: 1, inputShape: [2], kernelInitializer: 'zeros'})]});
  const optimizer = ggn({learningRate: 1, damping: 1, momentum: 0, scaling: 'levenberg'});
  model.compile({optimizer, loss: 'meanSquaredError'});
  // J = (1 2 | 1), r = -6, w = 1: SᵀGS = 2 · 6 = 12 = trace, λ = 12. d = -Jᵀ (sqrt(2)² r) / (12 + 12) = (1 2 | 1) / 2.
  // |g| = |2 r J| = 12 sqrt(6), |d| = sqrt(6)/2.
  await model.trainOnBatch(tf.tensor2d([[1, 2]]), tf.tensor2d([[6]]));
  const report = optimizer.lastStep!;
  t.deepEqual(numbersOf(model.getWeights()), [0.5, 1, 0.5]);
  t.deepEqual([report.rows, report.parameters, report.loss, report.status], [1, 3, 36, 'ok']);
  t.true(isClose(report.lambda, 12));
  t.true(isClose(report.gradientNorm, 12 * Math.sqrt(6)));
  t.true(isClose(report.stepNorm, Math.sqrt(6) / 2));
});

/** Trains once and checks that the step was not taken, with one warning on the console for all of them. */
async function notTaken(t: ExecutionContext, model: tf.LayersModel, optimizer: GramGaussNewton, train: () => Promise<unknown>,
    status: StepReport['status']): Promise<void> {
  const before = numbersOf(model.getWeights());
  const {iterations} = optimizer;
  const state = (await optimizer.getWeights()).slice(1).map(({tensor}) => [...tensor.dataSync()]);
  const warnings: string[] = [];
  const {warn} = console;
  console.warn = (message: string) => void warnings.push(message);
  try {
    await train();
    await train();
  } finally {
    console.warn = warn;
  }
  t.is(optimizer.lastStep!.status, status);
  t.is(optimizer.lastStep!.stepNorm, 0);
  t.is(optimizer.lastStep!.iteration, iterations + 2);
  t.deepEqual(numbersOf(model.getWeights()), before);
  t.deepEqual((await optimizer.getWeights()).slice(1).map(({tensor}) => [...tensor.dataSync()]), state);
  t.is(warnings.length, 1);
  t.regex(warnings[0], new RegExp(`^tfjs-ggn: a step was not taken \\(status '${status}'`));
}

test.serial("status 'flat': dead units", async t => {
  const model = tf.sequential({layers: [
    tf.layers.dense({units: 3, inputShape: [3], activation: 'relu', kernelInitializer: 'zeros', biasInitializer: tf.initializers.constant({value: -1})}),
    tf.layers.dense({units: 2, useBias: false})]});
  const optimizer = ggn();
  model.compile({optimizer, loss: 'meanSquaredError'});
  await notTaken(t, model, optimizer, () => model.trainOnBatch(x, y), 'flat');
  t.is(optimizer.lastStep!.lambda, 0);
  t.is(optimizer.lastStep!.gradientNorm, 0);
  t.is(optimizer.lastStep!.rows, 12);
});

test.serial("status 'flat': every row has weight 0; the momentum of before stays", async t => {
  const model = net();
  const optimizer = ggn();
  model.compile({optimizer, loss: 'meanSquaredError'});
  await model.trainOnBatch(x, y);
  await notTaken(t, model, optimizer, () => model.fit(x, y, {epochs: 1, verbose: 0, classWeight: {0: 0, 1: 0}}), 'flat');
  await model.trainOnBatch(x, y);
  t.is(optimizer.lastStep!.status, 'ok');
});

test.serial("weight 0 in every row, and an L2 regularizer: it gets its step, the weights shrink", async t => {
  const model = net(0.1);
  const optimizer = ggn({momentum: 0, policy: 'fixed'});
  model.compile({optimizer, loss: 'meanSquaredError'});
  const before = numbersOf(model.trainableWeights.filter(w => w.shape.length === 2).map(w => w.read()));
  await model.fit(x, y, {epochs: 1, verbose: 0, classWeight: {0: 0, 1: 0}});
  t.is(optimizer.lastStep!.status, 'ok');
  // λ = τ 2ρ, and -2ρ w / (2ρ + λ) = -w / 1.1 times the learning rate 0.1
  const after = numbersOf(model.trainableWeights.filter(w => w.shape.length === 2).map(w => w.read()));
  after.forEach((w, i) => t.true(Math.abs(w / before[i] - (1 - 0.1 / 1.1)) < 1e-5));
});

test.serial("status 'raised': no damping, and every row twice", async t => {
  const twice = tf.concat([x, x]);
  const targets = tf.concat([y, tf.neg(y)]);  // they contradict each other: z is not in the range of J
  const model = net();
  const optimizer = ggn({learningRate: 1, damping: 0, momentum: 0});
  model.compile({optimizer, loss: 'meanSquaredError'});
  await model.trainOnBatch(twice, targets);
  const {status, damping, lambda, stepNorm} = optimizer.lastStep!;
  t.is(status, 'raised');
  t.true(damping > 0 && lambda > 0);
  t.true(stepNorm > 0 && stepNorm < 1e3, `${stepNorm}`);
  t.true(numbersOf(model.getWeights()).every(Number.isFinite));
  t.is(optimizer.damping, 0, 'the option stays');
});

test.serial('a Gram matrix that overflows float32 although the loss does not is an error', async t => {
  const model = tf.sequential({layers: [tf.layers.dense({units: 1, inputShape: [2], useBias: false, kernelInitializer: 'zeros'})]});
  const optimizer = ggn();
  model.compile({optimizer, loss: 'meanSquaredError'});
  await model.trainOnBatch(tf.tensor2d([[1, 2], [2, 1]]), tf.tensor2d([[1], [2]]));
  model.setWeights([tf.tensor2d([[1], [-1]])]);
  const before = optimizer.lastStep;
  const [inputs, targets] = [tf.tensor2d([[1e20, 1e20], [2e20, 2e20]]), tf.tensor2d([[1], [2]])];  // x w = 0
  await t.throwsAsync(model.trainOnBatch(inputs, targets), {message: /the Jacobian of the batch is not finite .* float32 overflows/});
  t.is(optimizer.lastStep, before);
  t.deepEqual([...model.getWeights()[0].dataSync()], [1, -1]);
});

test.serial('rowByRow is reported where a custom loop has no batch axis and fewer rows than parameters, forward elsewhere', t => {
  const options: GgnOptions = {learningRate: 1, damping: 0.1, momentum: 0};
  const w = tf.variable(tf.tensor1d([1, 2, 3]));
  const optimizer = ggn(options);
  optimizer.minimize(() => tf.mean(tf.square(tf.slice(tf.cumsum(tf.mul(w, w)), 0, 2))), false, [w]);
  t.is(optimizer.lastStep!.jacobian, 'rowByRow');
  t.is(optimizer.lastStep!.rows, 2);
  t.is(optimizer.lastStep!.parameters, 3);
  // As many rows as parameters.
  optimizer.minimize(() => tf.mean(tf.square(tf.cumsum(tf.mul(w, w)))), false, [w]);
  t.is(optimizer.lastStep!.jacobian, 'forward');
  t.is(optimizer.lastStep!.rows, 3);
  t.is(optimizer.lastStep!.parameters, 3);
  w.dispose();
});
