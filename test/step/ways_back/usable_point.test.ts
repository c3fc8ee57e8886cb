/** The way back from weights whose trial was finite and whose Jacobian is of no use: the next step goes back to the weights before. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn, leastSquares, type GgnOptions} from '../../../src/index';

await tf.setBackend('cpu');

const OPTIONS: Record<string, GgnOptions> = {
  auto: {},
  normal: {solver: 'normal', policy: 'levenbergMarquardt', scaling: 'levenberg'},
  gram: {solver: 'gram', policy: 'levenbergMarquardt'},
  cg: {solver: 'cg', policy: 'levenbergMarquardt'},
  bayesian: {regularization: 'bayesian'},
  custom: {policy: () => undefined, learningRate: 0.5, damping: 1e-2, momentum: 0},
};

/** A curve a · e^(b x) whose derivative is infinite at one value of b, `bad.at`, which the test chooses after the trial. */
function curve(): {readonly bad: {at: number}; readonly v: readonly tf.Variable[]; readonly y: tf.Variable; readonly loss: () => tf.Scalar} {
  const bad = {at: NaN};
  const x = tf.linspace(0, 2, 12);
  const own = tf.customGrad((...args) => {
    const [b, save] = args as unknown as [tf.Tensor, (saved: tf.Tensor[]) => void];
    save([b]);
    return {value: b.mul(1), gradFunc: (dy: tf.Tensor, [saved]: tf.Tensor[]) => dy.mul(saved.dataSync()[0] === bad.at ? Infinity : 1)};
  });
  const y = tf.variable(tf.linspace(0, 2, 12).mul(-1.3).exp().mul(3), false);
  const v = [1, -0.3].map(value => tf.variable(tf.tensor1d([value])));
  return {bad, v, y, loss: () => leastSquares(v[0].mul(own(v[1]).mul(x).exp()).sub(y))};
}

const values = (v: readonly tf.Variable[]): number[] => v.map(t => t.dataSync()[0]);

for (const [name, options] of Object.entries(OPTIONS)) {
  test.serial(`${name}: the step goes back to the last weights bit for bit, then on with more damping`, t => {
    const {bad, v, loss} = curve();
    const optimizer = ggn(options);
    optimizer.minimize(loss);
    optimizer.minimize(loss);
    const before = values(v);
    const least = loss().dataSync()[0];
    optimizer.minimize(loss);
    const {damping} = optimizer.lastStep!;
    const {numTensors} = tf.memory();
    bad.at = v[1].dataSync()[0];
    t.not(bad.at, before[1], 'a step was taken');
    t.notThrows(() => optimizer.minimize(loss));
    t.deepEqual(values(v), before);
    t.true(tf.memory().numTensors <= numTensors);
    t.like(optimizer.lastStep, {status: 'rejected', stepNorm: 0, iteration: 4, gainRatio: null});
    t.is(optimizer.convergence().status, 'improving');
    optimizer.minimize(loss);
    t.true(name === 'custom' || optimizer.lastStep!.damping > damping, `${optimizer.lastStep!.damping} after ${damping}`);
    t.true(Math.abs(optimizer.lastStep!.loss - least) <= 1e-6 * least, 'it began at the old weights');
    bad.at = name === 'custom' ? NaN : bad.at;  // its settings, and so its steps, are always the same
    for (let i = 0; i < 10; i++) {
      optimizer.minimize(loss);
    }
    t.true(optimizer.lastStep!.loss < least);
    optimizer.dispose();
  });
}

test.serial('weights of the user, other data, or a second such step are errors', t => {
  const message = /the Jacobian of the batch is not finite/;
  const begin = (): ReturnType<typeof curve> & {readonly optimizer: ReturnType<typeof ggn>} => {
    const made = curve();
    const optimizer = ggn({policy: 'levenbergMarquardt'});
    optimizer.minimize(made.loss);
    optimizer.minimize(made.loss);
    return {...made, optimizer};
  };
  const written = begin();
  written.v[0].assign(tf.tensor1d([0.9]));
  written.bad.at = written.v[1].dataSync()[0];
  const weights = values(written.v);
  t.throws(() => written.optimizer.minimize(written.loss), {message});
  t.deepEqual(values(written.v), weights);

  const other = begin();
  other.y.assign(other.y.mul(1.1));
  other.bad.at = other.v[1].dataSync()[0];
  t.throws(() => other.optimizer.minimize(other.loss), {message});

  const twice = begin();
  const {numTensors} = tf.memory();
  twice.bad.at = twice.v[1].dataSync()[0];
  twice.optimizer.minimize(twice.loss);
  twice.bad.at = twice.v[1].dataSync()[0];
  t.throws(() => twice.optimizer.minimize(twice.loss), {message});
  t.true(tf.memory().numTensors <= numTensors);
  twice.optimizer.dispose();
  t.throws(() => twice.optimizer.minimize(twice.loss), {message});
});
