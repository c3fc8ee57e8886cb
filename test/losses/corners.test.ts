/**
 * Losses without curvature along their residuals, in every way they are written: by roots of squares, whose second derivatives cancel but
 * for rounding, and by masks and choices that the outputs make. Each step is that of the dense reference with the majorizing curvature
 * |l'(r)| / max(|r|, δ).
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import test from 'ava';
import {ggn} from '../../src/index';
import {denseJacobian} from '../reference/dense_jacobian';
import {gaussNewtonStep, outputDerivatives} from '../reference/generalized_gauss_newton';
import {relativeError} from '../support/relative_error';
import {majorized, TOLERANCE} from './loss_steps';
import {flat} from '../support/tensors';
import {twoLayers} from '../support/two_layers';

test.before(async () => {
  await tf.setBackend('cpu');
});

interface Corner {
  /** Of targets and outputs [B, K]. */
  readonly loss: (y: tf.Tensor, p: tf.Tensor) => tf.Tensor;
  /** Of the residuals p - y of one example, before the mean over examples. */
  readonly value: (r: readonly number[]) => number;
  /** Whether it couples the outputs of an example. */
  readonly isBlock?: boolean;
  readonly curvature?: 'exact';
  /** Whether it is one of margins 1 - r. */
  readonly isMargin?: boolean;
  /** Whether its second derivative is large enough for steps that a trial judges, but not for others. */
  readonly isSmooth?: boolean;
  /** Factor of the residuals. */
  readonly scale?: number;
}

const mean = (f: (r: number) => number) => (r: readonly number[]): number => r.reduce((sum, x) => sum + f(x), 0) / r.length;
const pinball = mean(r => Math.max(-0.9 * r, 0.1 * r));
const huber = mean(r => Math.abs(r) < 0.3 ? r * r / 2 : 0.3 * (Math.abs(r) - 0.15));
const within = (f: () => tf.Tensor): tf.Tensor => tf.tidy(f);

const CORNERS: Record<string, Corner> = {
  'the root of the square': {loss: (y, p) => y.sub(p).square().sqrt().mean(), value: mean(Math.abs)},
  'its power of a half': {loss: (y, p) => p.sub(y).square().pow(0.5).mean(), value: mean(Math.abs)},
  'the root of a squared difference': {loss: (y, p) => tf.squaredDifference(y, p).sqrt().mean(), value: mean(Math.abs)},
  'the root of d times d, flattened': {loss: (y, p) => within(() => {
    const d = p.flatten().sub(y.flatten());
    return d.mul(d).sqrt().mean();
  }), value: mean(Math.abs)},
  'absolute values, flattened': {loss: (y, p) => p.flatten().sub(y.flatten()).abs().mean(), value: mean(Math.abs)},
  'r · sign(r)': {loss: (y, p) => within(() => {
    const r = p.sub(y);
    return r.mul(r.sign()).mean();
  }), value: mean(Math.abs)},
  'the root mean square of an example': {loss: (y, p) => y.sub(p).square().mean(-1).sqrt().mean(), value: r => Math.sqrt(mean(x => x * x)(r)), isBlock: true},
  'the norm of an example': {loss: (y, p) => tf.norm(y.sub(p), 'euclidean', -1).mean(), value: r => Math.hypot(...r), isBlock: true},
  'Charbonnier': {loss: (y, p) => y.sub(p).square().add(1e-6).sqrt().mean(), value: mean(r => Math.sqrt(r * r + 1e-6))},
  'pseudo-Huber of a small δ': {loss: (y, p) => y.sub(p).div(0.01).square().add(1).sqrt().sub(1).mul(1e-4).mean(), value: mean(r => 1e-4 * (Math.sqrt((r / 0.01) ** 2 + 1) - 1))},
  'Charbonnier in the middle': {loss: (y, p) => y.sub(p).square().add(1).sqrt().mean(), value: mean(r => Math.sqrt(r * r + 1)), isSmooth: true},
  'Barron, of residuals of ten': {loss: (y, p) => y.sub(p).square().add(1).pow(0.55).mean(), value: mean(r => (r * r + 1) ** 0.55), scale: 10},
  'Charbonnier of the norm of an example': {loss: (y, p) => y.sub(p).square().sum(-1).add(1).sqrt().mean(), value: r => Math.sqrt(1 + r.reduce((sum, x) => sum + x * x, 0)),
    isBlock: true, scale: 10},
  'log-cosh far out': {loss: (y, p) => within(() => {
    const r = p.sub(y);
    return r.add(r.mul(-2).softplus()).sub(Math.log(2)).mean();
  }), value: mean(r => Math.abs(r) + Math.log1p(Math.exp(-2 * Math.abs(r))) - Math.log(2)), scale: 30},
  '|r|^1.0001': {loss: (y, p) => p.sub(y).abs().pow(1.0001).mean(), value: mean(r => Math.abs(r) ** 1.0001)},
  'pinball by where': {loss: (y, p) => within(() => {
    const e = y.sub(p);
    return tf.where(e.greater(0), e.mul(0.9), e.mul(-0.1)).mean();
  }), value: pinball},
  'pinball by where, of y - p and p - y': {loss: (y, p) => tf.where(y.greater(p), y.sub(p).mul(0.9), p.sub(y).mul(0.1)).mean(), value: pinball},
  'pinball by maximum, of y - p and p - y': {loss: (y, p) => tf.maximum(y.sub(p).mul(0.9), p.sub(y).mul(0.1)).mean(), value: pinball},
  'pinball by a mask': {loss: (y, p) => within(() => {
    const e = y.sub(p);
    return e.mul(e.less(0).toFloat().neg().add(0.9)).mean();
  }), value: pinball},
  'Huber by where': {loss: (y, p) => within(() => {
    const r = p.sub(y);
    return tf.where(r.abs().less(0.3), r.square().mul(0.5), r.abs().sub(0.15).mul(0.3)).mean();
  }), value: huber},
  'Huber by where, of a squared difference': {loss: (y, p) => tf.where(p.sub(y).abs().less(0.3), tf.squaredDifference(p, y).mul(0.5), y.sub(p).abs().sub(0.15).mul(0.3)).mean(),
    value: huber},
  'squares of two weights by where': {loss: (y, p) => within(() => {
    const e = y.sub(p);
    return tf.where(e.greater(0), e.square().mul(0.9), e.square().mul(0.1)).mean();
  }), value: mean(r => r < 0 ? 0.9 * r * r : 0.1 * r * r), curvature: 'exact'},
  'squares of two weights by a mask': {loss: (y, p) => within(() => {
    const e = y.sub(p);
    return e.square().mul(e.greater(0).toFloat().mul(0.8).add(0.1)).mean();
  }), value: mean(r => r < 0 ? 0.9 * r * r : 0.1 * r * r), curvature: 'exact'},
  'squares cut off by where': {loss: (y, p) => within(() => {
    const r = p.sub(y);
    return tf.where(r.abs().less(0.5), r.square(), tf.scalar(0.25)).mean();
  }), value: mean(r => Math.min(r * r, 0.25)), curvature: 'exact'},
  'margins by where': {loss: (y, p) => within(() => {
    const u = tf.sub(1, p.sub(y));
    return tf.where(u.greater(0), u, tf.scalar(0)).mean();
  }), value: mean(r => Math.max(0, 1 - r)), isMargin: true},
};

/**
 * The same in blocks: along r, where r curves it by less than half of qᵀr, |qᵀr| / |r|² takes the place of rᵀHr / |r|²; all of it times
 * |r| / max(|r|, δ).
 */
function majorizedBlocks(q: Float64Array, h: Float64Array, r: Float64Array, k: number): {h: Float64Array; isMajorized: boolean} {
  const n = q.length;
  const sizes = Array.from({length: n / k}, (_, b) => Math.hypot(...r.subarray(b * k, (b + 1) * k)));
  const delta = 0.1 * sizes.reduce((a, b) => a + b, 0) / sizes.length;
  const sum = (f: (c: number) => number): number => Array.from({length: k}, (_, c) => f(c)).reduce((a, b) => a + b, 0);
  const slopes = sizes.map((_, b) => sum(c => q[b * k + c] * r[b * k + c]));
  const along = sizes.map((_, b) => sum(c => sum(d => r[b * k + c] * h[(b * k + c) * n + b * k + d] * r[b * k + d])));
  const isMajorized = sizes.map((_, b) => along[b] < slopes[b] / 2);
  return {isMajorized: isMajorized.includes(true), h: h.map((x, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    const b = Math.floor(i / k);
    return b !== Math.floor(j / k) ? 0 : !isMajorized[b] ? x :
      sizes[b] / Math.max(sizes[b], delta) * (x + (slopes[b] - along[b]) * r[i] * r[j] / sizes[b] ** 4);
  })};
}

function check(t: import('ava').ExecutionContext, {loss, value, isBlock, curvature, isMargin, isSmooth, scale}: Corner, examples: number, outputs: number, backend: string,
    policy: 'fixed' | 'levenbergMarquardt' = 'fixed'): void {
  const net = twoLayers(examples, outputs, scale ?? 1);
  const variables = [net.w, net.v];
  const {jacobian, rows: r, n, m} = denseJacobian(() => net.predict().sub(net.y), variables);
  const {q, h: second} = outputDerivatives((_, f) => value(f) / examples, r, outputs);
  const {h, isMajorized} = curvature === 'exact' ? {h: second.map((x, i) => i % (n + 1) === 0 ? Math.max(0, x) : x), isMajorized: false} :
    isBlock === true && outputs > 1 ? majorizedBlocks(q, second, r, outputs) :
      majorized(q, second, isMargin === true ? r.map(x => 1 - x) : r, policy === 'levenbergMarquardt');
  const weighted = [...q.keys()].filter(i => Math.abs(q[i]) > 1e-9 || h[i * (n + 1)] > 1e-9).length;
  const isFlat = weighted === 0;  // one example, beyond the corner
  const {step: expected, gradient} = isFlat ? {step: new Float64Array(m), gradient: new Float64Array(m)} :
    gaussNewtonStep({jacobian, n, m, q, h, weighted, damping: 0.1});
  const before = flat(variables);
  const optimizer = ggn({learningRate: 1, damping: 0.1, momentum: 0, policy, scaling: 'levenberg'});
  const {numTensors} = tf.memory();
  optimizer.minimize(() => loss(net.y, net.predict()) as tf.Scalar);
  const {lastStep} = optimizer;
  optimizer.dispose();
  const where = `${backend}, ${examples} x ${outputs}, ${policy}`;
  t.is(tf.memory().numTensors, numTensors, where);
  t.is(lastStep!.status, isFlat ? 'flat' : 'ok', where);
  t.is(lastStep!.rows, n, where);
  t.is(lastStep!.curvature, isFlat ? 'exact' : isSmooth === true ? isMajorized ? 'majorized' : 'exact' : curvature ?? 'majorized', where);
  t.true(Math.abs(lastStep!.gradientNorm - Math.hypot(...gradient)) <= 1e-4 * Math.hypot(...gradient), `${where}: gradient norm`);
  const step = flat(variables).map((x, j) => x - before[j]);
  const error = isFlat ? Math.hypot(...step) : relativeError(step, expected);
  t.true(error < TOLERANCE, `${where}: step off by ${error}`);
  net.free();
}

for (const [name, corner] of Object.entries(CORNERS)) {
  test.serial(name, async t => {
    for (const [backend, shapes] of [['cpu', [[7, 1], [6, 2], [5, 3], [1, 1], [1, 2], [2, 1]]], ['wasm', [[7, 1], [6, 2]]]] as const) {
      await tf.setBackend(backend);
      shapes.forEach(([examples, outputs]) => check(t, corner, examples, outputs, backend));
      if (corner.isSmooth === true) {
        check(t, {...corner, isSmooth: false, curvature: 'exact'}, 7, 1, backend, 'levenbergMarquardt');
      }
    }
    await tf.setBackend('cpu');
  });
}
