/** convergence(): the loop of docs/loops.md ends where it should, and not before. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn, leastSquares, type GgnOptions} from '../../src/index';
import {Patience} from '../../src/api/convergence';
import type {UndampedDecrease} from '../../src/solve/resolved_decrease';
import type {StepReport} from '../../src/step/step_report';

await tf.setBackend('cpu');

const x = tf.linspace(0, 3, 40);
const y = tf.tidy(() => x.mul(-0.7).exp().mul(2.5).add(tf.randomNormal([40], 0, 0.05, 'float32', 4)));

function decay(options: GgnOptions, targets: tf.Tensor, penalty = 0): {status: string; reason: string; steps: number; loss: number} {
  const [a, k] = [1, 0.3].map(value => tf.variable(tf.scalar(value)));
  const optimizer = ggn(options);
  do {
    optimizer.minimize(() => leastSquares(a.mul(k.mul(x).neg().exp()).sub(targets)).add(a.square().mul(penalty)));
  } while (optimizer.convergence().status === 'improving' && optimizer.iterations < 300);
  const {status, reason} = optimizer.convergence();
  const ended = {status, reason, steps: optimizer.iterations, loss: optimizer.lastStep!.loss};
  optimizer.dispose();
  tf.dispose([a, k]);
  return ended;
}

test.serial('before the first step nothing has converged', t => {
  t.is(ggn().convergence().status, 'improving');
});

test.serial('data with noise and without converge', t => {
  const exact = tf.tidy(() => x.mul(-0.7).exp().mul(2.5));
  for (const targets of [y, exact]) {
    const {status, steps, reason} = decay({}, targets);
    t.true(status === 'converged' && steps < 40, `${status}, ${steps} steps, ${reason}`);
  }
  exact.dispose();
});

test.serial('a loss below 0, such as a log-likelihood, converges at its minimum and not before', t => {
  const losses: Array<(r: tf.Tensor) => tf.Tensor> = [r => r.square().sum(), r => r.square().mean().log().mul(20), r => r.square().sum().sub(100), r => r.square().sum().sub(1)];
  const found = losses.map(loss => {
    const [a, k] = [1, 0.3].map(value => tf.variable(tf.scalar(value)));
    const optimizer = ggn();
    do {
      optimizer.minimize(() => loss(a.mul(k.mul(x).neg().exp()).sub(y)) as tf.Scalar);
    } while (optimizer.convergence().status === 'improving' && optimizer.iterations < 100);
    const {status, reason} = optimizer.convergence();
    t.true(status === 'converged' && optimizer.iterations < 60, `${status}, ${optimizer.iterations} steps, ${reason}`);
    return [a, k].map(variable => variable.dataSync()[0]);
  });
  found.forEach(([a, k]) => t.true(Math.abs(a - found[0][0]) < 2e-3 && Math.abs(k - found[0][1]) < 2e-3, found.join(' | ')));
});

test.serial('where what is left is not known, the loop goes on to the minimum and says so', t => {
  for (const [options, penalty] of [[{solver: 'cg', policy: 'levenbergMarquardt'}, 0], [{solver: 'gram', policy: 'levenbergMarquardt'}, 0.1]] as Array<[GgnOptions, number]>) {
    const wanted = decay({}, y, penalty);
    const {status, steps, reason, loss} = decay(options, y, penalty);
    t.true(status === 'stuck' && steps > 20 && steps < 300, `${status}, ${steps} steps`);
    t.regex(reason, /not known/);
    t.true(Math.abs(loss / wanted.loss - 1) < 1e-4, `${loss}, not ${wanted.loss}`);
  }
});

test('judged steps that do not lower the loss are counted, others are not', t => {
  const step = (loss: number, policy = 'levenbergMarquardt'): StepReport => ({loss, gainRatio: 0.5, policy, evidence: null}) as StepReport;
  const patience = new Patience();
  const left = (known: number, more: Partial<UndampedDecrease> = {}): UndampedDecrease => ({known, hidden: 0, hideable: 0, lost: 0, ...more});
  for (let i = 0; i < 100; i++) {
    patience.note(step(1 - i * 1e-6));
  }
  t.is(patience.judge(left(0.5)).status, 'improving', 'a slow valley');
  const below = new Patience();
  for (let i = 0; i <= 20; i++) {
    below.note(step(-10));
  }
  t.is(below.judge(left(0.5)).status, 'stuck', 'a loss below 0 that stays');
  for (let i = 0; i < 20; i++) {
    t.is(patience.judge(left(0.5)).status, 'improving');
    patience.note(step(1 + i));
  }
  t.is(patience.judge(left(0.5)).status, 'stuck');
  t.is(patience.judge(left(NaN)).status, 'stuck');
  t.is(patience.judge(left(1e-5)).status, 'converged');
  t.is(patience.judge(left(0, {hidden: 0.01})).status, 'converged');
  t.is(patience.judge(left(0, {hideable: 2e-4})).status, 'stuck');
  t.is(patience.judge(left(1e-5, {lost: 1})).status, 'stuck');
  const held = new Patience();
  const heldStep = {...step(1), damping: 1e-12, predictedDecrease: 1e-9};
  for (let i = 0; i <= 100; i++) {
    t.is(held.judge(left(0.5)).status, 'improving', 'the damping falls, or is the least');
    held.note(heldStep);
  }
  t.is(held.judge(left(0.5)).status, 'stuck');
  for (const other of [{predictedDecrease: 0.1}, {status: 'rejected'}, {predictedDecrease: null}, {damping: 1}] as const) {
    const stuck = new Patience();
    for (let i = 0; i <= 20; i++) {
      stuck.note(heldStep);
    }
    t.is(stuck.judge(left(0.5)).status, 'improving');
    t.is(stuck.judge(left(1e-5)).status, 'converged');
    stuck.note({...heldStep, ...other});
    t.is(stuck.judge(left(0.5)).status, 'stuck', JSON.stringify(other));
  }
  patience.note(step(1, 'agreement'));
  t.is(patience.judge(left(NaN)).status, 'improving');
  t.is(patience.judge(left(1e-9)).status, 'converged');
  t.is(patience.judge(left(0, {hidden: 1e-3})).status, 'improving', 'more steps decide');
  t.is(patience.judge(left(0, {hideable: Infinity})).status, 'improving');
  t.is(patience.judge(left(0, {lost: 2})).status, 'stuck', 'no step will change anything');
});

interface Ended {
  readonly status: string;
  readonly reason: string;
  readonly loss: number;
}

function fit(start: readonly number[], model: (p: readonly tf.Variable[]) => tf.Tensor, targets: tf.Tensor, options: GgnOptions = {}): Ended {
  const p = start.map(value => tf.variable(tf.scalar(value)));
  const optimizer = ggn(options);
  do {
    optimizer.minimize(() => leastSquares(model(p).sub(targets)));
  } while (optimizer.convergence().status === 'improving' && optimizer.iterations < 300);
  const {status, reason} = optimizer.convergence();
  const {loss} = optimizer.lastStep!;
  optimizer.dispose();
  tf.dispose(p);
  return {status, reason, loss};
}

test.serial('redundant parameters: the loop ends at the minimum, and says that rounding hides a direction', t => {
  const plain = fit([1, 0.3], ([a, k]) => a.mul(k.mul(x).neg().exp()), y);
  t.is(plain.status, 'converged');
  for (const model of [([a, b, k]: readonly tf.Tensor[]): tf.Tensor => a.mul(b).mul(k.mul(x).neg().exp()), ([a, b, k]: readonly tf.Tensor[]): tf.Tensor => a.add(b).mul(k.mul(x).neg().exp())]) {
    const {status, reason, loss} = fit([1, 2, 0.3], model, y);
    t.is(status, 'stuck', reason);
    t.regex(reason, /rounding hides directions/);
    t.true(Math.abs(loss / plain.loss - 1) < 1e-5, `${loss}, not ${plain.loss}`);
  }
});

test.serial('what has collapsed or run away does not pass for a minimum: equal exponentials, a line as an exponential, a peak far beyond the data', t => {
  const two = tf.tidy(() => x.mul(-3).exp().add(x.mul(-0.4).exp()));
  const pair = fit([1, 1, 1, 1], ([a, k, b, l]) => a.mul(k.mul(x).neg().exp()).add(b.mul(l.mul(x).neg().exp())), two);
  t.is(pair.status, 'stuck', pair.reason);
  const line = tf.tidy(() => x.mul(2).add(1).add(tf.randomNormal([40], 0, 0.05, 'float32', 4)));
  const away = fit([1, 1, 0.1], ([a, b, c]) => a.sub(b.mul(c.mul(x).neg().exp())), line);
  t.not(away.status, 'converged', away.reason);
  const peak = fit([1, 0.5, 9, 0.1], ([h, w, c]) => h.mul(x.sub(c).div(w).square().neg().exp()), two);
  t.is(peak.status, 'stuck', peak.reason);
});

test.serial('a Gram matrix in float32 does not say that nothing is left of a square fit that it cannot solve', t => {
  const [xs, ys] = [tf.tensor1d([350, 380]), tf.tensor1d([48, 17])];
  const {status, reason, loss} = fit([-0.01, 1], ([a, b]) => a.mul(xs).add(b).exp(), ys, {solver: 'gram', policy: 'levenbergMarquardt'});
  t.true(loss > 1, `${loss}`);
  t.is(status, 'stuck');
  t.regex(reason, /not known/);
  const solved = fit([-0.01, 1], ([a, b]) => a.mul(xs).add(b).exp(), ys);
  t.true(solved.status === 'converged' && solved.loss < 1e-6, `${solved.status} ${solved.loss}`);
});
