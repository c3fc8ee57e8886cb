/**
 * Monotone functions of sums of squares over the batch, as the root mean square error: the gradient is that of tfjs, the step that of least
 * squares with the weights f' w, and training ends where that of the mean square ends.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import type {ExecutionContext} from 'ava';
import {ggn} from '../../src/index';
import {denseJacobian, referenceStep} from '../reference/dense_jacobian';
import {glorotNormal} from '../support/models';
import {relativeError} from '../support/relative_error';
import {flat} from '../support/tensors';
import {twoLayers, type TwoLayers} from '../support/two_layers';

test.before(async () => {
  await tf.setBackend('cpu');
});

const B = 6;
const sampleWeights = [1, 0.5, 0, 3, 1, 2];

interface Case {
  readonly loss: (r: tf.Tensor, net: TwoLayers) => tf.Tensor;
  /** Weights f' w of the squares of residuals r [B, K], by hand. */
  readonly weights: (r: number[][]) => (b: number, k: number) => number;
  /** ρ of w, for 0.1 |w|² under the function. */
  readonly ridge?: (r: number[][], squares: number) => number;
}

const sumOf = (r: number[][], weight: (b: number, k: number) => number = () => 1): number =>
  r.reduce((sum, row, b) => sum + row.reduce((s, x, k) => s + weight(b, k) * x * x, 0), 0);
const meanOf = (r: number[][]): number => sumOf(r) / (B * r[0].length);
/** f'(s)/n of the mean square s. */
const ofMean = (slope: (s: number) => number) => (r: number[][]) => () => slope(meanOf(r)) / (B * r[0].length);
const rootSlope = (s: number): number => 1 / (2 * Math.sqrt(s));

const CASES: Record<string, Case> = {
  'root mean square': {loss: r => r.square().mean().sqrt(), weights: ofMean(rootSlope)},
  'a power of a half': {loss: r => r.mul(r).mean().pow(0.5), weights: ofMean(rootSlope)},
  'losses.meanSquaredError, root': {loss: (_, {y, predict}) => tf.losses.meanSquaredError(y, predict()).sqrt(), weights: ofMean(rootSlope)},
  'a root kept away from 0': {loss: r => r.square().mean().add(1e-2).sqrt(), weights: ofMean(s => rootSlope(s + 1e-2))},
  'a root with a floor': {loss: r => r.square().mean().maximum(1e-12).sqrt(), weights: ofMean(rootSlope)},
  'the norm of all residuals': {loss: r => tf.norm(r), weights: r => () => rootSlope(sumOf(r))},
  'a logarithm': {loss: r => r.square().mean().log(), weights: ofMean(s => 1 / s)},
  'decibels': {loss: r => r.square().mean().log().mul(10 / Math.LN10), weights: ofMean(s => 10 / Math.LN10 / s)},
  'a peak signal-to-noise ratio': {loss: r => tf.div(4, r.square().mean()).log().mul(-10 / Math.LN10), weights: ofMean(s => 10 / Math.LN10 / s)},
  'a quotient in decibels, of sums': {loss: (r, {y}) => y.square().sum().div(r.square().sum().add(1e-8)).log().neg(), weights: r => () => 1 / sumOf(r)},
  'an exponential': {loss: r => r.square().mean().exp(), weights: ofMean(Math.exp)},
  'a bounded function': {loss: r => r.square().mean().tanh(), weights: ofMean(s => 1 / Math.cosh(s) ** 2)},
  'relative to the range': {loss: (r, {y}) => r.square().mean().sqrt().div(y.max().sub(y.min())),
    weights: ofMean(s => rootSlope(s) / (Math.max(...targets()) - Math.min(...targets())))},
  'the root and the mean square': {loss: r => tf.tidy(() => {
    const s = r.square().mean();
    return s.sqrt().add(s.mul(0.3));
  }), weights: ofMean(s => rootSlope(s) + 0.3)},
  'a root for each output': {loss: r => r.square().mean(0).sqrt().sum(), weights: r => {
    const slopes = r[0].map((_, k) => rootSlope(sumOf(r, (_b, j) => j === k ? 1 : 0) / B) / B);
    return (_, k) => slopes[k];
  }},
  'a function of a function': {loss: r => r.square().mean().sqrt().add(1).log(), weights: ofMean(s => rootSlope(s) / (1 + Math.sqrt(s)))},
  'weights of the examples': {loss: r => r.square().mul(tf.tensor2d(sampleWeights, [B, 1])).mean().sqrt(), weights: r => {
    const n = B * r[0].length;
    const slope = rootSlope(sumOf(r, b => sampleWeights[b]) / n);
    return b => slope * sampleWeights[b] / n;
  }},
  'L2 under the root': {loss: (r, {w}) => r.square().mean().add(w.square().sum().mul(0.1)).sqrt(), weights: () => () => NaN, ridge: (r, squares) => rootSlope(meanOf(r) + 0.1 * squares) * 0.1},
  'L2 beside the root': {loss: (r, {w}) => r.square().mean().sqrt().add(w.square().sum().mul(0.1)), weights: ofMean(rootSlope), ridge: () => 0.1},
};
const targets = (): number[] => [...tf.tidy(() => tf.randomNormal([B, 1], 0, 1, 'float32', 4)).dataSync()];

function check(t: ExecutionContext, name: string, outputs: number, backend: string): void {
  const {loss, weights, ridge} = CASES[name];
  const net = twoLayers(B, outputs);
  const variables = [net.w, net.v];
  const residual = (): tf.Tensor => net.predict().sub(net.y);
  const f = (): tf.Scalar => tf.tidy(() => loss(residual(), net) as tf.Scalar);
  const {jacobian, rows, n, m} = denseJacobian(residual, variables);
  const r = Array.from({length: B}, (_, b) => [...rows.subarray(b * outputs, (b + 1) * outputs)]);
  const squares = [...net.w.dataSync()].reduce((sum, x) => sum + x * x, 0);
  const rho = ridge?.(r, squares) ?? 0;
  const weightOf = name === 'L2 under the root' ? () => rho / 0.1 / (B * outputs) : weights(r);
  const extraGradient = Float64Array.from({length: m}, (_, j) => j < net.w.size ? 2 * rho * net.w.dataSync()[j] : 0);
  const {step: expected} = referenceStep({jacobian, n, m, residual: rows, damping: 0.1, momentum: 0, previous: null, extraGradient,
    weights: rows.map((_, i) => weightOf(Math.floor(i / outputs), i % outputs)), ridge: extraGradient.map((_, j) => j < net.w.size ? rho : 0)});
  const norm = tf.tidy(() => Math.sqrt(Object.values(tf.variableGrads(f, variables).grads).reduce((sum, g) => sum + g.square().sum().dataSync()[0], 0)));
  const before = flat(variables);
  const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0, policy: 'fixed'});
  const {numTensors} = tf.memory();
  optimizer.minimize(f);
  const {status, curvature, gradientNorm, rows: count, jacobian: how} = optimizer.lastStep!;
  optimizer.dispose();
  const where = `${backend}, ${outputs}`;
  t.is(tf.memory().numTensors, numTensors, where);
  t.deepEqual([status, curvature, count, how], ['ok', 'majorized', n, 'batch'], where);
  t.true(Math.abs(gradientNorm / norm - 1) < 1e-4, `${where}: ${gradientNorm}, tfjs says ${norm}`);
  const error = relativeError(flat(variables).map((x, j) => x - before[j]), expected);
  t.true(error < 3e-4, `${where}: step off by ${error}`);
  net.free();
}

for (const name of Object.keys(CASES)) {
  test.serial(name, async t => {
    for (const backend of ['cpu', 'wasm']) {
      await tf.setBackend(backend);
      (name === 'relative to the range' ? [1] : [1, 2, 3]).forEach(outputs => check(t, name, outputs, backend));
    }
    await tf.setBackend('cpu');
  });
}

test.serial('fit ends at the minimum of the mean square, by whichever function', async t => {
  const x = tf.linspace(-1, 1, 60).reshape([60, 1]);
  const y = tf.concat([x.mul(3).sin(), x.mul(4).cos()], 1).add(tf.randomNormal([60, 2], 0, 0.1, 'float32', 7));
  const ends: number[] = [];
  const forms: Array<(r: tf.Tensor) => tf.Tensor> = [r => r.square().mean(), r => r.square().mean().sqrt(), r => r.square().mean().log(), r => tf.norm(r)];
  for (const form of forms) {
    const model = tf.sequential({layers: [tf.layers.dense({units: 3, activation: 'tanh', inputShape: [1], ...glorotNormal(1)}), tf.layers.dense({units: 2, ...glorotNormal(11)})]});
    const optimizer = ggn();
    model.compile({optimizer, loss: (target, p) => form(target.sub(p))});
    await model.fit(x, y, {epochs: 100, batchSize: 60, verbose: 0});
    ends.push(tf.tidy(() => (model.predict(x) as tf.Tensor).sub(y).square().mean().dataSync()[0]));
    optimizer.dispose();
    model.dispose();
  }
  t.true(ends.every(end => Math.abs(end / ends[0] - 1) < 1e-5), ends.join());
  tf.dispose([x, y]);
});

test.serial('fit: two heads, mini-batches and a short last one', async t => {
  const x = tf.input({shape: [3]});
  const model = tf.model({inputs: x, outputs: [2, 1].map((units, i) =>
    tf.layers.dense({units, kernelInitializer: tf.initializers.glorotNormal({seed: i + 1})}).apply(x) as tf.SymbolicTensor)});
  const optimizer = ggn();
  model.compile({optimizer, loss: (y: tf.Tensor, p: tf.Tensor) => y.sub(p).square().mean().sqrt() as tf.Tensor});
  const data = tf.randomNormal([33, 3], 0, 1, 'float32', 1);
  const {history} = await model.fit(data, [data.slice([0, 0], [33, 2]), data.slice([0, 2], [33, 1]).mul(3)], {epochs: 20, batchSize: 8, shuffle: false, verbose: 0});
  t.is(optimizer.lastStep!.rows, 3);
  t.true((history['loss'].at(-1) as number) < 0.1 * (history['loss'][0] as number), history['loss'].join());
  optimizer.dispose();
  model.dispose();
});

test.serial('gain ratios: the loss itself is judged, f(s) - f(s̃) over f\'(s) times what the sum of squares is to decrease by', t => {
  const mean = (net: TwoLayers): tf.Scalar => net.predict().sub(net.y).square().mean() as tf.Scalar;
  const first = (form: (s: tf.Tensor) => tf.Tensor) => {
    const net = twoLayers(20, 2);
    const value = (): number => tf.tidy(() => mean(net).dataSync()[0]);
    const before = value();
    const optimizer = ggn({policy: 'levenbergMarquardt'});
    optimizer.minimize(() => form(mean(net)) as tf.Scalar);
    const {attempts, predictedDecrease, actualDecrease, gainRatio} = optimizer.lastStep!;
    const after = value();
    optimizer.dispose();
    net.free();
    return {before, after, attempts, predicted: predictedDecrease!, actual: actualDecrease!, gainRatio: gainRatio!};
  };
  const squares = first(s => s);
  const root = first(s => s.sqrt());
  t.is(root.attempts, 1);
  t.true(Math.abs(root.after / squares.after - 1) < 1e-5, 'the same step');
  t.true(Math.abs(root.actual - (Math.sqrt(root.before) - Math.sqrt(root.after))) < 1e-6);
  t.true(Math.abs(root.predicted / (rootSlope(squares.before) * squares.predicted) - 1) < 1e-5);
  t.true(Math.abs(root.gainRatio - root.actual / root.predicted) < 1e-6);
});

test.serial('a perfect fit: no number that is not finite reaches a weight', t => {
  for (const form of [(s: tf.Tensor) => s.mean().sqrt(), (s: tf.Tensor) => s.mean(0).sqrt().sum(), (s: tf.Tensor) => s.mean().log1p().sqrt()]) {
    for (const isWhole of [true, false]) {
      const net = twoLayers(B, 2);
      const y = tf.tidy(() => isWhole ? net.predict() : net.predict().add(tf.tensor1d([0, 0.1])));
      const optimizer = ggn();
      for (let i = 0; i < 4; i++) {
        optimizer.minimize(() => form(net.predict().sub(y).square()) as tf.Scalar);
      }
      t.true(flat([net.w, net.v]).every(Number.isFinite));
      t.true(tf.tidy(() => form(net.predict().sub(y).square()).dataSync()[0]) < (isWhole ? 1e-6 : 0.1));
      optimizer.dispose();
      y.dispose();
      net.free();
    }
  }
});

test.serial('what falls where the squares grow, or couples examples in another way, is refused, and nothing is left behind', t => {
  const net = twoLayers(B, 2);
  const r = (): tf.Tensor => net.predict().sub(net.y);
  const {numTensors} = tf.memory();
  for (const loss of [() => r().square().mean().sqrt().neg(), () => r().square().mean().reciprocal(), () => r().square().mean().log().mul(-10)]) {
    t.throws(() => ggn().minimize(loss as () => tf.Scalar), {message: /it falls as that sum grows: f is not monotone/});
  }
  for (const loss of [() => r().square().mean().mul(r().exp().mean()), () => r().abs().mean().sqrt(), () => r().square().mean().add(r().mean()).sqrt(),
    () => r().square().mean().cos()]) {
    t.throws(() => ggn().minimize(loss as () => tf.Scalar), {message: /couples the examples of the batch/});
  }
  t.is(tf.memory().numTensors, numTensors);
  net.free();
});

test.serial('complex numbers: an error that says how to write two real terms, which train', t => {
  const w = tf.variable(tf.tensor1d([0.3, -0.2]));
  const v = tf.variable(tf.tensor1d([1]));
  const {numTensors} = tf.memory();
  const target = (x: tf.Tensor): tf.Tensor => x.sub(1).square().mean();
  const losses: Array<() => tf.Tensor> = [() => target(tf.abs(tf.complex(w, w.mul(2)))), () => target(tf.real(tf.complex(w, w))), () => target(tf.imag(tf.spectral.fft(tf.complex(w, w)))),
    () => target(tf.real(tf.spectral.rfft(w))), () => target(v).add(target(tf.real(tf.complex(w, w))))];
  for (const loss of losses) {
    t.throws(() => ggn().minimize(() => tf.tidy(() => loss() as tf.Scalar)), {message: /complex numbers.*TensorFlow\.js has no gradient.*two real terms/});
  }
  t.throws(() => ggn().minimize(() => w.greater(0).toFloat().mean() as tf.Scalar), {message: /only by steps/});
  t.is(tf.memory().numTensors, numTensors);
  const optimizer = ggn();
  for (let i = 0; i < 20; i++) {
    optimizer.minimize(() => tf.tidy(() => target(w.slice(0, 1)).add(w.slice(1, 1).add(2).square().mean()) as tf.Scalar));
  }
  t.true(Math.abs(w.dataSync()[0] - 1) < 1e-3 && Math.abs(w.dataSync()[1] + 2) < 1e-3);
  optimizer.dispose();
  tf.dispose([w, v]);
});
