/** The rounding of a loss by the formula against its noise. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn, leastSquares} from '../../../src/index';
import {capture} from '../../../src/trace/capture';
import {findRows} from '../../../src/loss/rows';
import {resolution} from '../../../src/step/judge/resolution';
import type {Resolution} from '../../../src/step/judge/resolution';
import {isClose} from '../../support/numbers';

await tf.setBackend('cpu');

const x = tf.linspace(0.5, 2, 40);
const noise = tf.randomNormal([40], 0, 0.01, 'float32', 7);
const y = tf.tidy(() => x.mul(3).add(noise));

function resolutionOf(f: () => tf.Scalar): Resolution {
  let found: Resolution;
  tf.tidy(() => {
    const {trace} = capture(f);
    found = resolution(trace, findRows(trace, ({trainable}) => trainable, null));
    trace.dispose();
  });
  return found!;
}

test.serial('by the formula: a difference has the rounding of its terms, as whatever kernel and however scaled', t => {
  const a = tf.variable(tf.scalar(3));
  const [p, r] = tf.tidy(() => [[...x.mul(a).dataSync()], [...x.mul(a).sub(y).dataSync()]]);
  const data = y.dataSync();
  const u = r.map((_, i) => 2 ** -24 * (Math.abs(p[i]) + Math.abs(data[i])));
  const rows = u.reduce((sum, v) => sum + v * v, 0);
  const loss = Math.sqrt(r.reduce((sum, v, i) => sum + (2 * v * u[i]) ** 2, 0)) + rows;
  const forms: Array<[() => tf.Tensor, number]> = [
    [() => x.mul(a).sub(y).square().sum(), 1], [() => y.sub(x.mul(a)).square().mean(), 1 / 40], [() => tf.losses.meanSquaredError(y, x.mul(a)), 1 / 40],
    [() => leastSquares(x.mul(a).sub(y).div(0.1)), 50], [() => leastSquares(x.mul(a).sub(y).mul(tf.fill([40], 3)).reshape([4, 10]).neg()), 4.5], [() => leastSquares(x.mul(a).sub(y).expandDims(1).mul(3)), 4.5],
  ];
  forms.forEach(([form, factor], i) => {
    const found = resolutionOf(form as () => tf.Scalar);
    t.true(isClose(found.ofLoss, factor * loss) && isClose(found.ofResiduals, factor * rows), `${i}: ${found.ofLoss}, ${found.ofResiduals}; ${factor * loss}, ${factor * rows}`);
  });
  a.dispose();
});

test.serial('a residual that is no difference has its own rounding, and what has no weight none', t => {
  const a = tf.variable(tf.scalar(3));
  const u = tf.tidy(() => [...x.mul(a).dataSync()].map(v => 2 ** -24 * v));
  t.true(isClose(resolutionOf(() => leastSquares(x.mul(a))).ofResiduals, u.reduce((sum, v) => sum + v * v / 2, 0)));
  const mask = tf.tensor1d(Array.from({length: 40}, (_, i) => i === 5 ? 1 : 0));
  t.true(isClose(resolutionOf(() => leastSquares(x.mul(a), {weights: mask})).ofResiduals, u[5] ** 2 / 2));
  tf.dispose([a, mask]);
});

test.serial('of the size of the noise that a loss in float32 has', t => {
  const values = Array.from({length: 200}, (_, i) => Math.fround(3 + i * 1e-6));
  const a = tf.variable(tf.scalar(3));
  const data = [...y.dataSync()], points = [...x.dataSync()];
  const errors = values.map(value => {
    a.assign(tf.scalar(value));
    const r = tf.tidy(() => x.mul(a).sub(y).dataSync());
    return points.reduce((sum, point, i) => sum + r[i] ** 2 - (point * value - data[i]) ** 2, 0);
  });
  const spread = Math.sqrt(errors.reduce((sum, e) => sum + e * e, 0) / errors.length);
  const {ofLoss} = resolutionOf(() => x.mul(a).sub(y).square().sum());
  t.true(ofLoss > spread && ofLoss < 10 * spread, `${ofLoss}, spread ${spread}`);
  a.dispose();
});

test.serial('near the minimum steps go on where the loss cannot tell: more digits, and no rejections', t => {
  // y = b exp(k x) with residuals of 1e-3: by the loss alone k is known to sqrt(2^-24 / 1e-3), by the gradient to 2^-24.
  const [b, k] = [tf.variable(tf.scalar(1)), tf.variable(tf.scalar(-1))];
  const targets = tf.tidy(() => x.mul(-0.7).exp().mul(2).add(noise.mul(0.1)));
  const optimizer = ggn();
  const reports = Array.from({length: 30}, () => {
    optimizer.minimize(() => b.mul(k.mul(x).exp()).sub(targets).square().sum());
    return optimizer.lastStep!;
  });
  t.deepEqual([...new Set(reports.map(({status}) => status))].filter(status => status !== 'ok' && status !== 'raised'), []);
  // The minimum in float64, by Gauss-Newton from here.
  const [points, data] = [[...x.dataSync()], [...targets.dataSync()]];
  let [b64, k64] = [b.dataSync()[0], k.dataSync()[0]];
  for (let i = 0; i < 20; i++) {
    const sums = [0, 0, 0, 0, 0];
    points.forEach((point, j) => {
      const [db, dk, r] = [Math.exp(k64 * point), b64 * point * Math.exp(k64 * point), b64 * Math.exp(k64 * point) - data[j]];
      [db * db, db * dk, dk * dk, db * r, dk * r].forEach((v, s) => sums[s] += v);
    });
    const determinant = sums[0] * sums[2] - sums[1] ** 2;
    b64 -= (sums[2] * sums[3] - sums[1] * sums[4]) / determinant;
    k64 -= (sums[0] * sums[4] - sums[1] * sums[3]) / determinant;
  }
  t.true(Math.abs(b.dataSync()[0] - b64) < 2e-6 && Math.abs(k.dataSync()[0] - k64) < 2e-6, `${b.dataSync()[0] - b64} ${k.dataSync()[0] - k64}`);
  const losses = reports.map(({loss}) => loss);
  t.true(losses.every((loss, i) => i === 0 || loss <= losses[i - 1] * (1 + 1e-4)), 'the loss rises by rounding at most');
  optimizer.dispose();
  tf.dispose([b, k, targets]);
});
