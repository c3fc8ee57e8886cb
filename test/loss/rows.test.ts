/** The rows of a step: their number and order, and the terms that cannot be rows. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {capture} from '../../src/trace/capture';
import type {Trace} from '../../src/trace/trace';
import {ggn} from '../../src/index';
import {findRows, readResiduals} from '../../src/loss/rows';
import type {Rows} from '../../src/loss/rows';
import {readingsOf} from '../../src/jacobian/plan/readings';
import type {FitBatch} from '../../src/tfjs/fit_batch_hook';
import {Probe} from '../support/probe';

test.before(async () => {
  await tf.setBackend('cpu');
});

/** Looks at the rows of a custom loop. */
function look<T>(f: () => tf.Tensor, see: (rows: Rows, trace: Trace) => T, isTrained: (v: tf.Variable) => boolean = v => v.trainable): T {
  return tf.tidy(() => {
    const {trace} = capture(f as () => tf.Scalar);
    try {
      return see(findRows(trace, isTrained, null), trace) as never;
    } finally {
      trace.dispose();
    }
  });
}

/** The examples that the readings of a step count; not of those with frozen statistics. */
const batchesOf = (trace: Trace, rows: Rows, fitBatch: FitBatch | null): number[] =>
  rows.groups.flatMap(group => readingsOf(trace, rows, group, fitBatch, 'gram').readings).filter(({after}) => after !== 'reduces').map(({examples}) => examples);

const variable = (shape: number[], seed: number): tf.Variable => tf.variable(tf.randomNormal(shape, 0, 1, 'float32', seed));

test.serial('rows are ordered (example, component), head after head within an example', async t => {
  const x = tf.input({shape: [2]});
  const model = tf.model({inputs: x, outputs: [2, 3].map(units => tf.layers.dense({units}).apply(x) as tf.SymbolicTensor)});
  // Zero weights: the residuals are the targets, but for the sign that tfjs gives them.
  model.setWeights(model.getWeights().map(w => tf.zerosLike(w)));
  let seen: number[] = [];
  let weights: number[] = [];
  model.compile({loss: 'meanSquaredError', optimizer: new Probe(({residual, weight}) => {
    seen = [...residual].map(Math.abs);
    weights = [...weight];
  })});
  await model.trainOnBatch(tf.tensor2d([[1, 2], [3, 4]]), [tf.tensor2d([[1, 2], [3, 4]]), tf.tensor2d([[5, 6, 7], [8, 9, 10]])]);
  t.deepEqual(seen, [1, 2, 5, 6, 7, 3, 4, 8, 9, 10]);
  const close = [1 / 4, 1 / 4, 1 / 6, 1 / 6, 1 / 6];
  t.true([...close, ...close].every((w, i) => Math.abs(w - weights[i]) < 1e-7), weights.join());
});

test.serial('readResiduals: squares of values and of differences, weights by number and by tensor', t => {
  const w = variable([2], 1);
  const x = tf.tensor2d([[1, 2], [3, 4], [5, 6]]);
  const y = tf.tensor2d([[1, 0], [0, 1], [2, 2]]);
  const importance = tf.tensor2d([[1, 2], [3, 4], [5, 6]]);
  const [w0, w1] = w.dataSync();
  look(() => tf.squaredDifference(x.mul(w), y).mul(importance).sum().add(x.mul(w).sum(1).square().mean().mul(6)), (rows, trace) => {
    t.is(rows.count, 9);
    const {residual, weight} = readResiduals(trace, rows, [3]);
    const expected = [[1, 2], [3, 4], [5, 6]].flatMap(([a, b], i) => [a * w0 - [1, 0, 2][i], b * w1 - [0, 1, 2][i], a * w0 + b * w1]);
    t.true(expected.every((r, i) => Math.abs(Math.abs(r) - Math.abs(residual[i])) < 1e-5), [...residual].join());
    t.deepEqual([...weight].map(value => Math.round(value * 1e5) / 1e5), [1, 2, 2, 3, 4, 2, 5, 6, 2]);
  });
  tf.dispose([w, x, y, importance]);
});

test.serial('terms of different sizes: rows are ordered (group, example, component), a group for each size', t => {
  const w = tf.variable(tf.tensor1d([1, 1]));
  const [x, z] = [tf.tensor2d([[1, 2], [3, 4], [5, 6]]), tf.tensor2d([[7, 8]])];
  look(() => x.mul(w).square().sum().add(z.mul(w).square().sum().mul(2)).add(x.mul(w).sum(1).square().sum().mul(3)).add(w.slice(0, 1).asScalar().sub(0.5).square()), (rows, trace) => {
    t.deepEqual(rows.groups.map(({examples, count}) => [examples, count]), [[3, 9], [1, 3]]);
    t.is(rows.count, 12);
    const {residual, weight} = readResiduals(trace, rows, [3, 1]);
    t.deepEqual([...residual], [1, 2, 3, 3, 4, 7, 5, 6, 11, 7, 8, 0.5]);
    t.deepEqual([...weight], [1, 1, 3, 1, 1, 3, 1, 1, 3, 2, 2, 1]);
  });
  // Empty terms are no rows.
  look(() => x.mul(w).square().sum().add(tf.zeros([0, 2]).mul(w).square().sum()), rows => t.deepEqual(rows.groups.map(group => group.examples), [3]));
  tf.dispose([w, x, z]);
});

test.serial('ways to linearize: the batch first, row by row where the sizes agree on none', t => {
  const w = variable([2, 1], 1) as tf.Variable<tf.Rank.R2>;
  const s = variable([], 2);
  const batches = (f: () => tf.Tensor): number[] => look(f, (rows, trace) => batchesOf(trace, rows, null));
  const x = tf.ones([5, 2]) as tf.Tensor2D;
  t.deepEqual(batches(() => tf.matMul(x, w).sub(1).square().mean()), [5, 5, 1, 1], 'the data read, or made in f(); then by forward sweeps, since there are fewer parameters than rows, then row by row');
  t.deepEqual(batches(() => tf.matMul(x.slice(0, 1), w).sub(1).square().mean()), [1], 'one example');
  t.deepEqual(batches(() => s.sub(1).square()), [1], 'one scalar');
  t.deepEqual(batches(() => tf.matMul(x, w).square().mean().add(tf.matMul(x.slice(0, 3), w).square().mean())), [5, 5, 1, 1, 3, 3, 1, 1], 'two sizes, each by itself');
  t.deepEqual(batches(() => tf.matMul(tf.ones([1025, 2]), w).square().mean()), [1025, 1025, 1], 'too many to go row by row');
  t.deepEqual(batches(() => tf.matMul(tf.ones([1024, 2]), w).square().mean()), [1024, 1024, 1, 1]);
  tf.dispose([w, s, x]);
});

test.serial('in fit the batch comes from the model', async t => {
  const model = tf.sequential({layers: [tf.layers.dense({units: 2, inputShape: [3]})]});
  let batches: number[] = [];
  model.compile({loss: 'meanSquaredError', optimizer: new Probe(({rows, trace, fitBatch}) => {
    batches = batchesOf(trace, rows, fitBatch);
  })});
  for (const size of [4, 1]) {
    await model.trainOnBatch(tf.ones([size, 3]), tf.zeros([size, 2]));
    t.deepEqual(batches, size === 4 ? [4, 4, 1, 1] : [1, 1, 1], 'the last only where the examples are lost');
  }
});

test.serial('what depends on the trained variables: by varList, by trainable, not through integers', t => {
  const [a, b] = [variable([3], 1), variable([3], 2)];
  const frozen = tf.variable(tf.tensor1d([1, 2, 3]), false);
  const loss = (): tf.Tensor => a.mul(b).add(frozen).add(a.toInt().toFloat()).square().mean();
  t.deepEqual(look(loss, rows => rows.dependence.variables), [a, b]);
  t.deepEqual(look(loss, rows => rows.dependence.variables, v => v === b), [b]);
  const message = /the loss does not depend on any variable that is being trained/;
  t.throws(() => look(loss, () => null, () => false), {message});
  t.throws(() => look(() => frozen.square().mean(), () => null), {message});
  t.throws(() => look(() => a.toInt().toFloat().square().mean(), () => null), {message: /only by steps .comparisons, rounding, integers./});
  t.throws(() => look(() => tf.scalar(1).square(), () => null), {message});
  tf.dispose([a, b, frozen]);
});

test.serial('too many rows: refused before anything large is made', t => {
  const w = variable([1], 1);
  const optimizer = ggn({solver: 'gram'});
  const before = w.dataSync()[0];
  const {numTensors} = tf.memory();
  t.throws(() => optimizer.minimize(() => tf.ones([8193, 1]).mul(w).sub(1).square().mean()),
      {message: /this step has 8193 rows .examples times outputs., .* at most 8192.*smaller batchSize/});
  t.is(w.dataSync()[0], before);
  t.is(tf.memory().numTensors, numTensors);
  w.dispose();
});

test.serial('examples that cannot be told apart, and too many to go row by row', t => {
  const w = variable([1100], 1);
  const x = tf.linspace(0, 1, 1100);
  t.throws(() => ggn({solver: 'gram'}).minimize(() => x.mul(w).reverse(0).sub(1).square().mean()),
      {message: /the examples of the batch cannot be told apart behind the kernel 'Reverse', and a step of 1100 rows is too large to go row by row \(at most 1024\)/});
  tf.dispose([w, x]);
});

test.serial('rows are all squares but those of variables; without others, these', t => {
  const w = variable([3], 1);
  const x = tf.tensor2d([[1, 2, 3], [4, 5, 6]]);
  const shapes = (f: () => tf.Tensor): number[][] => look(f, (rows, trace) => rows.head.squares.map(({block}) => trace.values[block.value].shape));
  t.deepEqual(shapes(() => x.mul(w).square().mean().add(w.square().sum())), [[2, 3]]);
  t.deepEqual(shapes(() => w.square().sum().add(w.slice(0, 1).sub(1).square().sum().mul(100))), [[1]]);
  t.deepEqual(shapes(() => w.square().sum().add(w.sub(1).square().sum())), [[3]], 'a target and a regularizer');
  t.deepEqual(shapes(() => x.mul(w).square().mean().add(w.square().mul(tf.tensor1d([0.1, 0.2, 0.3])).sum())), [[2, 3], [3]], 'no uniform weight');
  look(() => x.mul(w).square().mean().add(w.square().sum().mul(0.5)), rows => t.deepEqual([...rows.head.ridge], [[0, 0.5]]));
  look(() => w.square().sum(), rows => t.is(rows.head.ridge.size + rows.head.extra.size, 0));
  tf.dispose([w, x]);
});
