/**
 * The loss head: rows and weights of every way to write a mean or sum of squares. For each, Σ w r² plus what the regularizers add is the
 * loss that tfjs reports, and the full step is that of the reference, whose rows and weights are written down by hand.
 */
import * as tf from '@tensorflow/tfjs';
import test, {type ExecutionContext} from 'ava';
import {ggn} from '../../../src/index';
import {denseJacobian, referenceStep} from '../../reference/dense_jacobian';
import {normalWeights, variablesOf} from '../../support/models';
import {Probe} from '../../support/probe';
import {relativeError} from '../../support/relative_error';
import {flat, noise, within} from '../../support/tensors';
import {twoLayers, type TwoLayers} from '../../support/two_layers';

test.before(async () => {
  await tf.setBackend('cpu');
});

/** The parts of a loss, by hand. */
interface Truth {
  variables: tf.Variable[];
  /** Residuals in any order. */
  rows: () => tf.Tensor;
  /** Weight of each. */
  weights: number[];
  /** The number of distinct rows, if some are one output minus several targets. */
  distinct?: number;
  /** Σ ρ |v|² and everything else that is not a row. */
  rest?: () => tf.Scalar;
  /** ρ of each variable, if the penalty is an L2 regularizer. */
  ridge?: number[];
}

/** @param train takes one step with the optimizer and returns the loss. */
async function check(t: ExecutionContext, truth: Truth, train: (optimizer: tf.Optimizer) => number | Promise<number>): Promise<void> {
  const {variables, rows, weights, distinct, rest, ridge} = truth;
  let sum = NaN;
  let count = 0;
  const loss = await train(new Probe(({residual, weight}) => {
    sum = residual.reduce((total, r, i) => total + weight[i] * r * r, 0);
    count = residual.length;
  }));
  const extra = rest === undefined ? 0 : within(() => rest().dataSync()[0]);
  t.is(count, weights.length, 'number of rows');
  t.true(Math.abs(sum + extra - loss) <= 1e-6 * Math.max(1e-3, Math.abs(loss)), `Σ w r² + rest = ${sum + extra}, the loss is ${loss}`);

  const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0.9});
  let previous: Float64Array | null = null;
  for (let i = 0; i < 2; i++) {
    const {jacobian, rows: residual, n, m} = denseJacobian(rows, variables);
    t.is(n, weights.length);
    const extraGradient = rest === undefined ? null : within(() => {
      const {grads} = tf.variableGrads(rest, variables);
      return Float64Array.from(variables.flatMap(v => grads[v.name] == null ? new Array<number>(v.size).fill(0) : [...grads[v.name].dataSync()]));
    });
    const expected = referenceStep({jacobian, n, m, residual, weights: Float64Array.from(weights), distinct, damping: 0.1, momentum: 0.9, previous,
      ridge: ridge === undefined ? null : Float64Array.from(variables.flatMap((v, k) => new Array<number>(v.size).fill(ridge[k]))), extraGradient});
    const before = flat(variables);
    await train(optimizer);
    const step = flat(variables).map((w, j) => w - before[j]);
    t.is(optimizer.lastStep!.status, 'ok');
    t.true(Math.abs(optimizer.lastStep!.gradientNorm / expected.gradientNorm - 1) < 1e-4, 'gradient norm');
    t.true(relativeError(step, expected.step) < 2e-4, `step ${i}: ${relativeError(step, expected.step)}`);
    previous = expected.step;
  }
  optimizer.dispose();
}

// ------------------------------------------------------------------------------------------------------------------------ custom loops

const B = 5;

const all = (weight: number, rows = 2 * B): number[] => new Array<number>(rows).fill(weight);
const perRow = tf.tensor2d([[1, 2], [0.5, 0], [3, 1], [0, 0], [1, 0.25]]);
const perExample = tf.tensor2d([[1], [2], [0], [0.5], [3]]);
const flatWeights = (scale: number): number[] => [...perRow.dataSync()].map(weight => weight * scale);
const sumOf = (weights: tf.Tensor): number => [...weights.dataSync()].reduce((a, b) => a + b, 0);
const {Reduction} = tf as unknown as {Reduction: {NONE: 0; MEAN: 1; SUM: 2; SUM_BY_NONZERO_WEIGHTS: 3}};

/** Loss, then weights. Rows are pred - y unless said otherwise, and all of them differ unless a number says how many do. */
const losses: Record<string, [(net: TwoLayers) => tf.Tensor, number[], ((net: TwoLayers) => tf.Tensor)?, number?]> = {
  'pred.sub(y).square().mean()': [({predict, y}) => predict().sub(y).square().mean(), all(0.1)],
  'y.sub(pred).square().mean()': [({predict, y}) => y.sub(predict()).square().mean(), all(0.1)],
  '.sum()': [({residual}) => residual().square().sum(), all(1)],
  'mul(d, d)': [({residual}) => {
    const d = residual();
    return d.mul(d).mean();
  }, all(0.1)],
  'd times its clone': [({residual}) => {
    const d = residual();
    return d.mul(d.clone()).mean();
  }, all(0.1)],
  'pow(2)': [({residual}) => residual().pow(2).mean(), all(0.1)],
  'pow with a tensor': [({residual}) => residual().pow(tf.scalar(2)).mean(), all(0.1)],
  'squaredDifference': [({predict, y}) => tf.squaredDifference(predict(), y).mean(), all(0.1)],
  'squaredDifference, target first': [({predict, y}) => tf.squaredDifference(y, predict()).mean(), all(0.1)],
  'squaredDifference with a scalar': [({predict}) => tf.squaredDifference(predict(), 0.5).mean(), all(0.1), ({predict}) => predict().sub(0.5)],
  'squaredDifference of two predictions': [({predict, x, w}) => tf.squaredDifference(predict(), tf.matMul(x, w).slice([0, 0], [B, 2])).mean(), all(0.1),
    ({predict, x, w}) => tf.sub(predict(), tf.matMul(x, w).slice([0, 0], [B, 2]))],
  'squared differences that other rows are made of': [({predict, y}) => {
    const squares = tf.squaredDifference(predict(), y);
    return squares.mean().add(squares.sum(1).sub(1).square().mean());
  }, [...all(0.1), ...all(0.2, B)], ({predict, y}) => tf.concat([predict().sub(y).reshape([-1]), tf.sub(predict(), y).square().sum(1).sub(1)], 0)],
  'squares that other rows are made of': [({residual}) => {
    const squares = residual().square();
    return squares.mean().add(squares.sum(1).sub(1).square().mean());
  }, [...all(0.1), ...all(0.2, B)], ({residual}) => tf.concat([residual().reshape([-1]), residual().square().sum(1).sub(1)], 0)],
  'rows that other rows are made of': [({residual}) => {
    const r = residual();
    return r.square().mean().add(r.tanh().square().mean());
  }, [...all(0.1), ...all(0.1)], ({residual}) => tf.concat([residual(), residual().tanh()], 0)],
  'squares of the prediction': [({predict}) => predict().square().mean(), all(0.1), ({predict}) => predict()],
  'losses.meanSquaredError': [({predict, y}) => tf.losses.meanSquaredError(y, predict()), all(0.1)],
  'losses.meanSquaredError, MEAN': [({predict, y}) => tf.losses.meanSquaredError(y, predict(), undefined, Reduction.MEAN), all(0.1)],
  'losses.meanSquaredError, SUM': [({predict, y}) => tf.losses.meanSquaredError(y, predict(), undefined, Reduction.SUM), all(1)],
  'losses.meanSquaredError, NONE, then mean': [({predict, y}) => tf.losses.meanSquaredError(y, predict(), undefined, Reduction.NONE).mean(), all(0.1)],
  'losses.meanSquaredError with weights': [({predict, y}) => tf.losses.meanSquaredError(y, predict(), perRow), flatWeights(1 / 7)],
  'losses.meanSquaredError with weights, MEAN': [({predict, y}) => tf.losses.meanSquaredError(y, predict(), perRow, Reduction.MEAN), flatWeights(1 / 8.75)],
  'losses.meanSquaredError with weights, SUM': [({predict, y}) => tf.losses.meanSquaredError(y, predict(), perRow, Reduction.SUM), flatWeights(1)],
  'losses.meanSquaredError with weights, NONE, then sum': [({predict, y}) =>
    tf.losses.meanSquaredError(y, predict(), perRow, Reduction.NONE).sum(), flatWeights(1)],
  'losses.meanSquaredError with a weight per example, MEAN': [({predict, y}) =>
    tf.losses.meanSquaredError(y, predict(), perExample, Reduction.MEAN), [1, 1, 2, 2, 0, 0, 0.5, 0.5, 3, 3].map(weight => weight / 6.5 / 2)],
  'losses.meanSquaredError with a weight per example': [({predict, y}) =>
    tf.losses.meanSquaredError(y, predict(), perExample), [1, 1, 2, 2, 0, 0, 0.5, 0.5, 3, 3].map(weight => weight / 8)],
  'losses.meanSquaredError with a scalar weight': [({predict, y}) =>
    tf.losses.meanSquaredError(y, predict(), tf.scalar(3), Reduction.SUM_BY_NONZERO_WEIGHTS), all(0.3)],
  'metrics.meanSquaredError, then mean': [({predict, y}) => tf.metrics.meanSquaredError(y, predict()).mean(), all(0.1)],
  'a factor before and after': [({residual}) => residual().square().mul(0.5).mean().mul(tf.scalar(4)), all(0.2)],
  'a factor in front': [({residual}) => tf.mul(tf.tensor1d([3]), residual().square().sum()).asScalar(), all(3)],
  'a division': [({residual}) => residual().square().sum().div(B), all(0.2)],
  'a division by a tensor per output': [({residual}) => residual().square().div(tf.tensor1d([2, 5])).sum(), all(0).map((_, i) => i % 2 === 0 ? 1 / 2 : 1 / 5)],
  'the batch mean of sums per row': [({residual}) => residual().square().sum(1).mean(), all(0.2)],
  'the sum of means per output': [({residual}) => residual().square().mean(0).sum(), all(0.2)],
  'keepDims and reshape on the way': [({residual}) => residual().square().mean(1, true).reshape([-1]).sum(), all(0.5)],
  'weights of the user, normalised': [({residual}) => residual().square().mul(perRow).sum().div(perRow.sum()), flatWeights(1 / 8.75)],
  'a mask of truth values': [({residual}) => residual().square().mul(perRow.greater(0).toFloat()).sum(),
    [...perRow.dataSync()].map(weight => weight > 0 ? 1 : 0)],
  'twice neg': [({residual}) => residual().square().neg().mean().neg(), all(0.1)],
  'a constant minus': [({residual}) => tf.sub(7, tf.sub(7, residual().square().mean())), all(0.1)],
  'transposed': [({residual}) => residual().square().transpose().sum(1).mean(), all(0.5)],
  'concatenated with itself': [({residual}) => {
    const squares = residual().square();
    return tf.concat([squares, squares], 1).mean();
  }, all(0.1)],
  'the same squares in two terms': [({residual}) => {
    const squares = residual().square();
    return squares.mean().add(squares.slice([0, 1], [B, 1]).sum());
  }, all(0.1).map((weight, i) => weight + i % 2)],
  'stacked terms': [({residual}) => {
    const [a, b] = tf.split(residual(), 2, 1);
    return tf.stack([a.square().sum(), b.square().mean()]).sum();
  }, [...all(1, B), ...all(0.2, B)], ({residual}) => tf.concat(tf.split(residual(), 2, 1), 0)],
  'two terms, weighted': [({predict, y, residual}) => residual().square().mean().mul(0.5).add(predict().square().sum().mul(0.25)).add(y.sum().mul(0)),
    [...all(0.05), ...all(0.25)], ({predict, residual}) => tf.concat([residual(), predict()], 0), 2 * B],
  'addN of three terms, the network evaluated for each': [({predict, residual}) => tf.addN([residual().square().mean(), predict().square().mean(), residual().square().sum()]),
    [...all(1.1), ...all(0.1)], ({predict, residual}) => tf.concat([residual(), predict()], 0), 2 * B],
  'logarithms': [({predict, y}) => tf.squaredDifference(predict().square().add(1).log(), y.square().add(1).log()).mean(), all(0.1),
    ({predict, y}) => predict().square().add(1).log().sub(y.square().add(1).log())],
};

for (const [name, [loss, weights, rows, distinct]] of Object.entries(losses)) {
  test.serial(`loop: ${name}`, async t => {
    const net = twoLayers(B, 2);
    await check(t, {variables: [net.w, net.v], rows: () => rows === undefined ? net.residual() : rows(net), weights, distinct},
        optimizer => tf.tidy(() => optimizer.minimize(() => loss(net) as tf.Scalar, true)!.dataSync()[0]));
    tf.dispose([net.w, net.v, net.x, net.y]);
  });
}

test.serial('the weights of the table are what tfjs divides by', t => {
  t.is(sumOf(perRow), 8.75);
  t.is(sumOf(perExample), 6.5);
});

/** Loss beside the mean of squares, ρ of w and v. */
const penalties: Record<string, [(net: TwoLayers) => tf.Tensor, number[]]> = {
  '0.01 w.square().sum()': [({w}) => w.square().sum().mul(0.01), [0.01, 0]],
  'w.mul(w) and v squared, two strengths': [({w, v}) => w.mul(w).sum().mul(0.02).add(v.square().sum().mul(0.3)), [0.02, 0.3]],
  'a mean': [({w}) => w.square().mean(), [1 / 12, 0]],
  'given twice': [({w}) => w.square().sum().mul(0.01).add(w.square().sum().mul(0.02)), [0.03, 0]],
  'through a reshape': [({w}) => w.reshape([-1]).square().sum().mul(0.01), [0.01, 0]],
  'squaredDifference from zero': [({w}) => tf.squaredDifference(w, 0).sum().mul(0.01), [0.01, 0]],
  'tf.regularizers.l2': [({v}) => tf.regularizers.l2({l2: 0.05}).apply(v), [0, 0.05]],
  'absolute values: gradient only': [({w}) => w.abs().sum().mul(0.01), [0, 0]],
  'l1l2': [({w}) => tf.regularizers.l1l2({l1: 0.01, l2: 0.02}).apply(w), [0.02, 0]],
  'a prior (w - 3)²': [({w}) => w.sub(3).square().sum().mul(0.01), [0.01, 0]],
  'a norm: gradient only': [({w}) => w.square().sum().sqrt().mul(0.1), [0, 0]],
  'a linear term in the data: gradient only': [({v, y}) => v.slice([0, 0], [1, 2]).mul(y).mean(), [0, 0]],
};

for (const [name, [penalty, ridge]] of Object.entries(penalties)) {
  test.serial(`loop: regularizer, ${name}`, async t => {
    const net = twoLayers(B, 2);
    await check(t, {variables: [net.w, net.v], rows: net.residual, weights: all(0.1), rest: () => penalty(net) as tf.Scalar, ridge},
        optimizer => tf.tidy(() => optimizer.minimize(() => net.residual().square().mean().add(penalty(net)), true)!.dataSync()[0]));
    tf.dispose([net.w, net.v, net.x, net.y]);
  });
}

test.serial('loop: a prior that is a tensor as long as the data counts as rows', async t => {
  const w = tf.variable(tf.tensor1d([0.5, -1, 2]));
  const x = tf.tensor2d([[1, 2, 0], [0, 1, 1], [1, 1, 1]]);
  const mean = tf.tensor1d([3, 3, 3]);
  const y = tf.tensor1d([1, 2, 3]);
  const residual = (): tf.Tensor1D => tf.sub(tf.dot(x, w), y);
  await check(t, {variables: [w], rows: () => tf.concat([residual(), tf.sub(w, mean)], 0), weights: [1, 1, 1, 0.5, 0.5, 0.5]},
      optimizer => tf.tidy(() => optimizer.minimize(() => residual().square().sum().add(w.sub(mean).square().sum().mul(0.5)), true)!.dataSync()[0]));
  tf.dispose([w, x, y, mean]);
});

const REFUSED: Record<string, [(net: TwoLayers) => tf.Tensor, RegExp]> = {
  'a product of means': [({residual}) => residual().square().mean().mul(residual().exp().mean()), /couples the examples of the batch/],
  'losses.cosineDistance': [({predict, y}) => tf.losses.cosineDistance(y, predict(), 1), /has a term 'BatchMatMul' that is no square/],
  'a linear loss': [({predict}) => predict().mean(), /has a term 'BatchMatMul'.*linear in them/],
  'a variable behind the outputs': [({residual, v}) => residual().square().mean().mul(v.sum().exp()), /has a term 'Multiply'.*a trained variable enters behind the outputs/],
  'a trained weight of each row': [({residual, v}) => residual().square().mul(v.sum(0).exp()).mean(), /has a term 'Multiply'.*leastSquares\(\)/],
};

for (const [name, [loss, message]] of Object.entries(REFUSED)) {
  test.serial(`loop: refused, ${name}`, t => {
    const net = twoLayers(B, 2);
    const optimizer = ggn();
    const before = flat([net.w, net.v]);
    const {numTensors} = tf.memory();
    t.throws(() => optimizer.minimize(() => loss(net) as tf.Scalar), {message});
    t.deepEqual(flat([net.w, net.v]), before);
    t.is(tf.memory().numTensors, numTensors);
    t.is(optimizer.lastStep, null);
    tf.dispose([net.w, net.v, net.x, net.y]);
  });
}

test.serial('loop: refused, weights below zero', t => {
  const net = twoLayers(B, 2);
  const optimizer = ggn();
  const before = flat([net.w, net.v]);
  const ways: Array<() => tf.Tensor> = [
    () => net.residual().square().mean().neg(),
    () => net.residual().square().mul(tf.tensor1d([1, -1])).mean(),
    () => tf.sub(net.predict().square().mean(), net.residual().square().mean()),
  ];
  const {numTensors} = tf.memory();
  for (const loss of ways) {
    t.throws(() => optimizer.minimize(() => loss() as tf.Scalar), {message: /squares with a negative weight/});
  }
  t.is(tf.memory().numTensors - numTensors, 0);
  t.deepEqual(flat([net.w, net.v]), before);
  tf.dispose([net.w, net.v, net.x, net.y]);
});

// ------------------------------------------------------------------------------------------------------------------------ model.fit

const L = tf.layers;

/** Outputs minus targets, head after head. */
const residuals = (model: tf.LayersModel, x: tf.Tensor | tf.Tensor[], ys: tf.Tensor[]) => (): tf.Tensor => {
  const outputs = model.apply(x, {training: true}) as tf.Tensor | tf.Tensor[];
  return tf.concat((Array.isArray(outputs) ? outputs : [outputs]).map((output, h) => output.sub(ys[h]).reshape([-1])), 0);
};

async function trainOnBatch(model: tf.LayersModel, x: tf.Tensor | tf.Tensor[], y: tf.Tensor | tf.Tensor[], loss: unknown, optimizer: tf.Optimizer): Promise<number> {
  model.compile({optimizer, loss: loss as string});
  const result = await model.trainOnBatch(x, y);
  return Array.isArray(result) ? result[0] : result;
}

const oneHead = (): tf.LayersModel => tf.sequential({layers: [
  L.dense({units: 4, inputShape: [3], activation: 'tanh', ...normalWeights(1)}), L.dense({units: 2, ...normalWeights(2)})]});

const byFunction: Record<string, [unknown, number]> = {
  'meanSquaredError': ['meanSquaredError', 0.1],
  'tf.metrics.meanSquaredError': [tf.metrics.meanSquaredError, 0.1],
  'tf.metrics.MSE': [tf.metrics.MSE, 0.1],
  'tf.losses.meanSquaredError': [tf.losses.meanSquaredError, 0.1],
  'squares per example': [(y: tf.Tensor, p: tf.Tensor) => tf.sum(tf.squaredDifference(p, y), -1), 0.2],
  'all squares, a matrix': [(y: tf.Tensor, p: tf.Tensor) => tf.square(tf.sub(y, p)), 0.1],
  'halves of sums': [(y: tf.Tensor, p: tf.Tensor) => tf.mul(0.5, tf.sum(tf.square(tf.sub(p, y)))), 0.5],
};

for (const [name, [loss, weight]] of Object.entries(byFunction)) {
  test.serial(`fit: ${name}`, async t => {
    const model = oneHead();
    const [x, y] = [noise([B, 3], 5), noise([B, 2], 6)];
    await check(t, {variables: variablesOf(model), rows: residuals(model, x, [y]), weights: all(weight)},
        optimizer => trainOnBatch(model, x, y, loss, optimizer));
    model.dispose();
    tf.dispose([x, y]);
  });
}

test.serial('fit: meanSquaredLogarithmicError is a mean of squares, of other rows', async t => {
  const model = tf.sequential({layers: [L.dense({units: 4, inputShape: [3], activation: 'tanh', ...normalWeights(1)}), L.dense({units: 2, activation: 'softplus', ...normalWeights(2)})]});
  const [x, y] = [noise([B, 3], 5), noise([B, 2], 6).abs()];
  const rows = (): tf.Tensor => tf.sub(tf.log(tf.add(1, model.apply(x) as tf.Tensor)), tf.log(tf.add(1, y)));
  await check(t, {variables: variablesOf(model), rows, weights: all(0.1)},
      optimizer => trainOnBatch(model, x, y, 'meanSquaredLogarithmicError', optimizer));
});

for (const loss of ['cosineProximity', ['cosineProximity'], {dense: 'cosineProximity'}]) {
  test.serial(`fit: refused by its name, ${JSON.stringify(loss)}`, async t => {
    const model = tf.sequential({layers: [L.dense({units: 2, inputShape: [3], activation: 'sigmoid', name: 'dense', ...normalWeights(1)})]});
    const [x, y] = [noise([B, 3], 5), tf.oneHot([0, 1, 1, 0, 1], 2).toFloat()];
    const optimizer = ggn();
    model.compile({optimizer, loss});
    const {numTensors} = tf.memory();
    const before = flat(variablesOf(model));
    await t.throwsAsync(model.trainOnBatch(x, y), {message: /tfjs-ggn: the loss 'cosineProximity' is not supported.*'meanSquaredError'/});
    t.is(tf.memory().numTensors, numTensors);
    t.deepEqual(flat(variablesOf(model)), before);
  });
}

function twoHeads(): tf.LayersModel {
  const x = tf.input({shape: [3]});
  const hidden = L.dense({units: 4, activation: 'tanh', ...normalWeights(1)}).apply(x);
  return tf.model({inputs: x, outputs: [2, 1].map((units, i) => L.dense({units, ...normalWeights(2 + i)}).apply(hidden) as tf.SymbolicTensor)});
}

test.serial('fit: two heads, one loss for both, one each, and a function', async t => {
  for (const loss of ['meanSquaredError', ['meanSquaredError', tf.metrics.meanSquaredError]]) {
    const model = twoHeads();
    const [x, ...ys] = [noise([B, 3], 5), noise([B, 2], 6), noise([B, 1], 7)];
    await check(t, {variables: variablesOf(model), rows: residuals(model, x, ys), weights: [...all(1 / 10), ...all(1 / 5, B)]},
        optimizer => trainOnBatch(model, x, ys, loss, optimizer));
  }
});

test.serial('fit: class weights of one head and of two', async t => {
  {
    const model = oneHead();
    const [x, y] = [noise([B, 3], 5), tf.tensor2d([[1, 0], [0, 1], [0, 1], [1, 0], [0, 1]])];
    const weight = [2, 2, 0.5, 0.5, 0.5, 0.5, 2, 2, 0.5, 0.5].map(w => w / 10);
    await check(t, {variables: variablesOf(model), rows: residuals(model, x, [y]), weights: weight}, async optimizer => {
      model.compile({optimizer, loss: 'meanSquaredError'});
      const {history} = await model.fit(x, y, {epochs: 1, batchSize: B, shuffle: false, verbose: 0, classWeight: {0: 2, 1: 0.5}});
      return history['loss'][0] as number;
    });
  }
  const model = twoHeads();
  const [x, ...ys] = [noise([B, 3], 5), tf.tensor2d([[1, 0], [0, 1], [0, 1], [1, 0], [0, 1]]), tf.tensor2d([[0], [1], [2], [1], [0]])];
  const second = [1, 0, 3, 0, 1].map(w => w / 5);
  for (const first of [true, false]) {
    const weights = [...(first ? [2, 2, 0.5, 0.5, 0.5, 0.5, 2, 2, 0.5, 0.5] : all(1)).map(w => w / 10), ...second];
    await check(t, {variables: variablesOf(model), rows: residuals(model, x, ys), weights}, async optimizer => {
      model.compile({optimizer, loss: 'meanSquaredError'});
      const classWeight = [...(first ? [{0: 2, 1: 0.5}] : [null as unknown as tf.ClassWeight]), {0: 1, 1: 0, 2: 3}];
      const {history} = await model.fit(x, ys, {epochs: 1, batchSize: B, shuffle: false, verbose: 0, classWeight});
      return history['loss'][0] as number;
    });
  }
});

test.serial('fit: outputs with time and image axes', async t => {
  const sequence = tf.sequential({layers: [L.dense({units: 3, inputShape: [4, 2], activation: 'tanh', ...normalWeights(1)}), L.dense({units: 2, ...normalWeights(2)})]});
  const [x, y] = [noise([3, 4, 2], 5), noise([3, 4, 2], 6)];
  await check(t, {variables: variablesOf(sequence), rows: residuals(sequence, x, [y]), weights: all(1 / 24, 24)},
      optimizer => trainOnBatch(sequence, x, y, 'meanSquaredError', optimizer));

  const image = tf.sequential({layers: [L.conv2d({filters: 2, kernelSize: 2, inputShape: [3, 3, 1], ...normalWeights(1)})]});
  const [xi, yi] = [noise([3, 3, 3, 1], 5), noise([3, 2, 2, 2], 6)];
  await check(t, {variables: variablesOf(image), rows: residuals(image, xi, [yi]), weights: all(1 / 24, 24)},
      optimizer => trainOnBatch(image, xi, yi, 'meanSquaredError', optimizer));
});

function sequenceAndVector(): tf.LayersModel {
  const x = tf.input({shape: [3, 2]});
  const hidden = L.dense({units: 3, activation: 'tanh', ...normalWeights(1)}).apply(x) as tf.SymbolicTensor;
  const last = L.dense({units: 2, ...normalWeights(3)}).apply(L.flatten().apply(hidden)) as tf.SymbolicTensor;
  return tf.model({inputs: x, outputs: [L.dense({units: 2, ...normalWeights(2)}).apply(hidden) as tf.SymbolicTensor, last]});
}

test.serial('fit: heads [B, T] and [B], which tfjs adds by broadcasting where T = B', async t => {
  const model = sequenceAndVector();
  const [x, ...ys] = [noise([3, 3, 2], 5), noise([3, 3, 2], 6), noise([3, 2], 7)];
  await check(t, {variables: variablesOf(model), rows: residuals(model, x, ys), weights: [...all(1 / 18, 18), ...all(1 / 6, 6)]},
      optimizer => trainOnBatch(model, x, ys, 'meanSquaredError', optimizer));
});

test.serial('fit: heads [B, T] and [B] with T ≠ B are an error of tfjs, the same as under sgd', async t => {
  const messages: string[] = [];
  for (const optimizer of [tf.train.sgd(0.1), ggn()]) {
    const model = sequenceAndVector();
    model.compile({optimizer, loss: 'meanSquaredError'});
    const [x, ...ys] = [noise([4, 3, 2], 5), noise([4, 3, 2], 6), noise([4, 2], 7)];
    messages.push((await t.throwsAsync(model.trainOnBatch(x, ys))).message);
  }
  t.is(messages[1], messages[0]);
});

test.serial('fit: this tfjs has no lossWeights, under sgd as under ggn', async t => {
  const losses: number[] = [];
  for (const optimizer of [tf.train.sgd(0.1), ggn()]) {
    for (const more of [{}, {lossWeights: [1, 100]}]) {
      const model = twoHeads();
      model.compile({optimizer, loss: 'meanSquaredError', ...more});
      losses.push((await model.trainOnBatch(noise([B, 3], 5), [noise([B, 2], 6), noise([B, 1], 7)]) as number[])[0]);
    }
  }
  t.deepEqual(losses, losses.map(() => losses[0]));
});

test.serial('fit: regularizers of layers, a shared one twice', async t => {
  const x = [tf.input({shape: [2]}), tf.input({shape: [2]})];
  const shared = L.dense({units: 3, activation: 'tanh', ...normalWeights(1), kernelRegularizer: tf.regularizers.l2({l2: 0.05}), biasRegularizer: tf.regularizers.l1({l1: 0.02})});
  const out = L.dense({units: 1, ...normalWeights(2), kernelRegularizer: tf.regularizers.l1l2({l1: 0.01, l2: 0.03})});
  const model = tf.model({inputs: x, outputs: out.apply(L.add().apply(x.map(one => shared.apply(one) as tf.SymbolicTensor))) as tf.SymbolicTensor});
  const data = [noise([B, 2], 5), noise([B, 2], 6)];
  const y = noise([B, 1], 7);
  await check(t, {variables: variablesOf(model), rows: residuals(model, data, [y]), weights: all(1 / B, B),
    rest: () => model.calculateLosses().reduce((a, b) => tf.add(a, b)), ridge: [0.1, 0, 0.03, 0]},
  optimizer => trainOnBatch(model, data, y, 'meanSquaredError', optimizer));
});
