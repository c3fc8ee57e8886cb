import test from 'ava';
import {NO_HISTORY, recognise, type BatchHistory, type BatchSign} from '../../src/policy/full_batch';

/** Data with a fingerprint, of a custom loop. */
const data = (fingerprint: number): BatchSign => ({fingerprint, isWhole: false});
/** The only batch of an epoch of `fit`. */
const whole = (fingerprint: number): BatchSign => ({fingerprint, isWhole: true});
/** One of several batches of an epoch of `fit`. */
const PART: BatchSign = {fingerprint: null, isWhole: false};

/** Whether each of the steps is full batch: 'f', or not: '-'. */
function follow(signs: readonly BatchSign[], from: BatchHistory = NO_HISTORY): string {
  let history = from;
  return signs.map(sign => {
    history = recognise(history, sign);
    return history.isFull ? 'f' : '-';
  }).join('');
}

const times = <T>(count: number, x: T): T[] => new Array<T>(count).fill(x);

test('fit with one batch an epoch: full from the first step', t => {
  t.is(follow(times(3, whole(5))), 'fff');
});

test('fit with several batches: never, however long', t => {
  t.is(follow(times(30, PART)), '-'.repeat(30));
  t.deepEqual(recognise({fingerprint: 5, repeats: 3, changed: false, isFull: true}, PART), {fingerprint: null, repeats: 0, changed: true, isFull: false});
});

test('a custom loop: the first step cannot know, the second sees the same data', t => {
  t.is(follow(times(4, data(5))), '-fff');
});

test('a curve fit: the first step counts as full, and what the second sees decides', t => {
  const curve = (fingerprint: number): BatchSign => ({...data(fingerprint), isCurve: true});
  t.is(follow(times(3, curve(5))), 'fff');
  t.is(follow([1, 2, 3, 1].map(curve)), 'f---');
  t.is(follow([PART, curve(5), curve(5)]), '---', 'after several batches an epoch it is one of them');
});

test('a custom loop over mini-batches: never', t => {
  t.is(follow([1, 2, 3, 1, 2, 3, 1, 2, 3].map(data)), '---------');
});

test('several steps on one mini-batch after others: full from the eighth repeat only', t => {
  t.is(follow([...times(5, data(1)), data(2), ...times(9, data(2)), data(3), ...times(9, data(3))]), '-ffff' + '-' + '-------ff' + '-' + '-------ff');
  t.is(follow([1, 1, 2, 2, 3, 3, 4, 4].map(data)), '-f------', 'two steps a batch');
});

test('fit with one batch an epoch after several: full at once', t => {
  t.is(follow([...times(4, PART), ...times(3, whole(9))]), '----fff');
});

test('fit with one batch an epoch, then on other data: the first step there is not full, the next is', t => {
  t.is(follow([...times(3, whole(5)), ...times(3, whole(6))]), 'fff-ff');
});

test('data that change in every step are no full batch, whatever fit says: a generator, or augmentation', t => {
  t.is(follow([1, 2, 3, 4, 5].map(whole)), 'f----');
});

test('fit on all the data, then a custom loop on the same', t => {
  t.is(follow([whole(5), whole(5), data(5), data(5)]), 'ffff');
  t.is(follow([PART, PART, data(5), ...times(9, data(5))]), '---' + '-------ff');
});

test('a fingerprint of 0 is one like any other', t => {
  t.is(follow(times(3, data(0))), '-ff');
  t.is(follow([data(0), data(1), data(0)]), '---');
});

test('what is remembered', t => {
  const steps = [data(7), data(7), data(7), data(8), data(8)];
  let history = NO_HISTORY;
  const histories = steps.map(sign => {
    history = recognise(Object.freeze(history), sign);
    return history;
  });
  t.deepEqual(histories, [
    {fingerprint: 7, repeats: 0, changed: false, isFull: false}, {fingerprint: 7, repeats: 1, changed: false, isFull: true},
    {fingerprint: 7, repeats: 2, changed: false, isFull: true},
    {fingerprint: 8, repeats: 0, changed: true, isFull: false}, {fingerprint: 8, repeats: 1, changed: true, isFull: false},
  ]);
});

test('a history that was saved goes on', t => {
  const saved = JSON.parse(JSON.stringify(recognise(NO_HISTORY, data(7)))) as BatchHistory;
  t.is(follow([data(7), data(7)], saved), 'ff');
  t.is(follow([data(8), data(8)], saved), '--');
});
