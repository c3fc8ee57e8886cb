import test from 'ava';
import {determine, UNDETERMINED, worth, type Determination} from '../../src/policy/determined_batch';

const after = (...batches: number[]): Determination => batches.reduce((known, examples) => determine(known, {examples, parameters: 10}), UNDETERMINED);

test('sixteen examples for each parameter determine it', t => {
  t.deepEqual(after(160), {examples: 160, isShort: false});
  t.deepEqual(after(159), UNDETERMINED);
  t.deepEqual(after(160, 200, 170), {examples: 200, isShort: false}, 'the largest');
});

test('one short batch is the end of an epoch; two are other batches', t => {
  t.deepEqual(after(200, 7), {examples: 200, isShort: true});
  t.deepEqual(after(200, 7, 200), {examples: 200, isShort: false});
  t.deepEqual(after(200, 7, 7), UNDETERMINED);
});

test('a short batch is worth its share of the largest', t => {
  t.is(worth(after(200), 200), 1);
  t.is(worth(after(200, 170), 170), 1);
  t.is(worth(after(200, 50), 50), 0.25);
  t.is(worth(UNDETERMINED, 3), 1);
});
