import test from 'ava';
import {determine, UNDETERMINED, worth, type Determination} from '../../src/policy/determined_batch';

const after = (...batches: number[]): Determination => batches.reduce((known, examples) => determine(known, {examples, parameters: 10}), UNDETERMINED);

test('three examples for each parameter determine it', t => {
  t.deepEqual(after(30), {examples: 30, isShort: false});
  t.deepEqual(after(29), UNDETERMINED);
  t.deepEqual(after(160, 200, 170), {examples: 200, isShort: false}, 'the largest');
});

test('one short batch is the end of an epoch; two are other batches', t => {
  t.deepEqual(after(200, 7), {examples: 200, isShort: true});
  t.deepEqual(after(200, 7, 200), {examples: 200, isShort: false});
  t.deepEqual(after(200, 7, 7), UNDETERMINED);
});

test('full steps from sixteen examples for each parameter; below, the noise that they add stays a sixteenth', t => {
  const share = (known: Determination, examples: number): number => worth(known, {examples, parameters: 10});
  t.is(share(after(160), 160), 1);
  t.is(share(after(200, 170), 170), 1);
  for (const examples of [30, 50, 100, 159]) {
    const rate = share(after(examples), examples);
    t.true(Math.abs(rate / (2 - rate) * 10 / examples - 1 / 16) < 1e-12);
  }
  t.is(share(UNDETERMINED, 3), 1);
});

test('a short batch is worth its share of the steps of its epoch', t => {
  const share = (known: Determination, examples: number): number => worth(known, {examples, parameters: 10});
  t.is(share(after(200, 20), 20), 0.1);
  t.is(share(after(80, 20), 20), 20 / 80 * share(after(80), 80));
});
