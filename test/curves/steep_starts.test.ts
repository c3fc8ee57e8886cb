/**
 * Exponentials and powers that begin too steep: the diagonal of JᵀHJ is up to 10²⁰ times as large at first as later, and the damping of
 * Marquardt's scaling remembers it.
 */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn, leastSquares} from '../../src/index';
import {initialState} from '../../src/policy/policy_state';
import {LEVENBERG_MARQUARDT} from '../../src/policy/levenberg_marquardt';
import {StepPolicy} from '../../src/policy/step_policy';
import {LargestScales} from '../../src/systems/largest_scales';

await tf.setBackend('cpu');

interface Steep {
  readonly name: string;
  readonly x: tf.Tensor1D;
  readonly model: (p: readonly tf.Tensor[], x: tf.Tensor) => tf.Tensor;
  readonly truth: readonly number[];
  readonly start: readonly number[];
}

const diode: Steep['model'] = ([i, v, g], x) => i.mul(x.div(v).exp().sub(1)).add(g.mul(x));

const MEMBERS: readonly Steep[] = [
  {name: 'diode, e^(x/v) from e^20', x: tf.linspace(0, 0.4, 40), model: diode, truth: [1e-3, 0.05, 0.1], start: [1.5e-3, 0.02, 0.12]},
  {name: 'diode, e^(x/v) from e^21', x: tf.linspace(0, 0.4, 40), model: diode, truth: [1e-3, 0.05, 0.1], start: [6e-4, 0.0192, 0.17]},
  {name: 'exponential and constant', x: tf.linspace(0, 10, 30), model: ([a, b, c], x) => a.mul(b.mul(x).exp()).add(c), truth: [2, 0.5, 3],
    start: [1, 2.6, 1]},
  {name: 'growth and decay', x: tf.linspace(0, 10, 40), model: ([a, b, c, d], x) => a.mul(b.mul(x).exp()).add(c.mul(d.mul(x).neg().exp())),
    truth: [0.1, 0.5, 3, 1], start: [0.2, 2, 2, 0.8]},
  {name: 'power and logarithm', x: tf.linspace(1, 30, 30), model: ([a, b, c], x) => a.mul(x.pow(b)).add(c.mul(x.log())), truth: [2, 1.5, 5], start: [1, 8, 1]},
];

for (const {name, x, model, truth, start} of MEMBERS) {
  test.serial(`${name}: converged at the truth in fewer than 200 steps`, t => {
    const y = tf.tidy(() => model(truth.map(value => tf.scalar(value)), x).add(tf.randomNormal(x.shape, 0, 1e-3, 'float32', 5)));
    const p = start.map(value => tf.variable(tf.scalar(value)));
    const optimizer = ggn();
    do {
      optimizer.minimize(() => leastSquares(model(p, x).sub(y)));
    } while (optimizer.convergence().status === 'improving' && optimizer.iterations < 200);
    t.is(optimizer.convergence().status, 'converged', `${optimizer.iterations} steps`);
    p.forEach((variable, i) => t.true(Math.abs(variable.dataSync()[0] / truth[i] - 1) < 0.05, `${variable.dataSync()[0]}, not ${truth[i]}`));
    optimizer.dispose();
    tf.dispose([p, y]);
  });
}

test('the scales fade after a good step with the least damping, unless the damping is given', t => {
  const least = {...LEVENBERG_MARQUARDT, minDamping: 1e-3};
  const after = (damping: number, given: number | 'auto', judge: (policy: StepPolicy) => void): number => {
    const state = {...initialState(least), levenbergMarquardt: {damping, increase: 2}};
    const policy = StepPolicy.after('levenbergMarquardt', {learningRate: 'auto', momentum: 'auto', damping: given}, least, state);
    judge(policy);
    return policy.fading;
  };
  t.is(after(1e-3, 'auto', policy => policy.judge(1)), 1 / 3);
  t.is(after(1e-3, 'auto', policy => policy.unresolved()), 1 / 3);
  t.is(after(1e-3, 'auto', policy => policy.judge(0.3)), 1, 'a poor step raises the damping');
  t.is(after(1e-3, 'auto', policy => policy.judge(-1)), 1);
  t.is(after(2e-3, 'auto', policy => policy.judge(1)), 1, 'the damping can still fall');
  t.is(after(1e-3, 1e-3, policy => policy.judge(1)), 1);
  t.is(after(1e-3, 'auto', () => undefined), 1);
});

test('a faded scale leaves the largest one, which tells parameters that have lost their effect', t => {
  const scales = new LargestScales();
  const [a, b] = [tf.variable(tf.zeros([2])), tf.variable(tf.scalar(0))];
  t.deepEqual(scales.of([a, b]), {largest: new Float64Array(3), faded: new Float64Array(3)});
  const of = (...values: number[]): Float64Array => Float64Array.from(values);
  scales.keep([a, b], {largest: of(1, 2, 3), faded: of(1, 2, 3)}, 0.5);
  t.deepEqual(scales.of([b, a]), {largest: of(3, 1, 2), faded: of(1.5, 0.5, 1)});
  scales.clear();
  t.deepEqual(scales.of([b]), {largest: of(0), faded: of(0)});
});
