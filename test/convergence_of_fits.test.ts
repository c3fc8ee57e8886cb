/** convergence(): the loop of docs/training.md ends where it should, and not before. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn, leastSquares, type GgnOptions} from '../src/index';
import {Patience} from '../src/convergence';
import type {StepReport} from '../src/step_report';

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
  const step = (loss: number, policy = 'levenbergMarquardt'): StepReport => ({loss, gainRatio: 0.5, policy}) as StepReport;
  const patience = new Patience();
  for (let i = 0; i < 100; i++) {
    patience.note(step(1 - i * 1e-6));
  }
  t.is(patience.judge(0.5).status, 'improving', 'a slow valley');
  for (let i = 0; i < 20; i++) {
    t.is(patience.judge(0.5).status, 'improving');
    patience.note(step(1 + i));
  }
  t.is(patience.judge(0.5).status, 'stuck');
  t.is(patience.judge(NaN).status, 'stuck');
  t.is(patience.judge(1e-5).status, 'converged');
  patience.note(step(1, 'agreement'));
  t.is(patience.judge(NaN).status, 'improving');
  t.is(patience.judge(1e-9).status, 'converged');
});
