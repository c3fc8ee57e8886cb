import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import {checkCustom, checkMemoryLimit, checkOptions, checkPolicy, checkSetting} from '../../src/api/check_options';
import type {GgnOptions} from '../../src/api/options';
import {ggn, GramGaussNewton} from '../../src/index';
import {LEVENBERG_MARQUARDT} from '../../src/policy/levenberg_marquardt';

const DEFAULTS = {
  given: {learningRate: 'auto', damping: 'auto', momentum: 'auto'}, policy: 'auto', policyFunction: null, levenbergMarquardt: LEVENBERG_MARQUARDT,
  memoryLimit: 2 ** 30, solver: 'auto', scaling: 'auto', weightDecay: 'auto', regularization: 'none', averaging: true, kernels: 'auto',
} as const;

test('defaults', t => {
  t.deepEqual(checkOptions({}), DEFAULTS);
  t.deepEqual(checkOptions({learningRate: undefined, policy: undefined, levenbergMarquardt: undefined, memoryLimit: undefined, damping: 0.5}),
      {...DEFAULTS, given: {...DEFAULTS.given, damping: 0.5}});
  t.is(ggn().policy, 'auto');
  t.is(ggn().memoryLimit, 2 ** 30);
});

test('what the policy sets can be read as a number, given or not', t => {
  const optimizer = ggn({damping: 0.5});
  t.is(optimizer.damping, 0.5);
  t.true(optimizer.learningRate > 0 && optimizer.learningRate <= 1);
  optimizer.learningRate = 0.25;
  t.is(optimizer.learningRate, 0.25);
  optimizer.learningRate *= 0.5;
  t.is(optimizer.learningRate, 0.125);
  optimizer.learningRate = 'auto';
  t.is(optimizer.learningRate, ggn().learningRate);
  const fixed = ggn({policy: 'fixed'});
  t.deepEqual([fixed.learningRate, fixed.damping, fixed.momentum], [0.1, 0.1, 0.9]);
  const lm = ggn({policy: 'levenbergMarquardt', levenbergMarquardt: {initialDamping: 3}});
  t.deepEqual([lm.learningRate, lm.damping, lm.momentum], [1, 3, 0]);
});

test('a setting is checked when it is set', t => {
  const optimizer = ggn({learningRate: 0.5});
  t.throws(() => optimizer.learningRate = 2, {message: "tfjs-ggn: the option learningRate must be a number above 0 and at most 1, or 'auto'; received 2."});
  t.throws(() => optimizer.damping = NaN, {message: /the option damping must be a number .*received NaN/});
  t.throws(() => optimizer.momentum = 1, {message: /the option momentum must be a number .*received 1\./});
  t.is(optimizer.learningRate, 0.5);
});

test('the ends of the ranges', t => {
  for (const options of [{learningRate: 1}, {learningRate: Number.MIN_VALUE}, {damping: 0}, {damping: 1e300}, {momentum: 0}, {momentum: 1 - Number.EPSILON}]) {
    t.deepEqual(checkOptions(options), {...DEFAULTS, given: {...DEFAULTS.given, ...options}});
  }
  t.is(checkOptions({memoryLimit: 2 ** 20}).memoryLimit, 2 ** 20);
  t.is(checkOptions({levenbergMarquardt: {decrease: 1, attempts: 1}}).levenbergMarquardt.decrease, 1);
});

type Numbers = 'learningRate' | 'damping' | 'momentum' | 'memoryLimit';
const OUTSIDE: Record<Numbers, number[]> = {
  learningRate: [0, -0.1, 1 + Number.EPSILON, Infinity],
  damping: [-Number.MIN_VALUE, -1, Infinity],
  momentum: [-Number.MIN_VALUE, 1, 2, -Infinity],
  memoryLimit: [0, 2 ** 20 - 1, Infinity],
};
const RANGES: Record<Numbers, string> = {
  learningRate: "above 0 and at most 1, or 'auto'",
  damping: "0 or more, and finite, or 'auto'",
  momentum: "at least 0 and below 1, or 'auto'",
  memoryLimit: 'of bytes, 1048576 (1 MiB) or more, and finite',
};
const NO_NUMBERS: Array<[unknown, string]> = [
  [NaN, 'NaN'], ['0.1', "'0.1'"], [null, 'null'], [true, 'true'], [[0.1], 'an array'], [{}, 'an object'], [10n, '10'],
];

for (const name of Object.keys(OUTSIDE) as Numbers[]) {
  for (const [value, shown] of [...OUTSIDE[name].map(x => [x, String(x)] as const), ...NO_NUMBERS]) {
    test(`${name}: ${typeof value} ${shown} is refused by name, with range and value`, t => {
      const message = `tfjs-ggn: the option ${name} must be a number ${RANGES[name]}; received ${shown}.`;
      t.throws(() => ggn({[name]: value}), {message});
      t.throws(() => name === 'memoryLimit' ? checkMemoryLimit(value) : checkSetting(name, value), {message});
    });
  }
}

test('undefined is a default in options, not a value', t => {
  t.throws(() => checkSetting('damping', undefined), {message: /damping must be a number .*received undefined/});
});

test('options of levenbergMarquardt are checked by name', t => {
  const refused = (levenbergMarquardt: unknown, message: RegExp): void =>
    void t.throws(() => checkOptions({levenbergMarquardt}), {message});
  refused({initialDamping: 0}, /option levenbergMarquardt\.initialDamping must be a number above 0, and finite, or 'auto'; received 0/);
  refused({decrease: 2}, /levenbergMarquardt\.decrease must be a number above 0 and at most 1; received 2/);
  refused({increase: 1}, /levenbergMarquardt\.increase must be a number above 1/);
  refused({attempts: 1.5}, /levenbergMarquardt\.attempts must be a number that is whole and at least 1; received 1\.5/);
  refused({minDamping: 1, maxDamping: 0.1}, /minDamping must not exceed maxDamping; received 1 and 0\.1/);
  refused({nu: 2}, /unknown option of levenbergMarquardt 'nu'\. Known options: initialDamping, minDamping, maxDamping, decrease, increase, attempts\./);
  refused(3, /levenbergMarquardt is an object, as in .*received 3/);
});

test('solver and scaling are names, and go together', t => {
  t.is(checkOptions({solver: 'normal', scaling: 'marquardt'}).scaling, 'marquardt');
  t.is(checkOptions({scaling: 'marquardt'}).solver, 'auto');
  t.throws(() => ggn({solver: 'qr' as 'gram'}), {message: /^tfjs-ggn: the option solver must be one of 'auto', 'gram', 'normal'.*; received 'qr'\.$/});
  t.throws(() => ggn({scaling: 1 as never}), {message: "tfjs-ggn: the option scaling must be one of 'auto', 'levenberg', 'marquardt'; received 1."});
  t.throws(() => ggn({solver: 'gram', scaling: 'marquardt'}), {message: /^tfjs-ggn: the option scaling 'marquardt' takes the diagonal of the normal equations/});
  t.notThrows(() => ggn({solver: 'gram', scaling: 'levenberg'}));
  const optimizer = ggn();
  optimizer.solver = 'gram';
  optimizer.scaling = 'marquardt';
  t.throws(() => optimizer.minimize(() => {
    throw new Error('f() ran');
  }), {message: /marquardt/}, 'before f() runs');
});

test('kernels is a name, may be changed between steps, and is saved', t => {
  t.throws(() => ggn({kernels: 'own' as 'auto'}), {message: "tfjs-ggn: the option kernels must be one of 'auto', 'tfjs'; received 'own'."});
  const optimizer = ggn({kernels: 'tfjs'});
  t.is(optimizer.getConfig()['kernels'], 'tfjs');
  const saved = (config: tf.serialization.ConfigDict): string => GramGaussNewton.fromConfig<GramGaussNewton>(GramGaussNewton, config).kernels;
  t.is(saved(optimizer.getConfig()), 'tfjs');
  t.is(saved({damping: 0.1}), 'auto', 'saved by an earlier version');
  optimizer.kernels = null as never;
  t.throws(() => optimizer.minimize(() => tf.scalar(1)), {message: /the option kernels must be one of 'auto', 'tfjs'; received null/});
});

test('weightDecay is from 0 to 1', t => {
  t.is(checkOptions({weightDecay: 0.01}).weightDecay, 0.01);
  t.throws(() => ggn({weightDecay: -1}), {message: 'tfjs-ggn: the option weightDecay must be a number from 0 to 1, or \'auto\'; received -1.'});
  t.is(ggn({weightDecay: 'auto'}).getConfig()['weightDecay'], 'auto');
});

test('policy: a name or a function', t => {
  const own = (): void => undefined;
  t.deepEqual(checkPolicy(own), {policy: 'custom', policyFunction: own});
  t.deepEqual(checkPolicy('fixed'), {policy: 'fixed', policyFunction: null});
  for (const [value, shown] of [['adam', "'adam'"], [3, '3'], [null, 'null'], [{}, 'an object']] as const) {
    t.throws(() => checkOptions({policy: value}), {message: `tfjs-ggn: the option policy must be one of 'auto', 'agreement', 'hypergradient', 'evidenceDamping', 'levenbergMarquardt', 'fixed', ` +
        `or a function of the step report; received ${shown}.`});
  }
});

test('what a function given as policy returns is checked; what it leaves out stays', t => {
  const before = {learningRate: 0.1, damping: 0.2, momentum: 0.3};
  t.is(checkCustom(undefined, before), before);
  t.deepEqual(checkCustom({damping: 5}, before), {...before, damping: 5});
  t.throws(() => checkCustom({damping: NaN}, before), {message: /damping \(returned by the function given as policy\) must be a number 0 or more, and finite; received NaN/});
  t.throws(() => checkCustom({rate: 1}, before), {message: /must return settings such as \{damping: 0\.2\}.*it returned \{rate\}/});
  t.throws(() => checkCustom(0.1, before), {message: /it returned 0\.1/});
});

test('an unknown option is refused, with the known ones', t => {
  t.throws(() => ggn({rate: 0.1} as GgnOptions),
      {message: "tfjs-ggn: unknown option 'rate'. Known options: learningRate, damping, momentum, policy, levenbergMarquardt, memoryLimit, solver, scaling, weightDecay, regularization, averaging, kernels."});
  t.throws(() => ggn({toString: 1} as unknown as GgnOptions), {message: /unknown option 'toString'/});
  t.throws(() => ggn({learning_rate: 0.1, damping: 0.1} as GgnOptions), {message: /unknown option 'learning_rate'/});
});

test('options that are no object are refused: a rate alone, as tf.train.sgd takes it, above all', t => {
  for (const [options, shown] of [[0.1, '0.1'], ['adam', "'adam'"], [null, 'null'], [[], 'an array']]) {
    t.throws(() => ggn(options as GgnOptions), {message: `tfjs-ggn: ggn() takes an object of options, as in ggn({learningRate: 0.3}); received ${String(shown)}.`});
  }
});
