import test from 'ava';
import {custom, FIXED, fixed} from '../../src/policy/fixed';

test("'fixed' says the same always; a function of the user's starts from it, is judged and never rejected", t => {
  t.deepEqual(fixed.settings(fixed.initial), {learningRate: 0.1, damping: 0.1, momentum: 0.9});
  t.deepEqual([fixed.judges, fixed.rejects, fixed.attempts, fixed.observe], [false, false, 1, undefined]);
  t.is(custom.initial, FIXED);
  t.deepEqual([custom.judges, custom.rejects, custom.attempts], [true, false, 1]);
  const said = {learningRate: 0.5, damping: 2, momentum: 0};
  t.is(custom.settings(said), said);
  t.is(custom.observe!(said, {agreement: 1, examples: 8}), said, 'it wants to see the agreement, and leaves the answer to the function');
});
