/** The options `solver` and `scaling`: what they choose, what they refuse, and what a user sees of it. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {ggn, leastSquares, type GgnOptions} from '../../src/index';
import {chooseScaling, chooseSystem as chooseFor} from '../../src/systems/system_choice';
import type {SystemOptions} from '../../src/systems/system_choice';
import type {SystemName, SystemSize} from '../../src/solve/system';

await tf.setBackend('cpu');

const AUTO = {solver: 'auto', scaling: 'auto'} as const;
const NET = {policy: 'levenbergMarquardt', variables: [{rank: 2}, {rank: 1}]} as const;
const CURVE = {policy: 'levenbergMarquardt', variables: [{rank: 0}, {rank: 1}]} as const;

const chooseSystem = (size: SystemSize, options: SystemOptions): SystemName => chooseFor(size, options, NET);

test('the smaller system; few parameters even with more rows than a Gram matrix can have', t => {
  t.is(chooseSystem({rows: 128, parameters: 10_000, width: 10_000}, AUTO), 'gram');
  t.is(chooseSystem({rows: 128, parameters: 128, width: 128}, AUTO), 'gram');
  t.is(chooseSystem({rows: 129, parameters: 128, width: 128}, AUTO), 'normal');
  t.is(chooseSystem({rows: 100_000, parameters: 1000, width: 1000}, AUTO), 'normal');
  t.is(chooseSystem({rows: 6, parameters: 5, width: 5}, AUTO), 'normal', 'a curve through few points keeps the low damping');
  t.is(chooseSystem({rows: 600, parameters: 529, width: 529}, AUTO), 'gram', 'measured: a third of the time');
  t.is(chooseSystem({rows: 2000, parameters: 1870, width: 1870}, AUTO), 'gram');
  t.is(chooseSystem({rows: 2000, parameters: 900, width: 900}, AUTO), 'normal');
  t.is(chooseSystem({rows: 8193, parameters: 2040, width: 2040}, AUTO), 'normal');
  t.is(chooseSystem({rows: 4096, parameters: 3000, width: 3000}, AUTO), 'gram', 'the normal equations would be too large');
  t.is(chooseSystem({rows: 4097, parameters: 3000, width: 3000}, AUTO), 'cg', 'both would');
  t.is(chooseSystem({rows: 4097, parameters: 2048, width: 2048}, AUTO), 'normal');
  t.is(chooseSystem({rows: 8000, parameters: 7000, width: 7000}, {solver: 'gram', scaling: 'auto'}), 'gram', 'by name');
});

test('what is asked for, where it is possible', t => {
  const size = {rows: 100, parameters: 200, width: 200};
  t.is(chooseSystem(size, {solver: 'normal', scaling: 'auto'}), 'normal');
  t.is(chooseSystem(size, {solver: 'auto', scaling: 'marquardt'}), 'normal', 'which has the diagonal');
  t.is(chooseSystem({rows: 200, parameters: 100, width: 100}, {solver: 'gram', scaling: 'auto'}), 'gram');
  t.throws(() => chooseSystem({rows: 10, parameters: 3000, width: 3000}, {solver: 'normal', scaling: 'auto'}),
      {message: /the solver 'normal' takes normal equations .* at most 2048; this model has 3000\. Use solver 'auto', or train fewer variables\./});
  t.throws(() => chooseSystem({rows: 10, parameters: 3000, width: 3000}, {solver: 'auto', scaling: 'marquardt'}), {message: /the scaling 'marquardt' takes/});
  t.throws(() => chooseSystem({rows: 9000, parameters: 100, width: 100}, {solver: 'gram', scaling: 'auto'}),
      {message: /this step has 9000 rows .* at most 8192\. Use a smaller batchSize, or solver 'auto'\./});
});

test('a fit of scalars and vectors takes the normal equations whatever the number of rows, unless they take long', t => {
  const choose = (rows: number, parameters: number, options: Partial<SystemOptions> = {}): SystemName =>
    chooseFor({rows, parameters, width: parameters}, {...AUTO, ...options}, CURVE);
  t.deepEqual([choose(2, 2), choose(3, 3), choose(2, 5), choose(1, 300), choose(600, 529), choose(600, 600), choose(5000, 100)], Array.from({length: 7}, () => 'normal'));
  t.is(choose(2000, 1870), 'gram', 'nine seconds a step');
  t.is(choose(20, 500), 'gram', 'far fewer rows than parameters');
  t.is(choose(3, 3, {solver: 'gram'}), 'gram', 'by name');
  t.is(choose(3, 3, {scaling: 'levenberg'}), 'gram', 'Marquardt is not wanted');
  t.is(chooseFor({rows: 3, parameters: 3, width: 3}, AUTO, {...CURVE, policy: 'agreement'}), 'gram', 'steps that nobody judges');
});

test('Marquardt by itself only for scalars and vectors, in the normal equations, under Levenberg-Marquardt', t => {
  t.is(chooseScaling('normal', AUTO, CURVE), 'marquardt');
  t.is(chooseScaling('normal', AUTO, NET), 'levenberg');
  t.is(chooseScaling('normal', AUTO, {...CURVE, policy: 'fixed'}), 'levenberg');
  t.is(chooseScaling('gram', AUTO, CURVE), 'levenberg');
  t.is(chooseScaling('normal', {solver: 'auto', scaling: 'marquardt'}, {...NET, policy: 'fixed'}), 'marquardt');
});

/** y = a exp(-k x), with k in units of 1e-8 or so. */
function decay(options: GgnOptions, unit: number, steps: number): number[] {
  const [a, k] = [1, 0.5 * unit].map(value => tf.variable(tf.scalar(value)));
  const x = tf.linspace(0, 4, 50);
  const y = tf.tidy(() => x.mul(-0.7).exp().mul(2.5));
  const optimizer = ggn(options);
  for (let i = 0; i < steps; i++) {
    optimizer.minimize(() => leastSquares([a.mul(tf.exp(tf.neg(k.mul(x.div(unit))))).sub(y)]));
  }
  const found = [a.dataSync()[0], k.dataSync()[0] / unit];
  told = [optimizer.lastStep!.solver, optimizer.lastStep!.scaling, optimizer.lastStep!.lambda === optimizer.lastStep!.damping];
  tf.dispose([a, k, x, y]);
  optimizer.dispose();
  return found;
}
let told: unknown[] = [];

test.serial('with Marquardt a step does not depend on the unit of a parameter, and the report says which system and scaling', t => {
  const options: GgnOptions = {learningRate: 1, damping: 0.1, momentum: 0, scaling: 'marquardt'};
  const expected = decay(options, 1, 3);
  t.deepEqual(told, ['normal', 'marquardt', true]);
  const found = decay(options, 2 ** -27, 3);
  t.true(Math.abs(found[0] - expected[0]) < 1e-6 && Math.abs(found[1] - expected[1]) < 1e-6, `${found.join()} ${expected.join()}`);
  decay({...options, scaling: 'auto'}, 1, 1);
  t.deepEqual(told, ['normal', 'levenberg', false], "policy 'fixed'");
  decay({...options, scaling: 'auto', solver: 'gram'}, 1, 1);
  t.deepEqual(told, ['gram', 'levenberg', false]);
});

test.serial('Levenberg-Marquardt finds parameters of very different units', t => {
  const found = decay({policy: 'levenbergMarquardt'}, 2 ** -27, 12);
  t.deepEqual(told, ['normal', 'marquardt', true]);
  t.true(Math.abs(found[0] - 2.5) < 1e-4 && Math.abs(found[1] - 0.7) < 1e-4, found.join());
});
