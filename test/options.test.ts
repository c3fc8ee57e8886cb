import test from 'ava';
import {checkOption, checkOptions, type GgnOptions} from '../src/options';
import {ggn} from '../src/index';

const DEFAULTS = {learningRate: 0.1, damping: 0.1, momentum: 0.9, memoryLimit: 2 ** 30};

test('defaults', t => {
  t.deepEqual(checkOptions({}), DEFAULTS);
  const {learningRate, damping, momentum, memoryLimit} = ggn();
  t.deepEqual({learningRate, damping, momentum, memoryLimit}, DEFAULTS);
  t.deepEqual(checkOptions({learningRate: undefined, damping: 0.5}), {...DEFAULTS, damping: 0.5});
});

test('the ends of the ranges', t => {
  for (const options of [{learningRate: 1}, {learningRate: Number.MIN_VALUE}, {damping: 0}, {damping: 1e300}, {momentum: 0},
    {momentum: 1 - Number.EPSILON}, {memoryLimit: 2 ** 20}]) {
    t.deepEqual(checkOptions(options), {...DEFAULTS, ...options});
  }
});

const OUTSIDE: Record<keyof GgnOptions, number[]> = {
  learningRate: [0, -0.1, 1 + Number.EPSILON, Infinity],
  damping: [-Number.MIN_VALUE, -1, Infinity],
  momentum: [-Number.MIN_VALUE, 1, 2, -Infinity],
  memoryLimit: [0, 2 ** 20 - 1, Infinity],
};
const RANGES: Record<keyof GgnOptions, string> = {
  learningRate: 'above 0 and at most 1',
  damping: '0 or more, and finite',
  momentum: 'at least 0 and below 1',
  memoryLimit: 'of bytes, 1048576 (1 MiB) or more, and finite',
};
const NO_NUMBERS: Array<[unknown, string]> = [
  [NaN, 'NaN'], ['0.1', "'0.1'"], [null, 'null'], [true, 'true'], [[0.1], 'an array'], [{}, 'an object'], [10n, '10'],
];

for (const name of Object.keys(OUTSIDE) as Array<keyof GgnOptions>) {
  for (const [value, shown] of [...OUTSIDE[name].map(x => [x, String(x)] as const), ...NO_NUMBERS]) {
    test(`${name}: ${typeof value} ${shown} is refused by name, with range and value`, t => {
      const message = `tfjs-ggn: the option ${name} must be a number ${RANGES[name]}; received ${shown}.`;
      t.throws(() => ggn({[name]: value}), {message});
      t.throws(() => checkOption(name, value), {message});
    });
  }
}

test('undefined is a default in options, not a value', t => {
  t.throws(() => checkOption('damping', undefined), {message: /damping must be a number .*received undefined/});
});

test('an unknown option is refused, with the known ones', t => {
  t.throws(() => ggn({rate: 0.1} as GgnOptions), {message: "tfjs-ggn: unknown option 'rate'. Known options: learningRate, damping, momentum, memoryLimit."});
  t.throws(() => ggn({toString: 1} as unknown as GgnOptions), {message: /unknown option 'toString'/});
  t.throws(() => ggn({learning_rate: 0.1, damping: 0.1} as GgnOptions), {message: /unknown option 'learning_rate'/});
});

test('options that are no object are refused: a rate alone, as tf.train.sgd takes it, above all', t => {
  for (const [options, shown] of [[0.1, '0.1'], ['adam', "'adam'"], [null, 'null'], [[], 'an array']]) {
    t.throws(() => ggn(options as GgnOptions), {message: `tfjs-ggn: ggn() takes an object of options, as in ggn({learningRate: 0.3}); received ${String(shown)}.`});
  }
});
