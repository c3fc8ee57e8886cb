import test from 'ava';
import {LEVENBERG_MARQUARDT} from '../../src/policy/levenberg_marquardt';
import {readPolicyState} from '../../src/policy/saved_state';
import {initialState} from '../../src/policy/policy_state';
import type {PolicyState} from '../../src/policy/policy_state';

const INITIAL = initialState({...LEVENBERG_MARQUARDT, initialDamping: 0.7});

const LATER: PolicyState = {
  history: {fingerprint: 2 ** 32 - 1, repeats: 3, changed: true, isFull: false},
  determination: {examples: 1000, isShort: true},
  agreement: {learningRate: 0.1 + 0.2, agreement: -1 / 3, damping: 0.95 ** 7, momentum: 0.925, headroom: 2.5, raised: 64, caution: 16, steps: 12, loss: 1 / 7, spread: 2.5},
  hypergradient: {...initialState(LEVENBERG_MARQUARDT).hypergradient, damping: 0.95 ** 5},
  hasEvidence: true,
  evidenceDamping: {evidence: 7 / 3, damping: 1e-12 / 7, increase: 2 ** 30},
  levenbergMarquardt: {damping: 1e-12 / 3, increase: 2 ** 40},
  custom: {learningRate: 1, damping: 0, momentum: 0.5},
  detour: 3,
  evidence: {firstAlphas: [2.5, 1 / 3], alpha: 0.7, beta: 25, fingerprint: 7, maximum: {gamma: 12.5, alpha: 0.8, beta: 20, logEvidence: -3.25}, since: 4},
};

const throughJson = (x: unknown): unknown => JSON.parse(JSON.stringify(x));

test('a state comes back from JSON bit for bit', t => {
  t.deepEqual(readPolicyState(throughJson(LATER), INITIAL), LATER);
  t.deepEqual(readPolicyState(throughJson(INITIAL), INITIAL), INITIAL, 'a fingerprint of null, before the first step');
});

test('parts that were not saved start anew', t => {
  t.deepEqual(readPolicyState(undefined, INITIAL), INITIAL);
  t.deepEqual(readPolicyState({}, INITIAL), INITIAL);
  t.deepEqual(readPolicyState({history: {repeats: 5}, levenbergMarquardt: LATER.levenbergMarquardt}, INITIAL),
      {...INITIAL, history: {...INITIAL.history, repeats: 5}, levenbergMarquardt: LATER.levenbergMarquardt});
});

test('parts that this version does not know are dropped', t => {
  t.deepEqual(readPolicyState({...LATER, trust: {radius: 1}, agreement: {...LATER.agreement, older: 2}}, INITIAL), LATER);
});

test('what is read is not shared with what was saved', t => {
  const saved = structuredClone(LATER) as {agreement: {damping: number}};
  const read = readPolicyState(saved, INITIAL);
  saved.agreement.damping = 9;
  t.is(read.agreement.damping, LATER.agreement.damping);
});

const WRONG: Array<[unknown, string]> = [
  [null, 'policyState of the saved optimizer is null'],
  ['x', 'policyState of the saved optimizer is "x"'],
  [{agreement: 3}, 'policyState.agreement of the saved optimizer is 3'],
  [{agreement: null}, 'policyState.agreement of the saved optimizer is null'],
  [{agreement: {damping: '0.1'}}, 'policyState.agreement.damping of the saved optimizer is "0.1"'],
  [{agreement: {damping: true}}, 'policyState.agreement.damping of the saved optimizer is true'],
  [{agreement: {damping: {}}}, 'policyState.agreement.damping of the saved optimizer is {}'],
  [{evidenceDamping: {evidence: 101}}, 'policyState.evidenceDamping.evidence of the saved optimizer is 101'],
  [{evidenceDamping: {evidence: -1}}, 'policyState.evidenceDamping.evidence of the saved optimizer is -1'],
  [{hasEvidence: 1}, 'policyState.hasEvidence of the saved optimizer is 1'],
  [{levenbergMarquardt: {increase: null}}, 'policyState.levenbergMarquardt.increase of the saved optimizer is null'],
  [{levenbergMarquardt: {damping: NaN}}, 'policyState.levenbergMarquardt.damping of the saved optimizer is null'],
  [{levenbergMarquardt: {damping: Infinity}}, 'policyState.levenbergMarquardt.damping of the saved optimizer is null'],
  [{history: {changed: 1}}, 'policyState.history.changed of the saved optimizer is 1'],
  [{history: {changed: null}}, 'policyState.history.changed of the saved optimizer is null'],
  [{history: {fingerprint: 'a'}}, 'policyState.history.fingerprint of the saved optimizer is "a"'],
  [{history: {fingerprint: {}}}, 'policyState.history.fingerprint of the saved optimizer is {}'],
  [{history: {fingerprint: true}}, 'policyState.history.fingerprint of the saved optimizer is true'],
];

test('refused: values of another kind, and numbers that are not finite', t => {
  for (const [saved, message] of WRONG) {
    const error = t.throws(() => readPolicyState(saved, INITIAL), undefined, message);
    t.true(error?.message.startsWith(`tfjs-ggn: ${message}, which this optimizer did not save. Load another checkpoint`), error?.message);
  }
});
